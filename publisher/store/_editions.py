"""Editions, items and variants between rows and values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.model import COMMITTED, Edition, EditionState, Item, Label, Letterhead, Override, Rendered, Variant
from publisher.store import _shared as shared
from publisher.store.tables import batch, edition, edition_item, newsletter, variant, variant_item

#: What may be set together with a change of state.
CHANGEABLE = frozenset(
    {
        "due_at",
        "reason",
        "hold_reason",
        "subject",
        "composed_at",
        "approved_at",
        "approved_by",
        "approved_hash",
        "template_hash",
        "settings",
        "undo_until",
        "finished_at",
        "looked_at",
        "gone",
        "priority",
        "wave",
        "mailer",
        "plan_generation",
        "plan_cursor",
        "maximum_subscriber",
        "candidates",
        "planned",
    }
)


def load(connection: Connection, *where: sa.ColumnElement[bool], limit: int | None = None) -> tuple[Edition, ...]:
    """Editions with their items, the newest first."""
    joined = edition.join(newsletter, newsletter.c.id == edition.c.newsletter)
    found = sa.select(edition, newsletter.c.slug.label("newsletter_slug")).select_from(joined).where(*where)
    newest = found.order_by(edition.c.due_at.desc(), edition.c.id.desc()).limit(limit)
    rows = connection.execute(newest).mappings().all()
    items = items_of(connection, edition_item, edition_item.c.edition, [row["id"] for row in rows])
    return tuple(_edition(row, items.get(row["id"], ())) for row in rows)


def content_row(one: Edition) -> dict[str, Any]:
    """What an edit may change."""
    return {
        "due_at": one.due_at,
        "state": one.state.value,
        "reason": one.reason,
        "subject": one.subject,
        "composed_at": one.composed_at,
        "approved_at": one.approved_at,
        "approved_by": one.approved_by,
        "approved_hash": one.approved_hash,
        "template_hash": one.template_hash,
        "undo_until": one.undo_until,
        "finished_at": one.finished_at,
        "priority": one.priority,
        "mailer": one.mailer,
    }


def plan_row(one: Edition) -> dict[str, Any]:
    """Where its plan stands."""
    return {
        "wave": one.wave,
        "plan_generation": one.plan_generation,
        "plan_cursor": one.plan_cursor,
        "maximum_subscriber": one.maximum_subscriber,
        "candidates": one.candidates,
        "planned": one.planned,
        "letterheads": [asdict(letterhead) for letterhead in one.letterheads],
    }


def counts_as_sent() -> sa.ColumnElement[bool]:
    """What an edition carries went out, or is about to; also of one that was stopped when some of it had left."""
    begun = sa.exists().where(batch.c.edition == edition.c.id, batch.c.attempt > 0)
    stopped = sa.and_(edition.c.state == EditionState.CANCELLED.value, begun)
    return sa.or_(edition.c.state.in_([state.value for state in COMMITTED]), stopped)


def put_items(connection: Connection, table: sa.Table, owner: str, given: Mapping[int, Iterable[Item]]) -> None:
    rows = [
        {
            owner: id,
            "article": item.article,
            "revision": item.revision,
            "position": item.position,
            "label": item.label.value,
            "section": item.section,
            "pinned": item.pinned,
            "spare": item.spare,
            "overrides": dict(item.overrides),
        }
        for id, items in given.items()
        for item in items
    ]
    if rows:
        connection.execute(sa.insert(table), rows)


def items_of(
    connection: Connection, table: sa.Table, owner: sa.Column[int], ids: Collection[int]
) -> Mapping[int, tuple[Item, ...]]:
    """Items by the edition or variant they belong to, in order."""
    found: dict[int, list[Item]] = {}
    rows = connection.execute(
        sa.select(table).where(shared.among(connection, owner, ids)).order_by(owner, table.c.position, table.c.article)
    )
    for row in rows.mappings():
        found.setdefault(row[owner.name], []).append(_item(row))
    return {id: tuple(items) for id, items in found.items()}


def variant_row(edition_id: int, one: Variant) -> dict[str, Any]:
    return {
        "edition": edition_id,
        "key": one.key,
        "language": one.language,
        "template": one.template,
        "subject": one.rendered.subject,
        "html": one.rendered.html,
        "text": one.rendered.text,
        "content_hash": one.content_hash,
        "recipe": one.recipe,
    }


def load_variants(
    connection: Connection, *where: sa.ColumnElement[bool], limit: int | None = None
) -> tuple[Variant, ...]:
    found = sa.select(variant).where(*where).order_by(variant.c.id).limit(limit)
    rows = connection.execute(found).mappings().all()
    items = items_of(connection, variant_item, variant_item.c.variant, [row["id"] for row in rows])
    return tuple(_variant(row, items.get(row["id"], ())) for row in rows)


def _edition(row: sa.RowMapping, items: tuple[Item, ...]) -> Edition:
    return Edition(
        id=row["id"],
        newsletter=row["newsletter_slug"],
        slot=row["slot"],
        due_at=row["due_at"],
        state=EditionState(row["state"]),
        reason=row["reason"],
        subject=row["subject"],
        composed_at=row["composed_at"],
        approved_at=row["approved_at"],
        approved_by=row["approved_by"],
        approved_hash=row["approved_hash"],
        template_hash=row["template_hash"],
        undo_until=row["undo_until"],
        finished_at=row["finished_at"],
        looked_at=row["looked_at"],
        gone=frozenset(row["gone"]),
        priority=row["priority"],
        wave=row["wave"],
        mailer=row["mailer"],
        plan_generation=row["plan_generation"],
        plan_cursor=row["plan_cursor"],
        maximum_subscriber=row["maximum_subscriber"],
        candidates=row["candidates"],
        planned=row["planned"],
        letterheads=tuple(Letterhead(**letterhead) for letterhead in row["letterheads"]),
        overrides=tuple(_override(told) for told in row["overrides"]),
        items=items,
    )


def override_row(one: Override) -> dict[str, str]:
    return {"rule": one.rule, "by": one.by, "at": one.at.isoformat()}


def _override(told: Mapping[str, str]) -> Override:
    return Override(rule=told["rule"], by=told["by"], at=datetime.fromisoformat(told["at"]))


def _item(row: sa.RowMapping) -> Item:
    return Item(
        article=row["article"],
        revision=row["revision"],
        position=row["position"],
        label=Label(row["label"]),
        section=row["section"],
        pinned=row["pinned"],
        spare=row["spare"],
        overrides=row["overrides"],
    )


def _variant(row: sa.RowMapping, items: tuple[Item, ...]) -> Variant:
    return Variant(
        id=row["id"],
        edition=row["edition"],
        key=row["key"],
        language=row["language"],
        template=row["template"],
        rendered=Rendered(subject=row["subject"], html=row["html"], text=row["text"]),
        content_hash=row["content_hash"],
        items=items,
        superseded_by=row["superseded_by"],
        recipe=row["recipe"],
    )
