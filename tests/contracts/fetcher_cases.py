"""What every fetcher promises, whatever its source is. Subclass it in the adapter's own test file:

    class TestFolder(FetcherCases):
        @pytest.fixture
        def room(self, tmp_path): return FolderRoom(tmp_path)

A room is the place a source reads: it plays the newsroom that publishes there.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pytest

from publisher.errors import SourceError
from publisher.model import Fetched, FetchedArticle, SecondLook, Source
from publisher.ports import Fetcher

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Room(Protocol):
    """A newsroom with one source. A name is the newsroom's own for an article ("ferry"), never shown."""

    fetcher: Fetcher
    source: Source

    def publish(self, name: str, title: str, text: str = "Nothing more is known.") -> None: ...

    def edit(self, name: str, text: str) -> None: ...

    def spoil(self, name: str) -> None:
        """From now on this one article cannot be read; the others can."""

    def close(self) -> None:
        """The place cannot be reached; `open` ends that."""

    def open(self) -> None: ...


class TrashRoom(Room, Protocol):
    def trash(self, name: str) -> None:
        """From now on it is not published any more."""


class Served:
    """What rooms share that a server of a newsroom plays; the settings of their source can be changed."""

    source: Source
    closed: bool

    def close(self) -> None:
        self.closed = True

    def open(self) -> None:
        self.closed = False

    def set(self, **fields: Any) -> None:
        self.source = replace(self.source, **fields)


def again(room: Room, *ids: str) -> SecondLook:
    return room.fetcher.again(room.source, ids, now=NOW)


def look(room: Room, source: Source | None = None) -> list[Fetched]:
    """Read the source from its cursor to the end."""
    return list(room.fetcher.fetch(source or room.source, now=NOW))


def articles(pages: list[Fetched]) -> dict[str, FetchedArticle]:
    """By title; an article that came twice fails here."""
    found = [article for page in pages for article in page.articles]
    by_title = {article.title: article for article in found}
    assert len(by_title) == len(found), f"came twice: {sorted(article.title for article in found)}"
    return by_title


def after(source: Source, pages: list[Fetched]) -> Source:
    """The source as it is stored after these pages: its cursor has been through JSON."""
    return replace(source, cursor=json.loads(json.dumps(dict(pages[-1].cursor)))) if pages else source


def identity(article: FetchedArticle) -> str:
    return article.native_id or article.guid or article.url


class FetcherCases:
    def test_an_empty_source_gives_no_articles_and_no_error(self, room: Room) -> None:
        assert articles(look(room)) == {}

    def test_each_article_arrives_once_with_its_text_and_a_lasting_identity(self, room: Room) -> None:
        room.publish("ferry", "Ferry returns", "The ferry sails again on Monday.")
        room.publish("lamp", "Lamp relit", "The harbour lamp burns again.")
        found = articles(look(room))
        assert set(found) == {"Ferry returns", "Lamp relit"}
        assert "The ferry sails again on Monday." in found["Ferry returns"].content_html
        assert identity(found["Ferry returns"]) != identity(found["Lamp relit"])
        assert {t: identity(a) for t, a in articles(look(room)).items()} == {t: identity(a) for t, a in found.items()}

    @pytest.mark.parametrize("title", ["Fish & <chips>", 'The "Star" — 5 < 6', "Café à Kilmarnagh: Straße, 港, 🚢"])
    def test_a_title_is_plain_text(self, room: Room, title: str) -> None:
        room.publish("odd", title)
        assert set(articles(look(room))) == {title}

    def test_a_second_look_finds_the_same(self, room: Room) -> None:
        room.publish("ferry", "Ferry returns")
        first = look(room)
        second = look(room, after(room.source, first))
        old, new = articles(first), articles(second)
        assert all(new[title].raw_hash == old[title].raw_hash for title in new)
        assert not any(page.refused for page in second)

    def test_an_edit_and_a_new_article_are_found_from_the_cursor(self, room: Room) -> None:
        room.publish("ferry", "Ferry returns")
        room.publish("lamp", "Lamp relit")
        first = look(room)
        room.edit("ferry", "The ferry sails on Tuesday after all.")
        room.publish("quay", "Quay repaired")
        new = articles(look(room, after(room.source, first)))
        old = articles(first)
        assert {"Ferry returns", "Quay repaired"} <= set(new)
        assert "Tuesday after all" in new["Ferry returns"].content_html
        assert identity(new["Ferry returns"]) == identity(old["Ferry returns"])
        assert new["Ferry returns"].raw_hash != old["Ferry returns"].raw_hash

    def test_a_look_that_stopped_after_any_page_goes_on_from_its_cursor(self, room: Room) -> None:
        for number in range(5):
            room.publish(f"story-{number}", f"Story {number}")
        pages = look(room)
        for stop in range(1, len(pages) + 1):
            rest = look(room, after(room.source, pages[:stop]))
            assert set(articles(pages[:stop])) | set(articles(rest)) == {f"Story {number}" for number in range(5)}

    def test_times_are_aware_and_utc(self, room: Room) -> None:
        room.publish("ferry", "Ferry returns")
        (article,) = articles(look(room)).values()
        times = [time for time in (article.published_at, article.updated_at) if time]
        assert all(time.utcoffset() == timedelta(0) for time in times)

    def test_one_article_that_cannot_be_read_is_told_and_stops_no_other(self, room: Room) -> None:
        for name in ("ferry", "lamp", "quay"):
            room.publish(name, name.title())
        room.spoil("lamp")
        pages = look(room)
        assert set(articles(pages)) == {"Ferry", "Quay"}
        (refusal,) = [refusal for page in pages for refusal in page.refused]
        assert refusal.item
        assert refusal.reason

    def test_an_unreachable_source_is_named_and_works_again_later(self, room: Room) -> None:
        room.publish("ferry", "Ferry returns")
        room.close()
        with pytest.raises(SourceError) as caught:
            look(room)
        assert len(str(caught.value)) > 20
        with pytest.raises(SourceError):
            room.fetcher.check(room.source, now=NOW)
        room.open()
        assert set(articles(look(room))) == {"Ferry returns"}

    def test_a_check_says_in_one_line_what_is_there(self, room: Room) -> None:
        room.publish("ferry", "Ferry returns")
        line = room.fetcher.check(room.source, now=NOW)
        assert "1 article" in line
        assert "\n" not in line
        assert len(line) < 120

    def test_a_second_look_tells_what_an_article_says_now(self, room: Room) -> None:
        room.publish("ferry", "The ferry returns")
        room.publish("lanterns", "Two hundred lanterns")
        by_title = articles(look(room))
        room.edit("ferry", "It sails on Friday.")
        ferry = by_title["The ferry returns"].native_id
        seen = again(room, ferry)
        assert [one.native_id for one in seen.articles] == [ferry]
        assert "It sails on Friday." in seen.articles[0].content_html
        assert seen.gone == frozenset()


class AskedCases(FetcherCases):
    """Of a source that can be asked about single articles: it knows which of them it does not publish any more."""

    def test_a_second_look_tells_which_articles_are_not_published_any_more(self, room: TrashRoom) -> None:
        room.publish("ferry", "The ferry returns")
        room.publish("lanterns", "Two hundred lanterns")
        ids = {title: one.native_id for title, one in articles(look(room)).items()}
        room.trash("lanterns")
        seen = again(room, *ids.values())
        assert [one.native_id for one in seen.articles] == [ids["The ferry returns"]]
        assert seen.gone == {ids["Two hundred lanterns"]}
