"""Our fetchers against a real WordPress: what editors do there is what arrives here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from publisher.errors import SourceInvalid
from publisher.fetchers.discovery import discover
from publisher.fetchers.syndication import Syndication
from publisher.fetchers.wordpress import WordPress
from publisher.kit.http_session import open_session
from publisher.model import Author, Fetched, FetchedArticle, Source
from tests.full.wordpress_site import WordPressSite, what_is_missing

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(what_is_missing()), reason=f"needs {what_is_missing()}: `.ci/system-packages full`"),
]

TITLES = {
    "plain": "The ferry returns",
    "markup": "Fish &amp; &lt;chips&gt;: 5 &lt; 6",
    "quotes": "“Quoted” isn't 'that' -- it is",
    "scripts": "Straße, 港, Ελλάδα, 🚢",
    "control": "Tide\x0b tables",
    "untitled": "",
}


@dataclass
class Newsroom:
    site: WordPressSite
    source: Source
    ids: dict[str, int]
    picture: str

    def look(self, **changes: object) -> list[Fetched]:
        return list(WordPress().fetch(replace(self.source, **changes), now=datetime.now(UTC)))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def room() -> Iterator[Newsroom]:
    with WordPressSite() as site:
        site.option("timezone_string", "Asia/Kolkata")
        room = Newsroom(site, _source(site), {}, "")
        _seed(room)
        yield room


def _source(site: WordPressSite) -> Source:
    return Source(slug="website", kind="wordpress", url=site.url, interval=timedelta(minutes=10), allow_private=True)


def _seed(room: Newsroom) -> None:
    site, ids = room.site, room.ids
    ida = site.author("ida", "Ida Marsh", 'Ida writes about "mud" & tides.', "https://ida.example/")
    for name, title in TITLES.items():
        ids[name] = site.publish(title, f"<p>This is {name}.</p>", post_date="2026-11-20 14:35:00")
    site.php("wp_set_post_terms($data['id'], 'ferry,winter', 'post_tag');", id=ids["plain"])
    site.php(
        "wp_set_object_terms($data['id'], ['Harbour', 'News & Views'], 'category');",
        id=ids["plain"],
    )
    site.edit(ids["plain"], post_author=ida, post_excerpt="What a ferry means to a town.")
    room.picture = site.picture(ids["plain"], 'The "Kittiwake" & <crew>', "Photo: Ida Marsh")
    ids["long"] = site.publish("A long read", "<p>" + "The tide comes in and goes out. " * 60 + "</p>")
    ids["edited"] = site.publish("Edited", "<p>Before.</p>")
    site.edit(ids["edited"], post_content="<p>After.</p>")
    ids["sticky"] = site.publish("Sticky", "<p>Stays on top.</p>", post_date="2019-01-02 03:04:05")
    site.php("stick_post($data['id']);", id=ids["sticky"])
    ids["trashed"] = site.publish("Trashed")
    site.trash(ids["trashed"])
    ids["scheduled"] = site.publish("Scheduled", post_status="future", post_date="2099-01-01 00:00:00")
    ids["protected"] = site.publish("Protected", post_password="sesame")
    ids["draft"] = site.publish("Draft", post_status="draft")
    ids["private"] = site.publish("Private", post_status="private")
    ids["page"] = site.publish("About us", post_type="page")


PUBLISHED = {*TITLES, "long", "edited", "sticky"}


def by_id(pages: list[Fetched]) -> dict[str, FetchedArticle]:
    found = [article for page in pages for article in page.articles]
    assert len({article.native_id for article in found}) == len(found)
    return {article.native_id: article for article in found}


def after(source: Source, pages: list[Fetched]) -> Source:
    return replace(source, cursor=json.loads(json.dumps(dict(pages[-1].cursor))))


def test_each_published_post_arrives_exactly_once_and_no_other(room: Newsroom) -> None:
    assert set(by_id(room.look())) == {str(room.ids[name]) for name in PUBLISHED}


def test_the_protected_post_is_reported(room: Newsroom) -> None:
    refused = [refusal for page in room.look() for refusal in page.refused]
    assert [("Protected" in refusal.item, "password" in refusal.reason) for refusal in refused] == [(True, True)]


def test_every_field_is_right(room: Newsroom) -> None:
    article = by_id(room.look())[str(room.ids["plain"])]
    assert article.title == "The ferry returns"
    assert article.url == article.base_url == f"{room.site.url}2026/11/the-ferry-returns/"
    assert article.guid.startswith(room.site.url)
    assert article.standfirst == "What a ferry means to a town."
    assert article.content_html == "<p>This is plain.</p>\n"
    biography = 'Ida writes about "mud" & tides.'
    assert article.authors == (Author(name="Ida Marsh", url="https://ida.example/", biography=biography),)
    assert set(article.categories) == {"Harbour", "News & Views"}
    assert set(article.tags) == {"ferry", "winter"}
    assert article.published_at == datetime(2026, 11, 20, 9, 5, tzinfo=UTC)  # 14:35 in Kolkata
    assert article.updated_at is not None
    assert timedelta(0) <= datetime.now(UTC) - article.updated_at < timedelta(minutes=10)
    assert article.image is not None
    assert (article.image.url, article.image.type) == (room.picture, "image/png")
    assert (article.image.width, article.image.height) == (320, 200)
    assert article.image.bytes > 100
    assert article.image.alt == 'The "Kittiwake" & <crew>'
    assert article.image.credit == "Photo: Ida Marsh"


def test_titles_are_the_plain_text_that_was_meant(room: Newsroom) -> None:
    found = by_id(room.look())
    titles = {name: found[str(room.ids[name])].title for name in TITLES}
    assert titles == {
        "plain": "The ferry returns",
        "markup": "Fish & <chips>: 5 < 6",
        "quotes": "“Quoted” isn’t ‘that’ — it is",
        "scripts": "Straße, 港, Ελλάδα, 🚢",
        "control": "Tide tables",
        "untitled": "",
    }


def test_an_excerpt_that_wordpress_made_is_no_standfirst(room: Newsroom) -> None:
    found = by_id(room.look())
    assert {found[str(room.ids[name])].standfirst for name in ("long", "edited")} == {""}


def test_an_edit_and_a_new_post_are_found_from_the_cursor_alone(room: Newsroom) -> None:
    first = room.look()
    quiet = by_id(room.look(cursor=after(room.source, first).cursor))
    assert all(by_id(first)[id].raw_hash == article.raw_hash for id, article in quiet.items())
    room.site.edit(room.ids["sticky"], post_content="<p>Stays, corrected.</p>")
    new = room.site.publish("Stop press")
    second = room.look(cursor=after(room.source, first).cursor)
    found = by_id(second)
    assert {str(room.ids["sticky"]), str(new)} <= set(found)
    assert found[str(room.ids["sticky"])].content_html == "<p>Stays, corrected.</p>\n"
    room.site.php("wp_delete_post($data['id'], true);", id=new)


def test_a_scheduled_post_arrives_when_its_time_has_come(room: Newsroom) -> None:
    long_ago = "post_modified = '2026-01-01 00:00:00', post_modified_gmt = '2026-01-01 00:00:00'"
    room.site.php(
        f"global $wpdb; $wpdb->query(\"UPDATE $wpdb->posts SET {long_ago} WHERE ID = \" . $data['id']);"
        " clean_post_cache($data['id']);",
        id=room.ids["scheduled"],
    )
    first = room.look()
    room.site.php("wp_publish_post($data['id']);", id=room.ids["scheduled"])
    assert str(room.ids["scheduled"]) in by_id(room.look(cursor=after(room.source, first).cursor))
    room.site.trash(room.ids["scheduled"])


def listed(pages: list[Fetched]) -> set[str]:
    (listing,) = [page.listing for page in pages if page.listing]
    assert listing.complete
    return set(listing.ids)


def test_what_was_removed_is_in_no_list(room: Newsroom) -> None:
    """Deleted for good, put into the trash, unpublished, or put behind a password."""
    public = {str(room.ids[name]) for name in PUBLISHED}
    ids = [room.site.publish(f"Going {number}") for number in range(4)]
    cursor = {"url": room.source.url, "list": {"looks": 9}}
    assert listed(room.look(cursor=cursor)) == public | set(map(str, ids))
    room.site.php("wp_delete_post($data['id'], true);", id=ids[0])
    room.site.trash(ids[1])
    room.site.edit(ids[2], post_status="draft")
    room.site.edit(ids[3], post_password="sesame")
    assert listed(room.look(cursor=cursor)) == public
    for id in ids[1:]:
        room.site.php("wp_delete_post($data['id'], true);", id=id)


@pytest.mark.parametrize("offset", [5.5, -3.5])
def test_a_site_whose_zone_is_an_offset_of_half_an_hour_is_read(room: Newsroom, offset: float) -> None:
    room.site.option("timezone_string", "")
    room.site.option("gmt_offset", offset)
    first = room.look()
    new = room.site.publish("Half past", post_date="2026-11-20 14:35:00")
    try:
        found = by_id(room.look(cursor=after(room.source, first).cursor))
        written = datetime(2026, 11, 20, 14, 35, tzinfo=UTC) - timedelta(hours=offset)
        assert found[str(new)].published_at == written
    finally:
        room.site.php("wp_delete_post($data['id'], true);", id=new)
        room.site.option("timezone_string", "Asia/Kolkata")


KILLED = """
import json, os, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from publisher.fetchers.wordpress import WordPress
from publisher.model import Source

url, place, most = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
kept = json.loads(place.read_text()) if place.exists() else {"cursor": {}, "ids": []}
source = Source(
    slug="website", kind="wordpress", url=url, interval=timedelta(minutes=10), allow_private=True, cursor=kept["cursor"]
)
for number, page in enumerate(WordPress().fetch(source, now=datetime.now(UTC)), start=1):
    kept = {"cursor": dict(page.cursor), "ids": [*kept["ids"], *(article.native_id for article in page.articles)]}
    place.with_suffix(".new").write_text(json.dumps(kept))
    place.with_suffix(".new").replace(place)  # articles and cursor together, as the store commits them
    if number == most:
        os.kill(os.getpid(), 9)
"""


def test_a_reader_that_is_killed_after_each_page_reads_each_post_once(room: Newsroom, tmp_path: Path) -> None:
    code = "return array_map(fn($n) => wp_insert_post(['post_title' => \"Many $n\", 'post_status' => 'publish',"
    ids = room.site.php(f"{code} 'post_content' => 'Text.']), range(1, 230));")
    place, ends = tmp_path / "kept.json", []
    try:
        for _ in range(10):
            command = [sys.executable, "-c", KILLED, room.site.url, str(place), "1"]
            ends.append(subprocess.run(command, capture_output=True, check=False).returncode)
            if "newest" not in json.loads(place.read_text())["cursor"]["types"]["posts"]:
                break
    finally:
        room.site.php("array_map(fn($id) => wp_delete_post($id, true), $data['ids']);", ids=ids)
    came = json.loads(place.read_text())["ids"]
    assert ends[:2] == [-9, -9]
    assert len(came) == len(set(came)) == len(PUBLISHED) + 230


def test_pages_are_read_when_asked_for(room: Newsroom) -> None:
    found = by_id(room.look(options={"post_types": ["posts", "pages"]}))
    assert found[str(room.ids["page"])].title == "About us"


def test_a_site_without_pretty_permalinks_is_read(room: Newsroom) -> None:
    structure = "/%year%/%monthnum%/%postname%/"
    try:
        room.site.option("permalink_structure", "")
        assert len(by_id(room.look())) == len(PUBLISHED)
    finally:
        room.site.option("permalink_structure", structure)


def test_an_application_password_opens_a_closed_api(room: Newsroom) -> None:
    plugin = room.site.root / "wp-content/mu-plugins/closed.php"
    plugin.parent.mkdir(exist_ok=True)
    closed = (
        "add_filter('rest_authentication_errors', fn($error) => is_user_logged_in() ? $error"
        " : new WP_Error('rest_not_logged_in', 'No entry.', ['status' => 401]));"
    )
    local = "add_filter('wp_is_application_passwords_available', '__return_true');"  # as if there were TLS
    plugin.write_text(f"<?php {closed} {local}")
    try:
        with pytest.raises(SourceInvalid, match="set username and password_env"):
            room.look()
        with pytest.raises(SourceInvalid, match="mend username and password_env"):
            room.look(secrets={"username": "nora", "password": "wrong"})
        password = room.site.application_password("nora")
        assert len(by_id(room.look(secrets={"username": "nora", "password": password}))) == len(PUBLISHED)
    finally:
        plugin.unlink()


def test_a_plugin_that_dies_on_one_post_hides_no_other(room: Newsroom) -> None:
    plugin = room.site.root / "wp-content/mu-plugins/dying.php"
    plugin.parent.mkdir(exist_ok=True)
    plugin.write_text(
        "<?php add_filter('the_content', function ($text) {"
        " if (strpos($text, 'This is quotes') !== false) throw new Exception('dead'); return $text; });"
    )
    try:
        pages = room.look()
    finally:
        plugin.unlink()
    assert set(by_id(pages)) == {str(room.ids[name]) for name in PUBLISHED - {"quotes"}}
    assert any("quoted" in refusal.item for page in pages for refusal in page.refused)


def test_a_check_counts_the_posts(room: Newsroom) -> None:
    line = WordPress().check(room.source, now=datetime.now(UTC))
    assert line == f"The Harbour Gazette: {len(PUBLISHED) + 1} articles"  # the protected one is listed


def test_its_feed_tells_the_same_articles(room: Newsroom) -> None:
    """Its `/feed/` is not well-formed, since one title holds a control character."""
    source = replace(room.source, kind="syndication", url=f"{room.site.url}feed/")
    (page,) = Syndication().fetch(source, now=datetime.now(UTC))
    assert page.refused == ()
    through_api = {article.url: article for article in by_id(room.look()).values()}
    assert {article.url for article in page.articles} <= set(through_api) | {f"{room.site.url}2026/11/protected/"}
    for article in page.articles:
        if article.url in through_api:
            assert article.title == through_api[article.url].title
            assert article.published_at == through_api[article.url].published_at


def test_it_is_discovered(room: Newsroom) -> None:
    with open_session(allow_private=True) as session:
        first, *others = discover(room.site.url, session=session, now=datetime.now(UTC))
    assert (first.kind, first.url, first.title, first.language) == (
        "wordpress",
        room.site.url,
        "The Harbour Gazette",
        "en-US",
    )
    assert [other.url for other in others] == [f"{room.site.url}feed/"]
