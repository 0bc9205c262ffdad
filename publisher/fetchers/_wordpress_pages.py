"""Going through the posts of a WordPress site in ascending order of id, by offset, so that nothing an editor does
meanwhile hides one: an edit or a new post only moves others back, and a deletion shows, because each page begins with
the last post of the page before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from publisher.errors import SourceInvalid
from publisher.fetchers._shared import Broken, fields, whole
from publisher.fetchers._wordpress_api import Api
from publisher.kit.http_session import shown

PER_PAGE = 100  # the most that WordPress gives at once
_MOST_BACKS = 3  # how often a look goes back for posts that moved, before it has found something new again


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far it is: `offset` posts were seen, `last` is the highest id among them."""

    offset: int = 0
    last: int = 0

    @classmethod
    def of(cls, value: object) -> Place:
        told = fields(value)
        return cls(offset=whole(told.get("offset")), last=whole(told.get("last")))

    def as_json(self) -> Mapping[str, object]:
        return {"offset": self.offset, "last": self.last}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Posts that were not seen before, and the place behind them. `broken` says why the one post on it could not be
    read."""

    posts: Sequence[Mapping[str, Any]]
    place: Place
    ended: bool = False
    broken: str = ""


class Walk:
    """Goes through the posts of one type that are asked for in these words, from a place to the end."""

    def __init__(self, api: Api, kind: str, place: Place, **asked: object) -> None:
        self._api = api
        self._kind = kind
        self._place = place
        self._asked = asked
        self._size = self._most = PER_PAGE
        self._backs = 0
        self._ids: list[int] = []  # of the page before

    def pages(self) -> Iterator[Page]:
        """Raises SourceUnavailable and SourceInvalid."""
        ended = False
        while not ended:
            begin, posts, ended, broken = self._page()
            ids = [whole(post.get("id")) for post in posts]
            new = [post for id, post in zip(ids, posts, strict=True) if id > self._place.last or not id]
            if ids and ids == self._ids:
                raise self._repeats()
            self._ids = ids
            self._backs = 0 if new else self._backs
            if not ended:
                self._place = Place(offset=begin + len(ids), last=max(self._place.last, *ids))
            yield Page(posts=new, place=self._place, ended=ended, broken=broken)

    def _page(self) -> tuple[int, Sequence[Mapping[str, Any]], bool, str]:
        """Where the page begins, its posts, whether it is the last, and why its only post cannot be read."""
        start = self._place.offset
        while True:
            # One back, to see the last post of the page before; not with one post a page, which would stand still.
            begin = max(0, start - 1) if self._size > 1 else start
            try:
                posts, total = self._read(begin, self._size)
            except Broken as failure:
                if self._size == 1:
                    return begin, [self._bad_one(begin, failure)], False, str(failure)
                self._size //= 2
                if failure.error.ids.get("slow"):
                    self._most = self._size
                continue
            if begin < start and self._backs < _MOST_BACKS and not self._follows(posts):
                self._backs += 1
                start = max(0, begin - self._size) if self._backs < _MOST_BACKS else 0
                continue
            self._size = min(self._most, self._size * 2)
            seen = begin + len(posts)
            # A short page alone is no end: some sites give fewer at once than they are asked for.
            return begin, posts, seen <= start or (total is not None and seen >= total), ""

    def _follows(self, posts: Sequence[Mapping[str, Any]]) -> bool:
        """Whether a page begins where the one before ended. If not, posts before it were deleted, and what
        follows them moved up."""
        return bool(posts) and whole(posts[0].get("id")) <= self._place.last

    def _read(self, offset: int, size: int, **instead: object) -> tuple[list[Mapping[str, Any]], int | None]:
        asked = {"orderby": "id", "order": "asc", "offset": offset, "per_page": size, **self._asked}
        if instead:
            asked = {name: value for name, value in asked.items() if name not in ("_embed", "_fields")} | instead
        return self._api.posts(self._kind, **asked)

    def _bad_one(self, offset: int, failure: Broken) -> Mapping[str, Any]:
        """The one post that breaks its page, asked for by id alone: that renders nothing, so it works unless it
        is the site that is out of order."""
        try:
            posts, _ = self._read(offset, 1, _fields="id,link")
        except Broken:
            raise failure.error from failure
        if not posts:
            raise failure.error
        return posts[0]

    def _repeats(self) -> SourceInvalid:
        return SourceInvalid(
            f"{shown(self._api.root)} gives the same posts whatever it is asked: a cache in front of it must tell "
            "addresses apart by their query; let it leave out the API",
            url=shown(self._api.root),
        )
