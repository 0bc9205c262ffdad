"""Ghost, through its Content API (https://ghost.org/docs/content-api/posts/).

A look reads the posts in the order of their last change, each page from the last post of the one before: an edit
only moves a post to the end, where it is met again. Every so many looks the ids of all posts are listed, a few pages
in each look, so that what was removed is found.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from publisher.errors import SourceInvalid
from publisher.fetchers._ghost_api import Api, find
from publisher.fetchers._ghost_post import article, name
from publisher.fetchers._listing import LIST_EVERY, PAGES_A_LOOK, is_due, one_look_later
from publisher.fetchers._shared import Broken, count, fields, moment, whole, words
from publisher.kit.http_session import Limits, open_session, shown
from publisher.model import Fetched, FetchedArticle, Listing, Refusal, SecondLook, Source
from publisher.ports import Known, nothing_known

PER_PAGE: Final = 100  # the most that Ghost gives at once, since version 6
#: What may be committed late with an earlier time; read again, and known by its raw hash.
_OVERLAP: Final = timedelta(minutes=1)
_ID = re.compile(r"[0-9a-zA-Z]{1,64}")


class Ghost:
    """Fetches the posts of a Ghost site.

    Options of the source: `members` (True: also posts for members, as much of them as the site shows to everybody)
    and `list_every`, the number of looks from one list of all ids to the next (0: never). Secrets: `key`, of the
    Content API; without it the one that the site's own pages carry for browsers.

    The cursor holds time and id of the last post that was read, so that a look that was broken off goes on there.
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
            api = find(session, source, self._limits)
            cursor: dict[str, object] = {"url": source.url}
            if source.cursor.get("url") == source.url:
                cursor = dict(source.cursor)
            listed = fields(cursor.get("list"))
            list_due = is_due(listed, whole(source.options.get("list_every", LIST_EVERY)))
            if not list_due:
                cursor["list"] = one_look_later(listed)
            look = _Look(api, source, _Place.of(cursor), now)
            for articles, refused in look.pages():
                cursor = {**cursor, **look.place.as_json()}
                yield Fetched(articles=articles, cursor=cursor, refused=refused)
            if list_due:
                listing, state = _list(api, source, listed, now)
                yield Fetched(articles=(), cursor={**cursor, "list": state}, listing=listing)

    def again(self, source: Source, ids: Collection[str], *, now: datetime) -> SecondLook:
        """As `ports.Fetcher`: one request."""
        wanted = sorted(id for id in ids if _ID.fullmatch(id))[:PER_PAGE]
        if not wanted:
            return SecondLook()
        with open_session(allow_private=source.allow_private, user_agent=self._user_agent) as session:
            api = find(session, source, self._limits)
            these = ",".join(f"id:'{id}'" for id in wanted)  # a comma is "or"
            asked = _only(_seen_by(source), f"({these})")
            try:
                posts, _ = api.posts(limit=PER_PAGE, include="tags,authors", **asked)
            except Broken as failure:
                raise failure.error from failure
            articles, _ = _Look(api, source, _Place(), now).read(posts)
        there = {words(post.get("id")) for post in posts}
        return SecondLook(articles=articles, gone=frozenset(wanted) - there)

    def check(self, source: Source, *, now: datetime) -> str:  # noqa: ARG002  # the port's
        """Such as "The Harbour Gazette: 12 articles"."""
        with open_session(allow_private=source.allow_private, user_agent=self._user_agent) as session:
            api = find(session, source, self._limits)
            site = api.site()
            try:
                posts, total = api.posts(limit=1, fields="id", **_only(_seen_by(source)))
            except Broken as failure:
                raise failure.error from failure
            told = count(len(posts) if total is None else total)
            return f"{site.title[:60]}: {told}" if site.title else told


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Behind which post it goes on: its last change (UTC, as the API's filters write it) and its id. Without an id
    at all posts of that second; without a time at the beginning."""

    at: str = ""
    id: str = ""

    @classmethod
    def of(cls, cursor: Mapping[str, object]) -> _Place:
        return cls(at=words(cursor.get("at")), id=words(cursor.get("id")))

    @classmethod
    def behind(cls, post: Mapping[str, Any], source: str) -> _Place:
        at, id = moment(post.get("updated_at")), words(post.get("id"))
        if at is None or not _ID.fullmatch(id):
            raise SourceInvalid(f"{source} tells of a post without a time or an id: it is no Ghost that can be read")
        return cls(at=_written(at), id=id)

    def filter(self) -> str:
        if not self.at:
            return ""
        if not self.id:
            return f"updated_at:>='{self.at}'"
        return f"(updated_at:>'{self.at}',(updated_at:'{self.at}'+id:>'{self.id}'))"

    def as_json(self) -> Mapping[str, object]:
        return {"at": self.at, "id": self.id}


class _Look:
    """One look at the posts, page by page."""

    def __init__(self, api: Api, source: Source, place: _Place, now: datetime) -> None:
        self._api = api
        self._now = now
        self._seen_by = _seen_by(source)
        self._language = api.site().language
        since = moment(place.at)
        self.place = _Place(at=_written(since - _OVERLAP)) if since else _Place()
        self._size = PER_PAGE

    def pages(self) -> Iterator[tuple[tuple[FetchedArticle, ...], tuple[Refusal, ...]]]:
        """The articles of each page and what was refused; `place` is then what stands after it."""
        ended = False
        while not ended:
            posts, ended, broken = self._page()
            if posts:
                last = _Place.behind(posts[-1], shown(self._api.root))
                if last == self.place:
                    raise SourceInvalid(
                        f"{shown(self._api.root)} gives the same posts whatever it is asked: a cache in front of it "
                        "must tell addresses apart by their query",
                        url=shown(self._api.root),
                    )
                self.place = last
            if ended:
                # A post that says it changed in the future must not hide what changes until then.
                self.place = _Place(at=min(self.place.at, _written(self._now)), id=self.place.id)
            yield self._articles(posts, broken)

    def _page(self) -> tuple[Sequence[Mapping[str, Any]], bool, str]:
        """Posts behind `place`, whether they are the last, and why the only one cannot be read."""
        while True:
            try:
                posts, total = self._read(self._size, include="tags,authors")
            except Broken as failure:
                if self._size > 1:
                    self._size //= 2
                    continue
                return self._bad_one(failure), False, str(failure)
            self._size = min(PER_PAGE, self._size * 2)
            return posts, not posts or (total is not None and total <= len(posts)), ""

    def _read(self, size: int, **how: str) -> tuple[Sequence[Mapping[str, Any]], int | None]:
        filters = _only(self._seen_by, self.place.filter())
        return self._api.posts(limit=size, order="updated_at asc,id asc", **filters, **how)

    def _bad_one(self, failure: Broken) -> Sequence[Mapping[str, Any]]:
        """The one post that breaks its page, asked for without its text."""
        try:
            posts, _ = self._read(1, fields="id,title,url,updated_at")
        except Broken:
            raise failure.error from failure
        if not posts:
            raise failure.error
        return posts

    def read(self, posts: Sequence[Mapping[str, Any]]) -> tuple[tuple[FetchedArticle, ...], tuple[Refusal, ...]]:
        """The articles of these posts, and what was refused."""
        return self._articles(posts, "")

    def _articles(
        self, posts: Sequence[Mapping[str, Any]], broken: str
    ) -> tuple[tuple[FetchedArticle, ...], tuple[Refusal, ...]]:
        articles: list[FetchedArticle] = []
        refused: list[Refusal] = []
        home = self._api.root.partition("ghost/api/")[0]
        for post in posts:
            try:
                if broken:
                    raise ValueError(broken)
                articles.append(article(post, home, self._language))
            except ValueError as error:
                refused.append(Refusal(item=name(post), reason=str(error), id=words(post.get("id"))))
        return tuple(articles), tuple(refused)


def _list(api: Api, source: Source, state: Mapping[str, object], now: datetime) -> tuple[Listing, Mapping[str, object]]:
    """The next part of the list of all ids, and the state after it."""
    look = words(state.get("look")) or now.isoformat()
    last = words(state.get("last")) if state.get("look") else ""
    ids: list[str] = []
    for _ in range(PAGES_A_LOOK):
        after = f"id:>'{last}'" if _ID.fullmatch(last) else ""
        try:
            posts, total = api.posts(limit=PER_PAGE, fields="id", order="id asc", **_only(_seen_by(source), after))
        except Broken as failure:
            raise failure.error from failure
        found = [id for post in posts if _ID.fullmatch(id := words(post.get("id")))]
        ids += found
        if not found or (total is not None and total <= len(posts)):
            return Listing(look=look, ids=tuple(ids), complete=True), {"looks": 0}
        last = found[-1]
    return Listing(look=look, ids=tuple(ids)), {"look": look, "last": last}


def _seen_by(source: Source) -> str:
    return "" if source.options.get("members") else "visibility:public"


def _only(*filters: str) -> Mapping[str, str]:
    """Several filters as one: + is "and"."""
    wanted = "+".join(filter(None, filters))
    return {"filter": wanted} if wanted else {}


def _written(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
