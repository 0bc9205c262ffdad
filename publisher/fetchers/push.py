"""Articles that are pushed: nothing is fetched, and what a call brings is read.

An article is written as an item of JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/), with two additions of ours:
`categories`, and `correction` (what was wrong, and what is right). A newsroom's own program writes it, so it is told
of everything that is wrong in what is read, where a feed would be read as well as can be. Other fields are left alone:
JSON Feed lets everybody add some.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

import orjson

from publisher.errors import SourceInvalid
from publisher.fetchers._json_feed import read_item
from publisher.fetchers._shared import absolute, fields, fingerprint, line, listed, moment, words
from publisher.model import Fetched, FetchedArticle, SecondLook, Source
from publisher.ports import Known, nothing_known

MAXIMUM_ARTICLES = 100  # in one call
_LINES = 20  # told of one call
_TEXTS = ("id", "title", "content_html", "content_text", "summary", "language", "correction")
_ADDRESSES = ("url", "external_url", "image", "banner_image")
_TIMES = ("date_published", "date_modified")
_LISTS = ("authors", "tags", "categories", "attachments")


class Push:
    """`ports.Fetcher` that has nothing to fetch, and `ports.Receiver`."""

    def fetch(
        self,
        source: Source,
        *,
        now: datetime,  # noqa: ARG002  # the port's
        known: Known = nothing_known,  # noqa: ARG002
    ) -> Iterator[Fetched]:
        yield Fetched(articles=(), cursor=source.cursor, unchanged=True)

    def again(self, source: Source, ids: Collection[str], *, now: datetime) -> SecondLook:  # noqa: ARG002
        """There is nobody to ask: what changes is pushed."""
        return SecondLook()

    def check(self, source: Source, *, now: datetime) -> str:  # noqa: ARG002  # the port's
        return f"waits for signed calls to /hooks/articles/{source.slug}"

    def read(self, source: Source, body: bytes) -> Mapping[str, FetchedArticle]:
        """The articles of a call: one item, a list of them, or an object with `items`; by what each is called in the
        lines of an error.

        Raises SourceInvalid with one line for each thing that is wrong; then none of them counts.
        """
        items = _items(body)
        base = str(source.options.get("base_url") or "")
        wrong = [problem for name, item in items.items() for problem in _problems(name, item, base)]
        ids = [words(fields(item).get("id")).strip() for item in items.values()]
        wrong += [
            f"{name}.id: {id!r} stands there twice" for name, id in zip(items, ids, strict=True) if ids.count(id) > 1
        ]
        if wrong:
            more = [f"and {len(wrong) - _LINES} more"] if len(wrong) > _LINES else []
            raise SourceInvalid("\n".join([*wrong[:_LINES], *more]), source=source.slug)
        return {name: _article(fields(item), base) for name, item in items.items()}


def _items(body: bytes) -> Mapping[str, object]:
    """By how each is called in words to its maker. Raises SourceInvalid."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise SourceInvalid(f"this is no JSON: line {error.lineno}, column {error.colno}") from error
    if isinstance(told, dict) and "items" in told:
        told = told["items"]
        if not isinstance(told, list):
            raise SourceInvalid("items: give a list of articles")
    if isinstance(told, dict):
        return {"article": told}
    if not isinstance(told, list) or not told:
        raise SourceInvalid("this holds no article: give one object, a list of them, or an object with items")
    if len(told) > MAXIMUM_ARTICLES:
        raise SourceInvalid(f"these are {len(told):,} articles: give at most {MAXIMUM_ARTICLES} in one call")
    return {f"items[{number}]": item for number, item in enumerate(told)}


def _problems(name: str, item: object, base: str) -> Iterator[str]:
    if not isinstance(item, dict):
        yield f"{name}: an article is an object"
        return
    for key in (*_TEXTS, *_ADDRESSES):
        if not isinstance(item.get(key, ""), str):
            yield f"{name}.{key}: give a text"
    for key in _LISTS:
        if not isinstance(item.get(key, []), list):
            yield f"{name}.{key}: give a list"
    for key in _TIMES:
        if key in item and moment(item[key]) is None:
            yield f"{name}.{key}: {_shown(item[key])} is no time; write it such as 2026-11-22T10:00:00Z"
    if not words(item.get("id")).strip():
        yield f"{name}.id: is missing; give each article an id that it keeps for ever"
    if not any(words(item.get(key)).strip() for key in ("title", "content_html", "content_text")):
        yield f"{name}: has neither title, content_html nor content_text"
    home = words(item.get("url")) or base
    for key in _ADDRESSES:
        if item.get(key) and not absolute("" if key == "url" else home, item[key]):
            yield f"{name}.{key}: {_shown(item[key])} is no address; write it whole, with https://"
    yield from _problems_in_lists(name, item, home)


def _problems_in_lists(name: str, item: Mapping[str, object], home: str) -> Iterator[str]:
    """What would be left out without a word."""

    def each(key: str) -> Iterator[tuple[str, object]]:
        return ((f"{name}.{key}[{number}]", one) for number, one in enumerate(listed(item.get(key))))

    for place, one in (*each("tags"), *each("categories")):
        if not isinstance(one, str) or not one.strip():
            yield f"{place}: give a text"
    for place, one in each("authors"):
        if not words(fields(one).get("name")).strip():
            yield f'{place}: give an object with a name, such as {{"name": "Niamh Casey"}}'
        elif (address := fields(one).get("url")) and not absolute(home, address):
            yield f"{place}.url: {_shown(address)} is no address; write it whole, with https://"
    for place, one in each("attachments"):
        if not absolute(home, fields(one).get("url")):
            yield f"{place}: give an object with a url, written whole, with https://"


def _shown(value: object) -> str:
    return repr(line(str(value)[:60]))


def _article(item: Mapping[str, object], base: str) -> FetchedArticle:
    article = read_item(item, words(item.get("url")) or base, {}, fingerprint([base, item]))
    id = words(item.get("id")).strip()
    categories = tuple(dict.fromkeys(name for one in listed(item.get("categories")) if (name := line(words(one)))))
    return replace(
        article,
        native_id=id,
        guid=id,
        categories=categories,
        tags=article.categories,  # of JSON Feed's tags, a feed's reader makes categories
        correction=line(words(item.get("correction"))),
    )
