from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.errors import SourceInvalid, SourceUnavailable
from publisher.fetchers._ghost_post import article
from publisher.fetchers.ghost import Ghost
from publisher.kit.http_session import Limits
from publisher.model import Author, Source
from tests.contracts.fetcher_cases import NOW, AskedCases, Served, after, articles, look
from tests.fakes.ghost import GhostSite
from tests.fakes.newsroom import Newsroom

DATA = Path(__file__).parent.parent / "data" / "ghost"
HOME = "https://harbour-gazette.example/"


class GhostRoom(Served, GhostSite):
    """A newsroom that writes in Ghost."""

    def __enter__(self) -> GhostRoom:
        super().__enter__()
        self.fetcher = Ghost()
        self.source = Source(
            slug="website", kind="ghost", url=self.url, interval=timedelta(minutes=10), allow_private=True
        )
        return self


@pytest.fixture
def room() -> Iterator[GhostRoom]:
    with GhostRoom() as room:
        yield room


class TestGhost(AskedCases): ...


@pytest.mark.parametrize("path", sorted(DATA.glob("*.json")), ids=lambda path: path.stem)
def test_a_recorded_post_reads_as_expected(path: Path) -> None:
    recorded = json.loads(path.read_text())
    read = json.loads(json.dumps(asdict(article(recorded["post"], HOME, "en")), default=str))
    read.pop("raw_hash")
    assert {name: value for name, value in read.items() if value} == recorded["article"]


def test_every_field_of_a_post_is_read(room: GhostRoom) -> None:
    room.authors[1] |= {"bio": "Nora counts tides.", "website": "https://nora.example"}
    room.language = "ga"
    image = {
        "feature_image": f"{room.url}content/images/ferry.jpg",
        "feature_image_alt": "The ferry",
        "feature_image_caption": "<span>Photo: Ida Marsh</span>",
    }
    room.publish("ferry", "Ferry & crew", excerpt="A crossing.", tags=("Harbour", "#lead", "Sea & sky"), extra=image)
    (found,) = articles(look(room)).values()
    assert (found.native_id, found.url, found.language) == (f"{11:024x}", f"{room.url}11/", "ga")
    assert (found.title, found.standfirst) == ("Ferry & crew", "A crossing.")
    assert found.authors == (Author(name="Nora Quill", url="https://nora.example", biography="Nora counts tides."),)
    assert (found.categories, found.tags) == (("Harbour",), ("Harbour", "Sea & sky"))
    assert found.image is not None
    assert (found.image.type, found.image.alt, found.image.credit) == ("image/jpeg", "The ferry", "Photo: Ida Marsh")
    assert found.published_at == found.updated_at == room.posts["ferry"].at


# ---------------------------------------------------------------- the key


def test_without_a_key_the_one_that_its_pages_carry_is_used(room: GhostRoom) -> None:
    room.publish("ferry", "Ferry returns")
    assert set(articles(look(room))) == {"Ferry returns"}
    room.scripts = False
    with pytest.raises(SourceInvalid, match="name it in key_env"):
        look(room)
    room.set(secrets={"key": room.key})
    assert set(articles(look(room))) == {"Ferry returns"}


def test_a_wrong_key_is_named_and_not_shown(room: GhostRoom) -> None:
    room.set(secrets={"key": "0123456789abcdef0123456789"})
    with pytest.raises(SourceInvalid, match=r"Unknown Content API Key.*mend key_env") as caught:
        look(room)
    assert "0123456789" not in str(caught.value)


@pytest.mark.parametrize("folder", ["", "/blog"])
def test_the_api_is_found_in_a_folder_and_behind_a_redirect(folder: str) -> None:
    with GhostRoom(folder=folder) as room, GhostSite(folder=folder) as admin:
        admin.publish("ferry", "Ferry returns")
        room.moved_to = admin.origin
        assert set(articles(look(room))) == {"Ferry returns"}


def test_what_is_no_ghost_says_so(room: GhostRoom) -> None:
    room.set(secrets={"key": room.key})
    room.answer("/ghost/api/content/settings/", b"<title>Not here</title>", status=404)
    with pytest.raises(SourceInvalid, match="no Content API of Ghost"):
        look(room)
    room.answer("/ghost/api/content/settings/", b"<html><title>Checking your browser</title>")
    with pytest.raises(SourceInvalid, match="a web page titled “Checking your browser”"):
        look(room)


# ---------------------------------------------------------------- members


def test_posts_for_members_are_left_out_unless_asked_for(room: GhostRoom) -> None:
    room.publish("ferry", "Ferry returns")
    for kind in ("members", "paid", "tiers"):
        room.publish(kind, f"For {kind}", extra={"visibility": kind})
    room.posts["paid"].text = "<p>The beginning.</p><!--members-only--><p>The rest.</p>"
    assert set(articles(look(room))) == {"Ferry returns"}
    room.set(options={"members": True})
    found = articles(look(room))
    assert set(found) == {"Ferry returns", "For members", "For paid", "For tiers"}
    assert found["For paid"].content_html == "<p>The beginning.</p>"


# ---------------------------------------------------------------- pages and cursors


def publish_many(room: GhostRoom, number: int) -> set[str]:
    for count in range(number):
        room.publish(f"story-{count}", f"Story {count}")
    return {f"Story {count}" for count in range(number)}


@pytest.mark.parametrize("totals", [True, False])
@pytest.mark.parametrize("number", [99, 100, 101, 250])
def test_an_archive_of_any_size_comes_whole(room: GhostRoom, number: int, totals: bool) -> None:
    room.totals = totals
    titles = publish_many(room, number)
    assert set(articles(look(room))) == titles


def test_many_posts_that_changed_in_one_second_all_come(room: GhostRoom) -> None:
    titles = publish_many(room, 250)
    for post in room.posts.values():
        post.modified = room.now
    assert set(articles(look(room))) == titles


def test_posts_edited_and_deleted_between_pages_hide_no_other(room: GhostRoom) -> None:
    titles = publish_many(room, 250)
    pages = room.fetcher.fetch(room.source, now=NOW)
    found = [next(pages)]
    for count in (0, 50, 99):
        room.edit(f"story-{count}", "Changed meanwhile.")
        room.trash(f"story-{count + 1}")
    found += pages
    texts = [article for page in found for article in page.articles]
    assert {article.title for article in texts} >= titles - {"Story 1", "Story 51", "Story 100"}
    changed = {article.title for article in texts if "Changed meanwhile" in article.content_html}
    assert changed == {"Story 0", "Story 50", "Story 99"}


def test_a_later_look_reads_only_what_changed(room: GhostRoom) -> None:
    publish_many(room, 120)
    room.now += timedelta(hours=1)
    room.edit("story-3", "Corrected.")
    first = look(room)
    room.now += timedelta(hours=1)
    room.edit("story-5", "Corrected too.")
    assert set(articles(look(room, after(room.source, first)))) == {"Story 3", "Story 5"}


def test_a_post_dated_in_the_future_does_not_hide_what_changes_until_then(room: GhostRoom) -> None:
    room.publish("odd", "Odd clock", modified=NOW + timedelta(days=300))
    first = look(room)
    room.publish("ferry", "Ferry returns", modified=NOW + timedelta(minutes=1))
    assert "Ferry returns" in articles(look(room, after(room.source, first)))


def test_an_edit_in_the_same_second_as_the_last_one_seen_is_found(room: GhostRoom) -> None:
    publish_many(room, 2)
    first = look(room)
    room.posts["story-0"].text = "<p>Changed at once.</p>"
    room.posts["story-0"].modified = room.posts["story-1"].modified
    assert "at once" in articles(look(room, after(room.source, first)))["Story 0"].content_html


def test_the_ids_of_all_public_posts_are_listed(room: GhostRoom) -> None:
    publish_many(room, 230)
    room.set(options={"list_every": 1})
    room.source = after(room.source, look(room))
    room.trash("story-4")
    room.posts["story-5"].extra = {"visibility": "paid"}
    (listing,) = [page.listing for page in look(room) if page.listing]
    gone = {f"{room.posts[name].id:024x}" for name in ("story-4", "story-5")}
    assert listing.complete
    assert set(listing.ids) == {f"{post.id:024x}" for post in room.posts.values()} - gone


def test_a_long_list_goes_on_in_the_next_look(room: GhostRoom) -> None:
    publish_many(room, 2_150)
    room.set(options={"list_every": 1})
    room.source = after(room.source, look(room))
    parts = []
    for _ in range(2):
        pages = look(room)
        room.source = after(room.source, pages)
        parts += [page.listing for page in pages if page.listing]
    assert [(len(part.ids), part.complete) for part in parts] == [(2_000, False), (150, True)]
    assert len({part.look for part in parts}) == 1


# ---------------------------------------------------------------- misbehaviour


def test_posts_that_break_their_page_are_skipped_and_named(room: GhostRoom) -> None:
    titles = publish_many(room, 130)
    bad = [f"story-{number}" for number in (0, 63, 64, 129)]
    for name in bad:
        room.spoil(name)
    pages = look(room)
    assert set(articles(pages)) == titles - {room.posts[name].title for name in bad}
    assert [refusal.item for page in pages for refusal in page.refused] == [room.posts[name].title for name in bad]


def test_a_site_that_is_out_of_order_is_not_taken_for_bad_posts(room: GhostRoom) -> None:
    publish_many(room, 5)
    room.answer("/ghost/api/content/posts/", b"{}", status=500)
    with pytest.raises(SourceUnavailable, match="out of order"):
        look(room)


def test_a_site_that_asks_for_patience_is_left_alone(room: GhostRoom) -> None:
    room.answer("/ghost/api/content/posts/", status=429, Retry_After="600")
    with pytest.raises(SourceUnavailable) as caught:
        look(room)
    assert caught.value.retry_after == timedelta(minutes=10)


def test_a_cache_that_gives_the_same_posts_whatever_it_is_asked_ends_the_look(room: GhostRoom) -> None:
    post = {"id": "a1", "title": "One", "updated_at": "2026-11-20T09:00:00.000Z"}
    room.answer("/ghost/api/content/posts/", json.dumps({"posts": [post]}).encode())
    with pytest.raises(SourceInvalid, match="gives the same posts whatever it is asked"):
        look(room)


def test_a_page_larger_than_the_limit_is_read_in_parts(room: GhostRoom) -> None:
    for number in range(8):
        room.publish(f"story-{number}", f"Story {number}", "tide " * 200)
    room.fetcher = Ghost(limits=Limits(bytes=6000))
    assert len(articles(look(room))) == 8


def test_another_site_than_the_cursors_starts_anew(room: GhostRoom) -> None:
    room.publish("ferry", "Ferry returns")
    with Newsroom() as other:
        room.set(cursor={"url": other.url, "at": "2030-01-01 00:00:00", "id": "f"})
    assert set(articles(look(room))) == {"Ferry returns"}


POST = {"id": "a1", "title": "T", "html": "<p>x</p>", "url": "/x/", "published_at": "2026-11-20T09:00:00.000Z"}
KEYS = (*POST, "tags", "authors", "primary_tag", "feature_image", "name", "visibility", "custom_excerpt", "locale")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
)


@given(post=st.dictionaries(st.sampled_from(KEYS), JSON))
def test_any_json_gives_an_article_or_says_why_not(post: dict[str, Any]) -> None:
    with suppress(ValueError):
        found = article({**POST, **post}, HOME)
        assert found.native_id
        assert all(time.utcoffset() == timedelta(0) for time in (found.published_at, found.updated_at) if time)
