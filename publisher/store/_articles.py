"""Articles and revisions between rows and values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from publisher.model import (
    Arrival,
    Article,
    ArticleState,
    Author,
    Enclosure,
    Image,
    MailPermission,
    Revision,
    RevisionKind,
)
from publisher.store.tables import article, revision, source

# Where an article and its revision have a column of the same name, the article's goes by another.
_OWN = ("id", "native_id", "own_id", "guid", "story", "canonical_url", "entry_id", "state", "mail")
_PAST = ("mail_at", "arrival", "first_seen_at", "retracted_at", "retracted_by", "retraction_note")
_MISSING = ("missing_looks", "missed_at")


def current() -> sa.Select[Any]:
    """Articles, each with its current revision and its source's slug."""
    joined = article.join(
        revision, sa.and_(revision.c.article == article.c.id, revision.c.number == article.c.revision)
    ).join(source, source.c.id == article.c.source)
    own = [article.c[name] for name in (*_OWN, *_PAST, *_MISSING)]
    return sa.select(*own, source.c.slug.label("source_slug"), *revision.c).select_from(joined)


def article_from(row: sa.RowMapping) -> Article:
    return Article(
        id=row["id"],
        source=row["source_slug"],
        native_id=row["native_id"],
        own_id=row["own_id"],
        guid=row["guid"],
        story=row["story"],
        canonical_url=row["canonical_url"],
        entry_id=row["entry_id"],
        state=ArticleState(row["state"]),
        mail=MailPermission(row["mail"]),
        mail_at=row["mail_at"],
        arrival=Arrival(row["arrival"]),
        first_seen_at=row["first_seen_at"],
        retracted_at=row["retracted_at"],
        retracted_by=row["retracted_by"],
        retraction_note=row["retraction_note"],
        missing_looks=row["missing_looks"],
        missed_at=row["missed_at"],
        revision=revision_from(row),
    )


def article_row(one: Article) -> dict[str, Any]:
    """What a source may change about an article after it was added."""
    return {
        "native_id": one.native_id,
        "own_id": one.own_id,
        "guid": one.guid,
        "canonical_url": one.canonical_url,
        "state": one.state.value,
        "arrival": one.arrival.value,
        "retracted_at": one.retracted_at,
        "missing_looks": one.missing_looks,
        "missed_at": one.missed_at,
    }


def word_row(one: Article) -> dict[str, Any]:
    """What an editor may say about it, and its story."""
    return {
        "story": one.story,
        "state": one.state.value,
        "mail": one.mail.value,
        "mail_at": one.mail_at,
        "retracted_at": one.retracted_at,
        "retracted_by": one.retracted_by,
        "retraction_note": one.retraction_note,
        "missing_looks": one.missing_looks,
        "missed_at": one.missed_at,
    }


def revision_from(row: sa.RowMapping) -> Revision:
    image: Mapping[str, Any] | None = row["image"]
    return Revision(
        article=row["article"],
        number=row["number"],
        kind=RevisionKind(row["kind"]),
        note=row["note"],
        title=row["title"],
        standfirst=row["standfirst"],
        content_html=row["content_html"],
        authors=tuple(Author(**author) for author in row["authors"]),
        categories=tuple(row["categories"]),
        tags=tuple(row["tags"]),
        image=Image(**image) if image else None,
        enclosures=tuple(Enclosure(**enclosure) for enclosure in row["enclosures"]),
        language=row["language"],
        published_at=row["published_at"],
        updated_at=row["updated_at"],
        content_hash=row["content_hash"],
        raw_hash=row["raw_hash"],
    )


def revision_row(id: int, one: Revision) -> dict[str, Any]:
    return {
        "article": id,
        "number": one.number,
        "kind": one.kind.value,
        "note": one.note,
        "title": one.title,
        "standfirst": one.standfirst,
        "content_html": one.content_html,
        "authors": [_fields(author) for author in one.authors],
        "categories": list(one.categories),
        "tags": list(one.tags),
        "image": _fields(one.image) if one.image else None,
        "enclosures": [_fields(enclosure) for enclosure in one.enclosures],
        "language": one.language,
        "published_at": one.published_at,
        "updated_at": one.updated_at,
        "content_hash": one.content_hash,
        "raw_hash": one.raw_hash,
    }


def _fields(value: Author | Image | Enclosure) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}
