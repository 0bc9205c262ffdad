from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.errors import SourceInvalid, SourceUnavailable
from publisher.fetchers._wordpress_api import overlap, zone_of
from publisher.fetchers._wordpress_post import article
from publisher.fetchers.wordpress import WordPress
from publisher.kit.http_session import Limits
from publisher.model import Author, Source
from tests.contracts.fetcher_cases import NOW, AskedCases, Served, after, articles, look
from tests.fakes import newsroom
from tests.fakes.newsroom import Newsroom

KEYS = ("rendered", "protected", "author", "wp:term", "wp:featuredmedia", "name", "taxonomy", "source_url", "url", "id")
POST = json.loads((Path(__file__).parent.parent / "data" / "wordpress" / "image-and-terms.json").read_text())["post"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
)
DATA = Path(__file__).parent.parent / "data" / "wordpress"


class WordPressRoom(Served, Newsroom):
    """A newsroom that writes in WordPress."""

    def __enter__(self) -> WordPressRoom:
        super().__enter__()
        self.fetcher = WordPress()
        self.source = Source(
            slug="website", kind="wordpress", url=self.url, interval=timedelta(minutes=10), allow_private=True
        )
        return self


@pytest.fixture
def room() -> Iterator[WordPressRoom]:
    with WordPressRoom() as room:
        yield room


class TestWordPress(AskedCases): ...


def pages_asked(room: WordPressRoom) -> list[str]:
    return [line for line in room.requests if "_embed" in line]


# ---------------------------------------------------------------- what is read


def test_every_field_of_a_post_is_read(room: WordPressRoom) -> None:
    room.authors[2] = {
        "name": "Tom &amp; Co",
        "url": "https://tom.example",
        "description": "Tom &amp; crew <b>sail</b>.",
    }
    image = {
        "source_url": f"{room.url}uploads/ferry.jpg",
        "mime_type": "image/jpeg",
        "alt_text": 'The ferry "Kittiwake" & crew',
        "caption": {"rendered": "<p>Photo: Ida Marsh</p>"},
        "media_details": {"width": 1200, "height": 800, "filesize": 120034},
    }
    room.publish(
        "ferry",
        "Ferry & <crew> return",
        "The ferry sails again.",
        excerpt="<p>A crossing that Kilmarnagh missed.</p>",
        author=2,
        categories=("News & Views", "Harbour"),
        tags=("ferry",),
        image=image,
        at=datetime(2026, 11, 20, 8, 30, tzinfo=UTC),
    )
    (found,) = articles(look(room)).values()
    assert found.native_id == "11"
    assert found.guid == f"{room.url}?p=11"
    assert found.url == found.base_url == f"{room.url}2026/11/20/11/"
    assert found.title == "Ferry & <crew> return"
    assert found.standfirst == "A crossing that Kilmarnagh missed."
    assert found.authors == (Author(name="Tom & Co", url="https://tom.example", biography="Tom & crew sail."),)
    assert (found.categories, found.tags) == (("News & Views", "Harbour"), ("ferry",))
    assert found.image is not None
    assert asdict(found.image) == {
        "url": f"{room.url}uploads/ferry.jpg",
        "type": "image/jpeg",
        "bytes": 120034,
        "width": 1200,
        "height": 800,
        "alt": 'The ferry "Kittiwake" & crew',
        "credit": "Photo: Ida Marsh",
        "lost": "",
    }
    assert found.published_at == datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
    assert found.updated_at == room.posts["ferry"].modified


@pytest.mark.parametrize("path", sorted(DATA.glob("*.json")), ids=lambda path: path.stem)
def test_a_recorded_post_reads_as_expected(path: Path) -> None:
    recorded = json.loads(path.read_text())
    read = json.loads(
        json.dumps(asdict(article(recorded["post"], zone_of(recorded["zone"]), recorded["home"])), default=str)
    )
    read.pop("raw_hash")
    assert {name: value for name, value in read.items() if value} == recorded["article"]


def test_an_excerpt_that_wordpress_made_is_no_standfirst(room: WordPressRoom) -> None:
    room.publish("short", "Short", "Only a line.")
    room.publish("long", "Long", "The tide comes in. " * 40)
    assert {found.standfirst for found in articles(look(room)).values()} == {""}


def test_an_author_whom_the_site_hides_is_left_out(room: WordPressRoom) -> None:
    room.publish("ferry", "Ferry returns", author=99)
    assert articles(look(room))["Ferry returns"].authors == ()


IDA = {"display_name": "Ida &#8220;Tide&#8221; Marsh", "link": "/author/ida/", "description": {"raw": "Ida writes."}}
TOM = {"display_name": "Tom Byrne", "link": "", "description": {"rendered": "<p>Tom &amp; crew.</p>"}}


def test_several_authors_are_asked_for_where_the_site_has_them(room: WordPressRoom) -> None:
    room.people |= {"ida": IDA, "tom": TOM}
    room.publish("alone", "By Nora alone")
    for number in range(3):
        room.publish(f"both-{number}", f"By both {number}", written_by=("ida", "tom"))
    room.publish("guest", "By a guest", written_by=("tom",))
    found = articles(look(room))
    ida = Author(name="Ida “Tide” Marsh", url=f"{room.origin}/author/ida/", biography="Ida writes.")
    assert found["By both 2"].authors == (ida, Author(name="Tom Byrne", biography="Tom & crew."))
    assert [author.name for author in found["By a guest"].authors] == ["Tom Byrne"]
    assert [author.name for author in found["By Nora alone"].authors] == ["Nora Quill"]
    assert sum("coauthors/v1" in line for line in room.requests) == 2  # once for each combination


def test_a_site_that_does_not_tell_its_several_authors_tells_the_one(room: WordPressRoom) -> None:
    room.people["ida"] = IDA
    room.publish("both", "By both", written_by=("ida", "tom"))
    for status in (403, 404, 500):
        room.answer("/wp-json/coauthors/v1/coauthors", b"{}", status=status)
        assert [author.name for author in articles(look(room))["By both"].authors] == ["Nora Quill"]
    room.answer("/wp-json/coauthors/v1/coauthors", status=503, Retry_After="60")
    with pytest.raises(SourceUnavailable):
        look(room)


@pytest.mark.parametrize("field", ["authors", "newspack_author_info"])
def test_several_authors_that_a_plugin_adds_to_the_post_are_read(room: WordPressRoom, field: str) -> None:
    people = [{"display_name": "Ida Marsh", "author_link": "/author/ida/"}, {"display_name": "Tom Byrne"}, 7]
    room.publish("both", "By both", extra={field: people})
    (found,) = articles(look(room)).values()
    assert found.authors == (Author(name="Ida Marsh", url=f"{room.origin}/author/ida/"), Author(name="Tom Byrne"))


def test_a_protected_post_is_left_out_and_reported(room: WordPressRoom) -> None:
    room.publish("secret", "For the board", protected=True)
    room.publish("ferry", "Ferry returns")
    (page,) = look(room)
    assert [found.title for found in page.articles] == ["Ferry returns"]
    assert [(refusal.item, "password" in refusal.reason) for refusal in page.refused] == [("For the board", True)]


def test_other_post_types_are_read_when_asked_for(room: WordPressRoom) -> None:
    room.publish("ferry", "Ferry returns")
    room.publish("regatta", "Regatta", type="events")
    room.set(options={"post_types": ["posts", "events"]})
    first = look(room)
    assert set(articles(first)) == {"Ferry returns", "Regatta"}
    room.edit("regatta", "Postponed.")
    assert "Postponed" in articles(look(room, after(room.source, first)))["Regatta"].content_html
    assert room.fetcher.check(room.source, now=NOW) == "The Harbour Gazette: 2 articles"


def test_an_unknown_post_type_is_named(room: WordPressRoom) -> None:
    room.set(options={"post_types": ["recipes"]})
    with pytest.raises(SourceInvalid, match="no posts of the type 'recipes': correct post_types"):
        look(room)


# ---------------------------------------------------------------- where the API is


@pytest.mark.parametrize("folder", ["", "/news"])
@pytest.mark.parametrize("pretty", [True, False])
@pytest.mark.parametrize("linked", [True, False])
def test_the_api_is_found(folder: str, pretty: bool, linked: bool) -> None:
    with WordPressRoom(folder=folder, pretty=pretty, linked=linked) as room:
        room.publish("ferry", "Ferry returns")
        assert set(articles(look(room))) == {"Ferry returns"}


def test_a_later_look_asks_only_what_it_must(room: WordPressRoom) -> None:
    room.publish("ferry", "Ferry returns")
    first = look(room)
    room.requests.clear()
    look(room, after(room.source, first))
    assert len(room.requests) == 5  # the API's index, the newest change, the newest ids by date and by id, one page


def test_a_site_that_moved_its_api_is_found_again(room: WordPressRoom) -> None:
    room.publish("ferry", "Ferry returns")
    first = look(room)
    room.pretty = False
    room.edit("ferry", "The ferry sails at ten.")
    assert "at ten" in articles(look(room, after(room.source, first)))["Ferry returns"].content_html


@pytest.mark.parametrize("status", [401, 403, 404])
def test_an_api_that_is_off_points_to_the_feed(room: WordPressRoom, status: int) -> None:
    room.api_status = status
    with pytest.raises(SourceInvalid, match=r'kind = "syndication", url = "http://127\.0\.0\.1:\d+/feed/"'):
        look(room)


def test_a_password_opens_a_restricted_site(room: WordPressRoom) -> None:
    room.users["nora"] = "abcd efgh ijkl"
    room.publish("ferry", "Ferry returns")
    with pytest.raises(SourceInvalid, match="set username and password_env"):
        look(room)
    room.set(secrets={"username": "nora", "password": "wrong one"})
    with pytest.raises(SourceInvalid, match="mend username and password_env") as caught:
        look(room)
    assert "wrong one" not in str(caught.value)
    room.set(secrets={"username": "nora", "password": "abcd efgh ijkl"})
    assert set(articles(look(room))) == {"Ferry returns"}


def test_a_password_is_not_shown_to_another_site_that_the_page_names(room: WordPressRoom) -> None:
    room.set(secrets={"username": "nora", "password": "abcd"})
    with Newsroom() as other:
        link = f'<{other.url.replace("127.0.0.1", "localhost")}wp-json/>; rel="https://api.w.org/"'
        room.answer("/", b"<html></html>", Link=link)
        look(room)
        assert other.requests
        assert not any("authorization" in headers for headers in other.seen_headers)


# ---------------------------------------------------------------- pages and cursors


def publish_many(room: WordPressRoom, number: int) -> set[str]:
    for count in range(number):
        room.publish(f"story-{count}", f"Story {count}")
    return {f"Story {count}" for count in range(number)}


@pytest.mark.parametrize("number", [99, 100, 101, 199, 200, 301])
def test_an_archive_of_any_size_comes_whole(room: WordPressRoom, number: int) -> None:
    titles = publish_many(room, number)
    assert set(articles(look(room))) == titles


@pytest.mark.parametrize("totals", [True, False])
def test_a_site_that_gives_fewer_at_once_is_read_to_its_end(room: WordPressRoom, totals: bool) -> None:
    room.most_per_page, room.totals = 7, totals
    titles = publish_many(room, 30)
    assert set(articles(look(room))) == titles


def test_a_plugin_that_takes_posts_out_of_each_page_does_not_keep_a_look_going(room: WordPressRoom) -> None:
    publish_many(room, 250)
    room.left_out = {110, 111, 209, 210}
    assert len(articles(look(room))) == 246
    assert len(room.requests) < 20


def test_a_post_deleted_between_pages_hides_no_other(room: WordPressRoom) -> None:
    titles = publish_many(room, 250)
    pages = room.fetcher.fetch(room.source, now=NOW)
    found = [next(pages)]
    for count in (3, 50, 98, 99):
        room.trash(f"story-{count}")
    found += pages
    assert set(articles(found)) >= titles - {"Story 3", "Story 50", "Story 98", "Story 99"}


def test_what_changes_while_a_look_goes_on_is_found_by_the_next(room: WordPressRoom) -> None:
    publish_many(room, 250)
    pages = room.fetcher.fetch(room.source, now=NOW)
    found = [next(pages)]
    room.edit("story-5", "Changed meanwhile.")
    room.posts["draft"] = replace(room.posts["story-5"], id=5, title="An old draft")
    room.edit("draft", "Now published.")
    room.edit("story-240", "Changed too.")
    found += pages
    again = articles(look(room, after(room.source, found)))
    assert {"Story 5", "An old draft"} <= set(again)
    assert "Changed meanwhile" in again["Story 5"].content_html


def test_a_thousand_posts_changed_in_one_second_all_come(room: WordPressRoom) -> None:
    titles = publish_many(room, 300)
    first = look(room)
    moment = room.now + timedelta(minutes=5)
    for post in room.posts.values():
        post.modified = moment
    assert set(articles(look(room, after(room.source, first)))) == titles


def test_an_edit_in_the_same_second_as_the_last_one_seen_is_found(room: WordPressRoom) -> None:
    room.publish("ferry", "Ferry returns")
    room.publish("lamp", "Lamp relit")
    first = look(room)
    room.posts["ferry"].text = "<p>Changed at once.</p>"
    room.posts["ferry"].modified = room.posts["lamp"].modified
    assert "at once" in articles(look(room, after(room.source, first)))["Ferry returns"].content_html


def test_a_scheduled_post_that_came_out_is_found_though_it_was_edited_long_ago(room: WordPressRoom) -> None:
    """WordPress publishes it without touching its time of change."""
    written = room.now - timedelta(days=3)
    room.publish("plan", "Regatta today", at=room.now + timedelta(hours=1), modified=written, status="future")
    publish_many(room, 3)
    first = look(room)
    room.posts["plan"].status = "publish"
    second = look(room, after(room.source, first))
    assert "Regatta today" in articles(second)
    room.source = after(after(room.source, first), second)
    assert "Regatta today" not in articles(look(room))


@pytest.mark.parametrize("imported", [45, 100, 250, 300])
def test_posts_that_an_import_brings_with_their_old_times_are_found(room: WordPressRoom, imported: int) -> None:
    """Also when they are more than the first hundred that a look asks the ids of."""
    publish_many(room, 120)
    first = look(room)
    for number in range(imported):
        old = datetime(2015, 1, 1, tzinfo=UTC) + timedelta(days=number)
        room.publish(f"old-{number}", f"From the archive {number}", at=old, modified=old)
    room.spoil("old-7")
    pages = look(room, after(room.source, first))
    assert {f"From the archive {number}" for number in range(imported) if number != 7} <= set(articles(pages))
    assert sum(bool(page.refused) for page in pages) == 1
    room.requests.clear()
    assert not any(title.startswith("From") for title in articles(look(room, after(after(room.source, first), pages))))
    assert not any("page=2" in line for line in room.requests)


def test_changes_are_asked_for_with_an_offset(room: WordPressRoom) -> None:
    room.zone = "Asia/Kolkata"
    room.publish("ferry", "Ferry returns")
    first = look(room)
    room.publish("lamp", "Lamp relit")
    assert set(articles(look(room, after(room.source, first)))) == {"Ferry returns", "Lamp relit"}
    assert "modified_after=2026-11-20T09%3A00%3A59%2B00%3A00" in room.requests[-1]


def test_a_post_dated_in_the_future_does_not_hide_what_changes_until_then(room: WordPressRoom) -> None:
    room.publish("odd", "Odd clock", modified=NOW + timedelta(days=300))
    first = look(room)
    room.publish("ferry", "Ferry returns")
    room.posts["ferry"].modified = NOW + timedelta(minutes=1)
    assert "Ferry returns" in articles(look(room, after(room.source, first)))


def test_a_look_from_another_site_starts_anew(room: WordPressRoom) -> None:
    room.publish("ferry", "Ferry returns")
    cursor = {
        "url": "https://elsewhere.example/",
        "api": "https://elsewhere.example/wp-json/",
        "types": {"posts": {"since": "2030-01-01T00:00:00+00:00"}},
    }
    room.set(cursor=cursor)
    assert set(articles(look(room))) == {"Ferry returns"}


@pytest.mark.parametrize(
    ("since", "zone", "back"),
    [
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "Europe/Dublin", timedelta(hours=1)),  # the clocks go back at 01:00
        (datetime(2026, 10, 25, 3, 30, tzinfo=UTC), "Europe/Dublin", timedelta()),
        (datetime(2026, 3, 29, 0, 30, tzinfo=UTC), "Europe/Dublin", timedelta()),
        (datetime(2026, 4, 4, 14, 0, tzinfo=UTC), "Australia/Lord_Howe", timedelta(minutes=30)),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "5.5", timedelta()),
    ],
)
def test_the_hour_that_comes_twice_is_read_twice(since: datetime, zone: str, back: timedelta) -> None:
    assert overlap(since, zone_of(zone)) == back + timedelta(seconds=1)


# ---------------------------------------------------------------- what was removed


Parts = dict[str, tuple[set[str], int]]


def lists(room: WordPressRoom, looks: int, found: Parts | None = None) -> list[tuple[set[str], bool]]:
    """The complete lists that so many looks made: the ids, and whether the list was completed in one part. `found`
    are the parts of earlier looks."""
    found = {} if found is None else found
    complete = []
    for _ in range(looks):
        pages = look(room)
        room.source = after(room.source, pages)
        for part in (page.listing for page in pages if page.listing):
            ids, parts = found.get(part.look, (set(), 0))
            found[part.look] = (ids | set(part.ids), parts + 1)
            if part.complete:
                complete.append((found[part.look][0], parts == 0))
    return complete


def test_every_so_many_looks_the_ids_of_all_posts_are_listed(room: WordPressRoom) -> None:
    publish_many(room, 250)
    room.set(options={"list_every": 3})
    assert lists(room, 3) == []
    room.trash("story-7")
    room.posts["story-8"].protected = True
    ((ids, _),) = lists(room, 1)
    assert ids == {str(post.id) for post in room.posts.values()} - {"18", "19"}
    assert len(lists(room, 9)) == 2
    room.set(options={"list_every": 0})
    assert lists(room, 9) == []


def test_a_long_list_goes_on_in_the_next_looks(room: WordPressRoom) -> None:
    publish_many(room, 90)
    room.most_per_page = 2
    room.set(options={"list_every": 1})
    ((ids, at_once),) = lists(room, 7)
    assert len(ids) == 90
    assert not at_once


def test_a_list_covers_all_types_of_posts(room: WordPressRoom) -> None:
    room.publish("ferry", "Ferry returns")
    room.publish("regatta", "Regatta", type="events")
    room.set(options={"post_types": ["posts", "events"], "list_every": 1})
    assert lists(room, 2) == [({"11", "12"}, True)]


def test_a_post_deleted_while_the_list_is_made_hides_no_other(room: WordPressRoom) -> None:
    publish_many(room, 80)
    room.most_per_page = 2
    room.set(options={"list_every": 1})
    parts: Parts = {}
    assert lists(room, 2, parts) == []
    for number in range(5):
        room.trash(f"story-{number}")
    ((ids, _),) = lists(room, 4, parts)[:1]
    assert ids >= {str(post.id) for post in room.posts.values() if post.status == "publish"}


# ---------------------------------------------------------------- misbehaviour


def test_one_post_that_breaks_its_page_is_skipped_and_named(room: WordPressRoom) -> None:
    titles = publish_many(room, 130)
    for number in (0, 63, 64, 129):
        room.spoil(f"story-{number}")
    pages = look(room)
    assert set(articles(pages)) == titles - {"Story 0", "Story 63", "Story 64", "Story 129"}
    refused = [refusal.item for page in pages for refusal in page.refused]
    bad = [room.posts[f"story-{number}"] for number in (0, 63, 64, 129)]
    assert refused == [f"{room.url}{post.at:%Y/%m/%d}/{post.id}/" for post in bad]


def test_a_site_that_is_out_of_order_is_not_taken_for_bad_posts(room: WordPressRoom) -> None:
    publish_many(room, 20)
    first = look(room)
    room.answer("/wp-json/wp/v2/posts", b"<p>Error establishing a database connection</p>", status=500)
    with pytest.raises(SourceUnavailable, match="out of order"):
        look(room, after(room.source, first))


def test_a_site_that_asks_for_patience_is_left_alone(room: WordPressRoom) -> None:
    room.answer("/wp-json/wp/v2/posts", status=503, Retry_After="600")
    with pytest.raises(SourceUnavailable) as caught:
        look(room)
    assert caught.value.retry_after == timedelta(minutes=10)
    assert sum("/posts" in line for line in room.requests) == 1


@pytest.mark.parametrize(
    "noise",
    [
        "\ufeff",
        "\ufeff\n",
        "<br />\n<b>Notice</b>:  Undefined index: x[0] in <b>/srv/plug.php</b> on line <b>7</b><br />\n",
        "[] ",
    ],
)
def test_what_plugins_print_before_the_json_is_passed_over(room: WordPressRoom, noise: str) -> None:
    room.publish("ferry", "Ferry returns")
    room.before_json = noise
    assert set(articles(look(room))) == {"Ferry returns"}


def test_a_web_page_in_place_of_posts_is_named(room: WordPressRoom) -> None:
    room.answer("/wp-json/wp/v2/posts", b"<html><title>Checking your browser</title></html>")
    with pytest.raises(SourceInvalid, match="a web page titled “Checking your browser”"):
        look(room)


def test_a_page_larger_than_the_limit_is_read_in_parts(room: WordPressRoom) -> None:
    for number in range(8):
        room.publish(f"story-{number}", f"Story {number}", "tide " * 200)
    room.fetcher = WordPress(limits=Limits(bytes=6000))
    assert len(articles(look(room))) == 8


@given(post=st.dictionaries(st.sampled_from(sorted(POST)), JSON))
def test_any_json_gives_an_article_or_says_why_not(post: dict[str, Any]) -> None:
    with suppress(ValueError):
        assert article({**POST, **post}, UTC, "https://harbour-gazette.example/").native_id


@pytest.mark.parametrize("body", [b"[1, null, {}, []]", b'[{"id": "x"}]', b"[[]]"])
def test_posts_that_are_none_are_reported(room: WordPressRoom, body: bytes) -> None:
    room.answer("/wp-json/wp/v2/posts", body, X_WP_Total="1")
    pages = look(room)
    assert articles(pages) == {}
    assert all(refusal.reason == "it has no id" for page in pages for refusal in page.refused)
    assert any(page.refused for page in pages)


def test_an_answer_that_breaks_off_is_unavailable(room: WordPressRoom) -> None:
    room.misbehave("/wp-json/wp/v2/posts", newsroom.broken_off)
    with pytest.raises(SourceUnavailable, match="broke off"):
        look(room)


def test_a_cache_that_gives_the_same_posts_whatever_it_is_asked_ends_the_look(room: WordPressRoom) -> None:
    for number in range(3):
        room.publish(f"story-{number}", f"Story {number}")
    room.totals = False
    room.misbehave("/wp-json/wp/v2/posts", lambda request: request._wordpress("/wp-json/wp/v2/posts", {}))
    pages = islice(room.fetcher.fetch(room.source, now=NOW), 20)
    assert len(next(pages).articles) == 3
    with pytest.raises(SourceInvalid, match="gives the same posts whatever it is asked: a cache"):
        list(pages)


@pytest.mark.parametrize("where", ["http://[gazette", "file:///etc/passwd", "//[::1"])
def test_a_home_page_that_names_no_address_as_its_api_is_read_all_the_same(room: WordPressRoom, where: str) -> None:
    room.publish("ferry", "Ferry returns")
    page = f"<link rel='https://api.w.org/' href='{where}'>".encode()
    room.answer("/", page, Link=f'<{where}>; rel="https://api.w.org/"')
    (only,) = room.fetcher.fetch(room.source, now=NOW)
    assert [article.title for article in only.articles] == ["Ferry returns"]
