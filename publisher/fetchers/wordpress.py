"""WordPress, through its REST API (https://developer.wordpress.org/rest-api/reference/posts/).

A look reads the posts in ascending order of id, by offset, so that nothing an editor does meanwhile hides one:
an edit or a new post only moves others back, and a deletion shows, because each page begins with the last post
of the page before. The first look reads everything; later ones only what was modified since.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from publisher.errors import SourceInvalid
from publisher.fetchers._shared import count, fields, moment, whole, words
from publisher.fetchers._wordpress_api import Api, Broken, find, overlap, zone_of
from publisher.fetchers._wordpress_post import article, modified_at, name
from publisher.kit.http_session import Limits, open_session, shown
from publisher.model import Fetched, FetchedArticle, Refusal, Source
from publisher.ports import Known, nothing_known

PER_PAGE = 100  # the most that WordPress gives at once
_MOST_BACKS = 3  # how often a look goes back for posts that moved, before it has found something new again


class WordPress:
    """Fetches the posts of a WordPress site.

    Options of the source: `post_types`, the REST names of what to read (default `["posts"]`). Secrets:
    `username` and `password` (an application password) for sites that show their API to nobody else.

    The cursor holds by post type the newest change that was seen, and while a look is under way how far it is,
    so that one that was broken off goes on there.
    """

    def __init__(self, *, user_agent: str = "", limits: Limits = Limits()) -> None:
        self._user_agent = user_agent
        self._limits = limits

    def fetch(
        self,
        source: Source,
        *,
        now: datetime,
        known: Known = nothing_known,  # noqa: ARG002  # the port's
    ) -> Iterator[Fetched]:
        """Page by page, as `ports.Fetcher` says. Raises SourceUnavailable and SourceInvalid."""
        with open_session(allow_private=source.allow_private, user_agent=self._user_agent) as session:
            cursor = dict(source.cursor) if source.cursor.get("url") == source.url else {"url": source.url}
            api = find(session, source, self._limits, known=str(cursor.get("api", "")))
            cursor["api"] = api.root
            for kind in _post_types(source):
                look = _Look(api, kind, _State.of(fields(cursor.get("types")).get(kind)), now)
                for articles, refused in look.pages():
                    cursor = {**cursor, "types": {**fields(cursor.get("types")), kind: look.state.as_json()}}
                    yield Fetched(articles=articles, cursor=cursor, refused=refused)

    def check(self, source: Source, *, now: datetime) -> str:  # noqa: ARG002  # the port's
        """Such as "The Harbour Gazette: 12 articles"."""
        with open_session(allow_private=source.allow_private, user_agent=self._user_agent) as session:
            api = find(session, source, self._limits)
            total = sum(self._total(api, kind) for kind in _post_types(source))
            return f"{api.title[:60]}: {count(total)}" if api.title else count(total)

    def _total(self, api: Api, kind: str) -> int:
        try:
            posts, total = api.posts(kind, per_page=PER_PAGE, _fields="id")
        except Broken as failure:
            raise failure.error from failure
        return len(posts) if total is None else total


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """Where the reading of one post type stands. `newest`, `offset` and `last` (an id) only while a look is
    under way: `newest` becomes `since` when it is finished."""

    since: str = ""
    newest: str | None = None
    offset: int = 0
    last: int = 0

    @classmethod
    def of(cls, value: object) -> _State:
        told = fields(value)
        newest = told.get("newest")
        return cls(
            since=words(told.get("since")),
            newest=newest if isinstance(newest, str) else None,
            offset=whole(told.get("offset")),
            last=whole(told.get("last")),
        )

    def as_json(self) -> Mapping[str, object]:
        if self.newest is None:
            return {"since": self.since}
        return {"since": self.since, "newest": self.newest, "offset": self.offset, "last": self.last}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """Some posts from the place `begin` on. `broken` says why the one post on it could not be read."""

    begin: int
    posts: Sequence[Mapping[str, Any]]
    ended: bool = False
    broken: str = ""


class _Look:
    """One look at one post type, page by page."""

    def __init__(self, api: Api, kind: str, state: _State, now: datetime) -> None:
        self._api = api
        self._kind = kind
        self._zone = zone_of(api.zone)
        # The newest change before the look begins: what changes while it goes on is the next look's.
        self.state = state if state.newest is not None else replace(state, newest=self._newest(now))
        self._size = self._most = PER_PAGE
        self._backs = 0
        self._ids: list[int] = []  # of the page before

    def pages(self) -> Iterator[tuple[tuple[FetchedArticle, ...], tuple[Refusal, ...]]]:
        """The articles of each page and what was refused; `state` is then what stands after it."""
        while self.state.newest is not None:
            page = self._page()
            ids = [whole(post.get("id")) for post in page.posts]
            new = [post for id, post in zip(ids, page.posts, strict=True) if id > self.state.last or not id]
            if ids and ids == self._ids:
                raise self._repeats()
            self._ids = ids
            self._backs = 0 if new else self._backs
            if page.ended:
                self.state = _State(since=self.state.newest or self.state.since)
            else:
                self.state = replace(self.state, offset=page.begin + len(ids), last=max(self.state.last, *ids))
            yield self._articles(new, page.broken)

    def _repeats(self) -> SourceInvalid:
        return SourceInvalid(
            f"{shown(self._api.root)} gives the same posts whatever it is asked: a cache in front of it must tell "
            "addresses apart by their query; let it leave out the API",
            url=shown(self._api.root),
        )

    def _articles(
        self, posts: Sequence[Mapping[str, Any]], broken: str
    ) -> tuple[tuple[FetchedArticle, ...], tuple[Refusal, ...]]:
        articles: list[FetchedArticle] = []
        refused: list[Refusal] = []
        for post in posts:
            try:
                if broken:
                    raise ValueError(broken)
                articles.append(article(post, self._zone, self._api.root))
            except ValueError as error:
                refused.append(Refusal(item=name(post), reason=str(error)))
        return tuple(articles), tuple(refused)

    def _page(self) -> _Page:
        start = self.state.offset
        while True:
            # One back, to see the last post of the page before; not with one post a page, which would stand still.
            begin = max(0, start - 1) if self._size > 1 else start
            try:
                posts, total = self._read(begin, self._size)
            except Broken as failure:
                if self._size == 1:
                    return _Page(begin=begin, posts=[self._bad_one(begin, failure)], broken=str(failure))
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
            return _Page(begin=begin, posts=posts, ended=seen <= start or (total is not None and seen >= total))

    def _follows(self, posts: Sequence[Mapping[str, Any]]) -> bool:
        """Whether a page begins where the one before ended. If not, posts before it were deleted, and what
        follows them moved up."""
        return bool(posts) and whole(posts[0].get("id")) <= self.state.last

    def _read(self, offset: int, size: int, **how: str) -> tuple[list[Mapping[str, Any]], int | None]:
        how = how or {"_embed": "author,wp:featuredmedia,wp:term"}
        asked = {"orderby": "id", "order": "asc", "offset": offset, "per_page": size, **how}
        since = moment(self.state.since)
        if since:
            # With its offset: without one, WordPress takes the time for the site's local time.
            asked["modified_after"] = (since - overlap(since, self._zone)).isoformat()
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

    def _newest(self, now: datetime) -> str:
        asked = {
            "orderby": "modified",
            "order": "desc",
            "per_page": 1,
            "_fields": "id,date,date_gmt,modified,modified_gmt",
        }
        try:
            posts, _ = self._api.posts(self._kind, **asked)
        except Broken as failure:
            raise failure.error from failure
        times = [time for post in posts if (time := modified_at(post, self._zone))]
        # A post that says it changed in the future must not hide what changes until then.
        return min(*times, now).isoformat() if times else ""


def _post_types(source: Source) -> tuple[str, ...]:
    given = source.options.get("post_types") or ("posts",)
    kinds = (given,) if isinstance(given, str) else tuple(str(kind) for kind in given)
    for kind in kinds:
        if not re.fullmatch(r"[\w-]+", kind):
            raise SourceInvalid(f'post_types holds {kind!r}: give names such as "posts" or "pages"')
    return kinds
