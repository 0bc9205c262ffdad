"""Step 1, collect: what a source sent is named, cleaned, compared with what is known, and recorded.

`accept` decides and writes nothing; `record` writes what it decided. Identity is the source with the native id,
else the guid, else the canonical URL, else a hash of the content. Change is a hash of the cleaned content: a
moved date is none, except for an article that is still held, which takes its new time.
"""

from __future__ import annotations

import hashlib
import json
import mimetypes
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from publisher.errors import Conflict
from publisher.kit import html
from publisher.model import (
    Article,
    ArticleState,
    Author,
    Enclosure,
    Fetched,
    FetchedArticle,
    Image,
    Refusal,
    Revision,
    RevisionKind,
    Site,
    Source,
)
from publisher.ports import Articles

# The most characters of each that is kept.
TITLE: Final = 500
FIRST_WORDS: Final = 80  # as the title of an article that has none
STANDFIRST: Final = 2_000
BIOGRAPHY: Final = 2_000
NAME: Final = 200
IDENTITY: Final = 500
ENTRY_ID: Final = 250
GUID: Final = 8_000
# And how many.
LABELS: Final = 50
AUTHORS: Final = 50
ENCLOSURES: Final = 20

_KINDS: Final = ("id:", "guid:", "url:", "text:")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
_MAIL: Final = re.compile(r"[^\s<>()\[\],;:\"@]+@[^\s<>()\[\],;:\"@]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What becomes of one page of a source. `touched` say the same as before, but something beside the content
    moved (address, raw hash); `unchanged` counts those that need nothing."""

    new: tuple[Article, ...] = ()
    changed: tuple[Article, ...] = ()
    touched: tuple[Article, ...] = ()
    unchanged: int = 0
    refused: tuple[Refusal, ...] = ()


@dataclass(slots=True)
class Tally:
    """The sums over all pages of one look."""

    new: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    refused: list[Refusal] = field(default_factory=list)

    def add(self, accepted: Accepted) -> None:
        self.new += len(accepted.new)
        self.changed += len(accepted.changed)
        self.unchanged += accepted.unchanged + len(accepted.touched)
        self.refused += accepted.refused


def accept(source: Source, fetched: Fetched, articles: Articles, *, site: Site, now: datetime) -> Accepted:
    """Decide about one page of a source. Nothing is written; the same page after `record` is all unchanged.

    Of two articles with one identity in a page the first is taken and the other refused by name.
    """
    named, refused = _named(fetched)
    known = articles.known(source.slug, native_ids=list(named))
    new: list[Article] = []
    changed: list[Article] = []
    touched: list[Article] = []
    unchanged = 0
    for identity, sent in named.items():
        before = known.get(identity)
        if before and _is_same(before, sent):
            unchanged += 1
            continue
        try:
            says = _cleaned(sent, site)
        except ValueError as error:
            refused.append(Refusal(item=_shown(sent), reason=str(error)))
            continue
        if before is None:
            new.append(_first(source, identity, sent, says, site=site, now=now))
        elif says.content_hash != before.revision.content_hash or _rescheduled(before, sent):
            changed.append(_next(before, sent, says, now))
        elif (seen := _touched(before, sent)) != before:
            touched.append(seen)
        else:
            unchanged += 1
    return Accepted(
        new=tuple(new), changed=tuple(changed), touched=tuple(touched), unchanged=unchanged, refused=tuple(refused)
    )


def record(accepted: Accepted, articles: Articles) -> tuple[Article, ...]:
    """Write what was accepted; the new and the changed articles, with their ids, for placing into feeds.

    An article that another process stored in the meantime is left to the next look.
    """
    stored: list[Article] = []
    for article in accepted.new:
        with suppress(Conflict):
            stored.append(articles.add(article))
    for article in accepted.changed:
        with suppress(Conflict):
            articles.revise(article)
            stored.append(article)
    for article in accepted.touched:
        articles.seen(article)
    return tuple(stored)


# ---------------------------------------------------------------- names


def _named(fetched: Fetched) -> tuple[dict[str, FetchedArticle], list[Refusal]]:
    """The articles by identity, in their order, and those that were refused by the source or have another's."""
    named: dict[str, FetchedArticle] = {}
    refused = list(fetched.refused)
    for sent in fetched.articles:
        first = named.setdefault(_identity(sent), sent)
        if first is sent or (first.raw_hash and first.raw_hash == sent.raw_hash):
            continue
        refused.append(Refusal(item=_shown(sent), reason=f"same id as “{_shown(first)}”: give each its own"))
    return named, refused


def _identity(sent: FetchedArticle) -> str:
    """What an article is known by within its source. The prefixes keep the kinds apart."""
    native = html.scrub(sent.native_id).strip()
    if native:
        return _short(f"id:{native}" if native.startswith(_KINDS) else native, IDENTITY)
    if guid := html.scrub(sent.guid).strip():
        return _short(f"guid:{guid}", IDENTITY)
    if url := _canonical(sent):
        return _short(f"url:{url}", IDENTITY)
    return f"text:{_hash([sent.title, sent.standfirst, sent.content_html])}"


def _entry_id(source: Source, identity: str, site: Site) -> str:
    """A tag: URI (RFC 4151): the same after a rebuild from an empty database, and wherever the article moves."""
    name = _short(quote(identity, safe="/:@-._~"), ENTRY_ID)
    return f"tag:{site.tag_authority}:{source.origin}/{name}"


def _short(name: str, limit: int) -> str:
    return name if len(name) <= limit else f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


def _story(source: Source, identity: str, url: str) -> str:
    """Equal for articles at the same address, whichever source they came from."""
    return _hash([url] if url else [source.origin, identity])[:32]


def _shown(sent: FetchedArticle) -> str:
    """How a refusal names an article."""
    name = _line(sent.title, FIRST_WORDS) or _line(sent.url or sent.native_id or sent.guid, NAME)
    return name or _line(html.scrub(sent.content_html), FIRST_WORDS) or "an empty article"


def _canonical(sent: FetchedArticle) -> str:
    """The article's address as it is compared: no fragment, no utm_ parameters, no default port."""
    url = html.address(sent.url, sent.base_url)
    if not url:
        return ""
    parts = urlsplit(url)
    default = ":443" if parts.scheme == "https" else ":80"
    kept = [pair for pair in parts.query.split("&") if pair and not pair.lower().startswith("utm_")]
    return urlunsplit((parts.scheme, parts.netloc.removesuffix(default), parts.path or "/", "&".join(kept), ""))


# ---------------------------------------------------------------- first, next, the same


def _is_same(before: Article, sent: FetchedArticle) -> bool:
    """Whether the source sent the very same again: then nothing needs to be cleaned or compared."""
    return bool(sent.raw_hash) and sent.raw_hash == before.revision.raw_hash and not before.missing_looks


def _first(
    source: Source, identity: str, sent: FetchedArticle, says: Revision, *, site: Site, now: datetime
) -> Article:
    published = _utc(sent.published_at) or now
    updated = min(_utc(sent.updated_at) or published, now)
    url = _canonical(sent)
    return Article(
        source=source.slug,
        native_id=identity,
        guid=_line(sent.guid, GUID),
        story=_story(source, identity, url),
        canonical_url=url,
        entry_id=_entry_id(source, identity, site),
        state=_state(published, now),
        first_seen_at=now,
        revision=replace(says, published_at=published, updated_at=max(published, updated)),
    )


def _next(before: Article, sent: FetchedArticle, says: Revision, now: datetime) -> Article:
    """The article with its next revision. Once it was live, its date is kept."""
    old = before.revision
    held = before.state is ArticleState.HELD
    published = (_utc(sent.published_at) or old.published_at) if held else old.published_at
    updated = _utc(sent.updated_at)
    if updated is None or not old.updated_at < updated <= now:
        updated = now
    return replace(
        _touched(before, sent),
        state=_state(published, now) if held else before.state,
        revision=replace(
            says,
            article=before.id,
            number=old.number + 1,
            kind=RevisionKind.EDIT,
            published_at=published,
            updated_at=max(published, updated),
        ),
    )


def _touched(before: Article, sent: FetchedArticle) -> Article:
    return replace(
        before,
        guid=_line(sent.guid, GUID) or before.guid,
        canonical_url=_canonical(sent) or before.canonical_url,
        missing_looks=0,
        revision=replace(before.revision, raw_hash=sent.raw_hash),
    )


def _rescheduled(before: Article, sent: FetchedArticle) -> bool:
    """Whether an article that nobody has seen yet has another time now."""
    published = _utc(sent.published_at)
    return before.state is ArticleState.HELD and published not in (None, before.revision.published_at)


def _state(published: datetime, now: datetime) -> ArticleState:
    return ArticleState.HELD if published > now else ArticleState.LIVE


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


# ---------------------------------------------------------------- cleaning


def _cleaned(sent: FetchedArticle, site: Site) -> Revision:
    """What the article says, safe and bounded, with the hash of it. Its dates are still to be set.

    Raises ValueError, saying why, when it says nothing or is too large.
    """
    content = html.clean(sent.content_html, sent.base_url or sent.url)
    standfirst = _line(sent.standfirst, STANDFIRST)
    picture = html.first_image(content) if "<img" in content else None
    image = _image(sent.image, sent.base_url) or picture
    title = _line(sent.title, TITLE) or _first_words(content, standfirst, image)
    if not title:
        raise ValueError("it has neither a title nor text: give it one of them")
    says = Revision(
        number=1,
        title=title,
        standfirst=standfirst,
        content_html=content,
        authors=_authors(sent.authors, sent.base_url),
        categories=_labels(sent.categories),
        tags=_labels(sent.tags),
        image=image,
        enclosures=_enclosures(sent.enclosures, sent.base_url),
        language=_language(sent.language) or site.language,
        published_at=datetime.min.replace(tzinfo=UTC),
        updated_at=datetime.min.replace(tzinfo=UTC),
        content_hash="",
        raw_hash=sent.raw_hash,
    )
    return replace(says, content_hash=_content_hash(says))


def _first_words(content: str, standfirst: str, image: Image | None) -> str:
    """What stands in for a title."""
    words = html.excerpt(content, FIRST_WORDS) or html.cut(html.plain(content), FIRST_WORDS)
    return words or _line(standfirst, FIRST_WORDS) or _line(image.alt if image else "", FIRST_WORDS)


def _content_hash(says: Revision) -> str:
    """Over everything a reader would see, and no date."""
    return _hash(
        [
            says.title,
            says.standfirst,
            " ".join(says.content_html.split()),
            [[author.name, author.url, author.email, author.biography] for author in says.authors],
            says.categories,
            says.tags,
            says.image.url if says.image else "",
            [enclosure.url for enclosure in says.enclosures],
        ]
    )


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=True).encode()).hexdigest()


def _line(text: str, limit: int) -> str:
    """Plain text on one line, at most so many characters."""
    return html.cut(" ".join(html.scrub(text).split()), limit)


def _labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Categories or tags, each once whatever its case, as written first."""
    found: dict[str, str] = {}
    for label in labels:
        if name := _line(label, NAME):
            found.setdefault(name.casefold(), name)
    return tuple(found.values())[:LABELS]


def _authors(authors: Iterable[Author], base_url: str) -> tuple[Author, ...]:
    found: dict[str, Author] = {}
    for author in authors:
        email = html.scrub(author.email)
        if name := _line(author.name, NAME):
            told = Author(
                name=name,
                url=html.address(author.url, base_url),
                email=email if _MAIL.fullmatch(email) and len(email) < 255 else "",
                biography=_line(author.biography, BIOGRAPHY),
            )
            found.setdefault(name.casefold(), told)
    return tuple(found.values())[:AUTHORS]


def _image(image: Image | None, base_url: str) -> Image | None:
    url = html.address(image.url, base_url) if image else ""
    if not image or not url:
        return None
    return Image(
        url=url,
        type=_line(image.type, NAME),
        bytes=_number(image.bytes),
        width=_number(image.width),
        height=_number(image.height),
        alt=_line(image.alt, STANDFIRST),
        credit=_line(image.credit, NAME),
    )


def _enclosures(enclosures: Iterable[Enclosure], base_url: str) -> tuple[Enclosure, ...]:
    found: dict[str, Enclosure] = {}
    for one in enclosures:
        if url := html.address(one.url, base_url):
            kind = _line(one.type, NAME) or mimetypes.guess_type(urlsplit(url).path)[0] or "application/octet-stream"
            sizes = (_number(one.bytes), _number(one.seconds))
            found.setdefault(url, Enclosure(url=url, type=kind, bytes=sizes[0], seconds=sizes[1]))
    return tuple(found.values())[:ENCLOSURES]


def _number(value: int) -> int:
    return value if 0 <= value < 2**53 else 0


def _language(language: str) -> str:
    """A language tag (BCP 47), or "" when it is none."""
    tag = language.strip().replace("_", "-")
    return tag if _LANGUAGE.fullmatch(tag) and len(tag) <= 35 else ""
