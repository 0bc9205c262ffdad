"""Newsletters and their editions. See `ports.Editions`.

An edition's identity is (newsletter, slot), unique in the database: a second trigger inserts nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.errors import Conflict, NotFound
from publisher.model import (
    ALERT,
    FOR_ALL,
    BatchState,
    Edition,
    EditionState,
    Label,
    Letterhead,
    Mention,
    Newsletter,
    Override,
    Variant,
)
from publisher.store import _archive, _materials
from publisher.store import _editions as rows
from publisher.store import _shared as shared
from publisher.store import _superseding as superseding
from publisher.store._batches import lock_edition, reached
from publisher.store.engine import Access
from publisher.store.tables import (
    archive_page,
    batch,
    decision,
    edition,
    edition_item,
    newsletter,
    suppression,
    variant,
    variant_item,
)

_PAGE = 100


class Editions:
    def __init__(self, access: Access) -> None:
        self._access = access

    def sync(self, newsletters: Sequence[Newsletter], *, now: datetime) -> None:
        with self._access.write() as connection:
            for one in newsletters:
                for old in one.was:
                    if shared.rename(connection, newsletter, old, one.slug):
                        _rename_elsewhere(connection, old, one.slug)
                _keep(connection, one, now)
            shared.retire(connection, newsletter, [one.slug for one in newsletters])

    def born(self, newsletter: str) -> datetime:
        """Raises NotFound."""
        with self._access.read() as connection:
            return _born(connection, newsletter)

    def lock(self, newsletter: str) -> None:
        """SQLite has one writer at a time anyway; PostgreSQL locks the newsletter's row."""
        with self._access.write() as connection:
            connection.execute(_locked(newsletter))

    def open(self, edition: Edition) -> Edition:
        with self._access.write() as connection:
            id = _insert(connection, edition)
            rows.put_items(connection, edition_item, "edition", {id: edition.items})
            return _by_id(connection, id)

    def replace(self, edition: Edition, *, was: EditionState) -> Edition:
        with self._access.write() as connection:
            id = _change(connection, edition.key, [was], rows.content_row(edition))
            _forget_content(connection, id)
            rows.put_items(connection, edition_item, "edition", {id: edition.items})
            return _by_id(connection, id)

    def get(self, key: str) -> Edition:
        with self._access.read() as connection:
            found = rows.load(connection, *_named(key))
        if not found:
            raise NotFound(f"There is no edition {key!r}; `publisher status` lists the last ones.")
        return found[0]

    def by_id(self, id: int) -> Edition:
        """Raises NotFound."""
        with self._access.read() as connection:
            return _by_id(connection, id)

    def locked(self, id: int) -> Edition:
        with self._access.write() as connection:
            lock_edition(connection, id)
            return _by_id(connection, id)

    def newest(self, limit: int, newsletter: str = "") -> tuple[Edition, ...]:
        with self._access.read() as connection:
            return rows.load(connection, *(_of(newsletter) if newsletter else ()), limit=limit)

    def last(self, newsletter: str, cadence: str) -> Edition | None:
        mine = edition.c.slot.startswith(f"{cadence}:", autoescape=True)
        with self._access.read() as connection:
            return next(iter(rows.load(connection, *_of(newsletter), mine, limit=1)), None)

    def in_state(self, *states: EditionState) -> tuple[Edition, ...]:
        """The one due first comes first."""
        with self._access.read() as connection:
            found = rows.load(connection, edition.c.state.in_([state.value for state in states]))
        return tuple(reversed(found))

    def move(self, key: str, was: Collection[EditionState], to: EditionState, **changes: Any) -> Edition:
        """`changes` are fields of `Edition` other than its identity, state and items, or `hold_reason` and
        `settings`. Raises NotFound."""
        if unknown := changes.keys() - rows.CHANGEABLE:
            raise TypeError(f"an edition's {', '.join(sorted(unknown))} cannot be changed with its state")
        with self._access.write() as connection:
            id = _change(connection, key, was, changes | {"state": to.value})
            return _by_id(connection, id)

    def sent(
        self, newsletter: str, among: Collection[int] | None = None, *, cadence: str = ""
    ) -> Mapping[int, frozenset[int]]:
        to_all = sa.not_(edition.c.slot.startswith(f"{ALERT}:"))
        sent = sa.select(edition.c.id).where(*_of(newsletter), *_for(cadence), to_all, rows.counts_as_sent())
        news = sa.and_(edition_item.c.label == Label.NEW.value, ~edition_item.c.spare, ~edition_item.c.partly)
        carried = sa.and_(edition_item.c.edition.in_(sent), news)
        held = sa.select(edition_item.c.article, edition_item.c.revision).where(carried)
        found: dict[int, set[int]] = defaultdict(set)
        with self._access.read() as connection:
            if among is not None:
                held = held.where(shared.among(connection, edition_item.c.article, among))
            for article, revision in connection.execute(held):
                found[article].add(revision)
        return {article: frozenset(revisions) for article, revisions in found.items()}

    def add_letterhead(self, edition: int, letterhead: Letterhead) -> int:
        """Raises NotFound."""
        with self._access.write() as connection:
            return _add_letterhead(connection, edition, letterhead)

    def override(self, key: str, overrides: Sequence[Override]) -> Edition:
        """Raises NotFound."""
        with self._access.write() as connection:
            return _override(connection, _named_id(connection, key), overrides)

    def add_variant(self, edition: int, variant: Variant) -> Variant:
        """The one that was stored first is returned, whoever stored it."""
        with self._access.write() as connection:
            return _add_variant(connection, edition, variant)

    def add_variants(self, edition: int, variants: Sequence[Variant]) -> tuple[Variant, ...]:
        """Those that were stored first are returned, whoever stored them."""
        with self._access.write() as connection:
            return _add_variants(connection, edition, variants)

    def variants(
        self, edition: int, among: Collection[int] | None = None, *, limit: int | None = None
    ) -> tuple[Variant, ...]:
        with self._access.read() as connection:
            named = [] if among is None else [shared.among(connection, variant.c.id, among)]
            return rows.load_variants(connection, variant.c.edition == edition, *named, limit=limit)

    def variants_by_key(self, edition: int, keys: Collection[str]) -> Mapping[str, Variant]:
        with self._access.read() as connection:
            return _by_key(connection, edition, keys)

    def shares(self, edition: int) -> Mapping[int, int]:
        with self._access.read() as connection:
            return superseding.shares(connection, edition)

    def told(self, edition: int) -> tuple[Mention, ...]:
        with self._access.read() as connection:
            return superseding.told(connection, edition)

    def telling(self, edition: int, articles: Collection[int]) -> tuple[Variant, ...]:
        with self._access.read() as connection:
            ids = superseding.telling(connection, edition, articles)
            return rows.load_variants(connection, shared.among(connection, variant.c.id, ids)) if ids else ()

    def supersede(self, old: int, variant: Variant) -> Variant:
        with self._access.write() as connection:
            return _supersede(connection, old, variant)

    def withdrawn(self, edition: int) -> Mapping[int, str]:
        with self._access.read() as connection:
            return superseding.withdrawn(connection, edition)

    def withdraw(self, edition: int, why: Mapping[int, str]) -> None:
        with self._access.write() as connection:
            superseding.withdraw(connection, edition, why)

    def partly(self, edition: int, articles: Collection[int]) -> None:
        with self._access.write() as connection:
            these = sa.and_(
                edition_item.c.edition == edition, shared.among(connection, edition_item.c.article, articles)
            )
            connection.execute(sa.update(edition_item).where(these).values(partly=True))

    def not_brought(self, newsletter: str, articles: Collection[int], *, but: int) -> None:
        begun = sa.or_(edition.c.state == EditionState.PLANNING.value, edition.c.plan_cursor > 0)
        others = sa.select(edition.c.id).where(*_of(newsletter), edition.c.id != but, begun)
        with self._access.write() as connection:
            theirs = sa.update(edition_item).where(edition_item.c.edition.in_(others))
            them = shared.among(connection, edition_item.c.article, articles)
            connection.execute(theirs.where(them).values(partly=True))

    def newest_variants(self, edition: int) -> Mapping[int, int]:
        with self._access.read() as connection:
            return superseding.newest(connection, edition)

    def who_got(self, article: int, revision: int) -> Iterator[int]:
        """Each once, ascending within an edition, without holding a whole edition in memory."""
        holding = sa.select(variant_item.c.variant).where(
            variant_item.c.article == article, variant_item.c.revision == revision
        )
        with self._access.read() as connection:
            pairs = connection.execute(sa.select(variant.c.id, variant.c.edition).where(variant.c.id.in_(holding)))
            by_edition: dict[int, set[int]] = defaultdict(set)
            for id, edition_id in pairs:
                by_edition[edition_id].add(id)
        before: set[int] = set()
        for number, (edition_id, variants) in enumerate(sorted(by_edition.items()), start=1):
            for subscriber in self._reached(edition_id, variants):
                if subscriber not in before:
                    yield subscriber
                    if number < len(by_edition):  # the last edition's readers need not be remembered
                        before.add(subscriber)

    def _reached(self, edition_id: int, variants: set[int]) -> Iterator[int]:
        last = -1
        columns = (batch.c.sequence, batch.c.runs, batch.c.skipped, batch.c.rejected, batch.c.moved)
        accepted = sa.select(*columns).where(batch.c.edition == edition_id, batch.c.state == BatchState.ACCEPTED.value)
        while True:
            with self._access.read() as connection:
                page = accepted.where(batch.c.sequence > last).order_by(batch.c.sequence).limit(_PAGE)
                found = connection.execute(page).mappings().all()
            for row in found:
                yield from reached(row, variants)
            if len(found) < _PAGE:
                return
            last = found[-1]["sequence"]


def _keep(connection: Connection, one: Newsletter, now: datetime) -> None:
    told = {"name": one.name, "was": list(one.was), "active": True}
    statement = shared.insert(connection, newsletter).values(slug=one.slug, born_at=now, **told)
    connection.execute(statement.on_conflict_do_update(index_elements=["slug"], set_=told))


def _locked(slug: str) -> sa.Select[tuple[int]]:
    return sa.select(newsletter.c.id).where(newsletter.c.slug == slug).with_for_update()


def _born(connection: Connection, slug: str) -> datetime:
    id = shared.id_of(connection, newsletter, slug)
    born: datetime = connection.execute(sa.select(newsletter.c.born_at).where(newsletter.c.id == id)).scalar_one()
    return born


def _rename_elsewhere(connection: Connection, old: str, new: str) -> None:
    """Where a newsletter stands as text."""
    outputs = sa.update(decision).where(decision.c.output == f"newsletter:{old}")
    connection.execute(outputs.values(output=f"newsletter:{new}"))
    other = suppression.alias()
    taken = sa.exists().where(other.c.scope == new, other.c.address_key == suppression.c.address_key)
    connection.execute(sa.update(suppression).where(suppression.c.scope == old, ~taken).values(scope=new))


def _of(slug: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (edition.c.newsletter == sa.select(newsletter.c.id).where(newsletter.c.slug == slug).scalar_subquery(),)


def _for(cadence: str) -> Iterator[sa.ColumnElement[bool]]:
    """Editions that readers of that cadence get; all editions for those that go to everybody."""
    if cadence and cadence not in FOR_ALL:
        yield sa.or_(*(edition.c.slot.startswith(f"{word}:", autoescape=True) for word in (cadence, *FOR_ALL)))


def _named(key: str) -> tuple[sa.ColumnElement[bool], ...]:
    slug, _, slot = key.partition("/")
    return (*_of(slug), edition.c.slot == slot)


def _by_id(connection: Connection, id: int) -> Edition:
    found = rows.load(connection, edition.c.id == id)
    if not found:
        raise NotFound(f"There is no edition with the id {id}.")
    return found[0]


def _insert(connection: Connection, one: Edition) -> int:
    values = rows.content_row(one) | rows.plan_row(one) | {"hold_reason": "", "settings": {}}
    owner = shared.id_of(connection, newsletter, one.newsletter)
    statement = shared.insert(connection, edition).values(newsletter=owner, slot=one.slot, **values)
    id = connection.execute(statement.on_conflict_do_nothing().returning(edition.c.id)).scalar_one_or_none()
    if id is None:
        raise Conflict(f"There is an edition {one.key} already.")
    return int(id)


def _change(connection: Connection, key: str, was: Collection[EditionState], values: Mapping[str, Any]) -> int:
    """Change an edition that is in one of those states, and return its id. Raises Conflict or NotFound."""
    where = sa.and_(*_named(key), edition.c.state.in_([state.value for state in was]))
    id = connection.execute(
        sa.update(edition).where(where).values(**values).returning(edition.c.id)
    ).scalar_one_or_none()
    if id is not None:
        return int(id)
    state = connection.execute(sa.select(edition.c.state).where(*_named(key))).scalar_one_or_none()
    if state is None:
        raise NotFound(f"There is no edition {key!r}; `publisher status` lists the last ones.")
    raise Conflict(f"The edition {key} is {state} by now; look again.")


def _forget_content(connection: Connection, id: int) -> None:
    """The items and variants of an edition that nothing has been planned for."""
    made = sa.select(variant.c.id).where(variant.c.edition == id)
    connection.execute(sa.delete(variant_item).where(variant_item.c.variant.in_(made)))
    connection.execute(sa.delete(variant).where(variant.c.edition == id))
    connection.execute(sa.delete(edition_item).where(edition_item.c.edition == id))


def _add_variant(connection: Connection, edition_id: int, one: Variant) -> Variant:
    return _add_variants(connection, edition_id, [one])[0]


def _add_variants(connection: Connection, edition_id: int, made: Sequence[Variant]) -> tuple[Variant, ...]:
    """What they were made from is stored also of those that somebody else was quicker to store."""
    _materials.put(connection, dict(pair for one in made for pair in one.materials.items()))
    ids = _inserted(connection, edition_id, {one.key: one for one in made})
    if ids:
        _archive.touch(connection, archive_page.c.edition == edition_id)
    there = _by_key(connection, edition_id, {one.key for one in made} - ids.keys())
    return tuple(there.get(one.key) or replace(one, id=ids[one.key], edition=edition_id, materials={}) for one in made)


def _inserted(connection: Connection, edition_id: int, made: Mapping[str, Variant]) -> Mapping[str, int]:
    """The ids of those that are new, by key."""
    new = shared.insert(connection, variant).on_conflict_do_nothing().returning(variant.c.key, variant.c.id)
    stored = connection.execute(new, [rows.variant_row(edition_id, one) for one in made.values()])
    ids = {str(key): int(id) for key, id in stored}
    rows.put_items(connection, variant_item, "variant", {id: made[key].items for key, id in ids.items()})
    return ids


def _by_key(connection: Connection, edition_id: int, keys: Collection[str]) -> Mapping[str, Variant]:
    if not keys:
        return {}
    of_it = variant.c.edition == edition_id, shared.among(connection, variant.c.key, keys)
    return {one.key: one for one in rows.load_variants(connection, *of_it)}


def _supersede(connection: Connection, old: int, one: Variant) -> Variant:
    """`supersedes` is told only of one that came for this: one that was there already has readers of its own."""
    edition_id = connection.execute(sa.select(variant.c.edition).where(variant.c.id == old)).scalar_one()
    same = sa.and_(variant.c.edition == edition_id, variant.c.key == one.key)
    there = connection.execute(sa.select(variant.c.id).where(same)).scalar_one_or_none()
    made = _add_variant(connection, int(edition_id), one)
    if there is None:
        connection.execute(sa.update(variant).where(variant.c.id == made.id).values(supersedes=old))
    if made.id != old:
        connection.execute(sa.update(variant).where(variant.c.id == old).values(superseded_by=made.id))
    return made


def _named_id(connection: Connection, key: str) -> int:
    found = connection.execute(sa.select(edition.c.id).where(*_named(key))).scalar_one_or_none()
    if found is None:
        raise NotFound(f"There is no edition {key!r}; `publisher status` lists the last ones.")
    return int(found)


def _override(connection: Connection, id: int, overrides: Sequence[Override]) -> Edition:
    this = edition.c.id == id
    connection.execute(sa.select(edition.c.id).where(this).with_for_update(key_share=True))
    told = {one.rule: one for one in (*overrides, *_by_id(connection, id).overrides)}  # who said it first stays
    rows_ = [rows.override_row(one) for one in told.values()]
    connection.execute(sa.update(edition).where(this).values(overrides=rows_))
    return _by_id(connection, id)


def _add_letterhead(connection: Connection, id: int, one: Letterhead) -> int:
    this = edition.c.id == id
    connection.execute(sa.select(edition.c.id).where(this).with_for_update(key_share=True))
    there = _by_id(connection, id).letterheads
    if one not in there:
        told = [asdict(letterhead) for letterhead in (*there, one)]
        connection.execute(sa.update(edition).where(this).values(letterheads=told))
    return (*there, one).index(one)
