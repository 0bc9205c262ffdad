"""Articles that are pushed: nothing is fetched, and what a call brings is read.

An article is written as an item of JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/), with two additions of ours:
`categories`, and `correction` (what was wrong, and what is right). A newsroom's own program writes it, so it is told
of everything that is wrong, where a feed would be read as well as can be.
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
_TEXTS = ("id", "url", "title", "content_html", "content_text", "summary", "image", "language", "correction")
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

    def read(self, source: Source, body: bytes) -> tuple[FetchedArticle, ...]:
        """The articles of a call: one item, a list of them, or an object with `items`.

        Raises SourceInvalid with one line for each thing that is wrong; then none of them counts.
        """
        items = _items(body)
        wrong = [problem for name, item in items.items() for problem in _problems(name, item)]
        ids = [words(fields(item).get("id")).strip() for item in items.values()]
        wrong += [
            f"{name}.id: {id!r} stands there twice" for name, id in zip(items, ids, strict=True) if ids.count(id) > 1
        ]
        if wrong:
            more = [f"and {len(wrong) - _LINES} more"] if len(wrong) > _LINES else []
            raise SourceInvalid("\n".join([*wrong[:_LINES], *more]), source=source.slug)
        base = str(source.options.get("base_url") or "")
        return tuple(_article(fields(item), base) for item in items.values())


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


def _problems(name: str, item: object) -> Iterator[str]:
    if not isinstance(item, dict):
        yield f"{name}: an article is an object"
        return
    for key in _TEXTS:
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
    if item.get("url") and not absolute("", item["url"]):
        yield f"{name}.url: {_shown(item['url'])} is no address; write it whole, with https://"


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
