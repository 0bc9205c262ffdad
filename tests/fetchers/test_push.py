from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.errors import SourceInvalid
from publisher.fetchers.push import MAXIMUM_ARTICLES, Push
from publisher.model import Fetched, Refusal, SecondLook, Source
from publisher.ports import Known, nothing_known
from tests.contracts.fetcher_cases import NOW, FetcherCases, articles, look

SOURCE = Source(slug="wire", kind="push", url="", interval=timedelta(hours=1))


class PushRoom:
    """A newsroom whose own program calls us: at a look it says, one call an article, all that is new since."""

    def __init__(self) -> None:
        self.source = SOURCE
        self.fetcher = self
        self._items: dict[str, dict[str, Any]] = {}

    def fetch(self, source: Source, *, now: datetime, known: Known = nothing_known) -> Iterator[Fetched]:
        yield from Push().fetch(source, now=now, known=known)
        for item in self._items.values():
            try:
                read = Push().read(source, json.dumps(item).encode())
            except SourceInvalid as error:  # what the caller is told
                yield Fetched(articles=(), cursor={}, refused=[Refusal(item=item["id"], reason=str(error))])
            else:
                yield Fetched(articles=tuple(read.values()), cursor={})

    def check(self, source: Source, *, now: datetime) -> str:
        return Push().check(source, now=now)

    def again(self, source: Source, ids: Collection[str], *, now: datetime) -> SecondLook:
        return Push().again(source, ids, now=now)

    def publish(self, name: str, title: str, text: str = "Nothing more is known.") -> None:
        at = "2026-11-22T10:00:00+05:30"
        self._items[name] = {"id": name, "title": title, "content_html": f"<p>{text}</p>", "date_published": at}

    def edit(self, name: str, text: str) -> None:
        self._items[name]["content_html"] = f"<p>{text}</p>"

    def spoil(self, name: str) -> None:
        self._items[name]["date_published"] = "yesterday"

    def close(self) -> None: ...

    def open(self) -> None: ...


@pytest.fixture
def room() -> PushRoom:
    return PushRoom()


class TestPush(FetcherCases):
    def test_an_unreachable_source_is_named_and_works_again_later(self, room: PushRoom) -> None:  # type: ignore[override]
        """It is the one who calls: nothing of it can be out of reach."""
        room.publish("ferry", "Ferry returns")
        assert [page.unchanged for page in Push().fetch(room.source, now=NOW)] == [True]
        assert set(articles(look(room))) == {"Ferry returns"}

    def test_a_second_look_tells_what_an_article_says_now(self, room: PushRoom) -> None:  # type: ignore[override]
        """There is nobody to ask: what changes is pushed."""
        room.publish("ferry", "Ferry returns")
        assert room.fetcher.again(room.source, ["ferry"], now=NOW) == SecondLook()

    def test_a_check_says_in_one_line_what_is_there(self, room: PushRoom) -> None:  # type: ignore[override]
        assert room.fetcher.check(room.source, now=NOW) == "waits for signed calls to /hooks/articles/wire"


# ---------------------------------------------------------------- any bytes

KEYS = (
    *("id", "url", "title", "content_html", "content_text", "summary", "image", "language", "correction", "items"),
    *("date_published", "date_modified", "authors", "tags", "categories", "attachments", "name", "size_in_bytes"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
)
ITEM = {"id": "a1", "title": "T", "content_html": "<p>x</p>", "url": "https://gazette.example/x"}


def check_reading(body: bytes) -> None:
    with suppress(SourceInvalid):
        found = Push().read(SOURCE, body).values()
        assert 0 < len(found) <= MAXIMUM_ARTICLES
        assert len({one.native_id for one in found}) == len(found)
        for one in found:
            assert one.native_id
            assert one.title or one.content_html
            assert all(at.utcoffset() == timedelta(0) for at in (one.published_at, one.updated_at) if at)


@given(body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_articles_or_say_what_is_wrong(body: bytes) -> None:
    check_reading(body)


@given(items=st.lists(st.dictionaries(st.sampled_from(KEYS), JSON), max_size=3))
def test_any_fields_give_articles_or_say_what_is_wrong(items: list[dict[str, Any]]) -> None:
    check_reading(json.dumps([{**ITEM, "id": f"a{n}", **item} for n, item in enumerate(items)]).encode())


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"items":' * 100_000, b'{"id":"' + b"a" * 10_000_000 + b'"}'])
def test_absurd_nesting_and_length_are_refused_in_words(body: bytes) -> None:
    with pytest.raises(SourceInvalid, match=r"no JSON|neither title"):
        Push().read(SOURCE, body)
