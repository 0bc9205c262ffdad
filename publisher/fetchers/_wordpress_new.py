"""Posts that are new and do not say so: a scheduled one that came out keeps the time of its last edit, and so do
imported ones and those written by a program (WordPress 6.1 to 6.7). They are known by their ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from publisher.fetchers._shared import Broken, fields, listed, whole
from publisher.fetchers._wordpress_api import Api
from publisher.fetchers._wordpress_pages import PER_PAGE, Page, Place

EMBED: Final = "author,wp:featuredmedia,wp:term"
_ORDERS: Final = ("date", "id")
_AT_ONCE: Final = 20  # posts asked for by their ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """The ids that stand first, the newest by date and the highest."""

    by_date: tuple[int, ...]
    by_id: tuple[int, ...]

    @classmethod
    def of(cls, value: object) -> Windows | None:
        told = fields(value)
        if not all(isinstance(told.get(order), list) for order in _ORDERS):
            return None
        by_date, by_id = (tuple(whole(id) for id in listed(told.get(order))) for order in _ORDERS)
        return cls(by_date=by_date, by_id=by_id)

    @classmethod
    def seen(cls, api: Api, kind: str) -> Windows:
        """As they are now. Raises SourceUnavailable and SourceInvalid."""
        by_date, by_id = (_first(api, kind, order) for order in _ORDERS)
        return cls(by_date=by_date, by_id=by_id)

    def as_json(self) -> Mapping[str, object]:
        return {"date": list(self.by_date), "id": list(self.by_id)}


def newcomers(api: Api, kind: str, before: Windows | None, now: Windows) -> Iterator[Page]:
    """The posts that stand in the windows now and did not before, in full. Nobody is new where nothing was before:
    then everything is read anyway."""
    if before is None:
        return
    there = {*now.by_date, *now.by_id, *_below(api, kind, before, now)}
    new = sorted(there.difference(before.by_date, before.by_id))
    for start in range(0, len(new), _AT_ONCE):
        yield from _asked_by_id(api, kind, new[start : start + _AT_ONCE])


def _below(api: Api, kind: str, before: Windows, now: Windows) -> Iterator[int]:
    """The ids below the window that are higher than any before: an import brings more than a window holds."""
    highest, lowest, page = max(before.by_id, default=0), min(now.by_id, default=0), 2
    while before.by_id and lowest > highest and (found := _first(api, kind, "id", page=page)):
        yield from (id for id in found if id > highest)
        lowest, page = min(found), page + 1


def _asked_by_id(api: Api, kind: str, ids: Sequence[int]) -> Iterator[Page]:
    wanted = {"include": ",".join(map(str, ids)), "per_page": len(ids)}
    try:
        posts, _ = api.posts(kind, _embed=EMBED, **wanted)
    except Broken as failure:
        if len(ids) > 1:
            for half in (ids[: len(ids) // 2], ids[len(ids) // 2 :]):
                yield from _asked_by_id(api, kind, half)
            return
        yield Page(posts=_bare(api, kind, wanted, failure), place=Place(), broken=str(failure))
        return
    yield Page(posts=posts, place=Place())


def _bare(api: Api, kind: str, wanted: Mapping[str, object], failure: Broken) -> Sequence[Mapping[str, Any]]:
    """A post that cannot be rendered, by name. When it cannot be named either, the site is out of order."""
    try:
        posts, _ = api.posts(kind, _fields="id,link", **wanted)
    except Broken:
        raise failure.error from failure
    return posts


def _first(api: Api, kind: str, order: str, **more: int) -> tuple[int, ...]:
    try:
        posts, _ = api.posts(kind, orderby=order, order="desc", per_page=PER_PAGE, _fields="id", **more)
    except Broken as failure:
        raise failure.error from failure
    return tuple(id for post in posts if (id := whole(post.get("id"))))
