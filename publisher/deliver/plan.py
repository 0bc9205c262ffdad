"""Cut an approved edition into chunks of subscriber ids, and chunks into batches, once each."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from publisher.deliver.choosing import Chooser, next_chunk
from publisher.deliver.waves import Chosen, divided, every
from publisher.errors import Conflict
from publisher.model import Batch, Capability, Edition, EditionState, Newsletter, Run, SubscriptionStatus, Variant
from publisher.ports import Store

Member = TypeVar("Member")

#: When readers of a time zone ("" when it is not known) may be mailed; None for at once.
Leaves = Callable[[str], datetime | None]


def at_once(_zone: str) -> None:
    return None


def plan(
    store: Store,
    edition: Edition,
    newsletter: Newsletter,
    capability: Capability,
    choose: Chooser,
    *,
    chunk: int = 0,
    leaves: Leaves = at_once,
) -> Edition:
    """Plan until every recipient is in exactly one batch, looking at `chunk` subscribers in a transaction (0: as
    many as suit the mailer). `leaves` tells when readers of a time zone may be mailed.

    Any number of planners may do so at once, and any may be killed: cursor, chunk and batches commit together.
    """
    able = replace(capability, batch=min(capability.batch, store.outbox.largest(edition.mailer) or capability.batch))
    step = wave_step(store, edition, newsletter)  # may count all readers, so once and not for each chunk
    while edition.state is EditionState.PLANNING:
        with suppress(Conflict):  # another planner was quicker; its cursor is read below
            _plan_chunk(store, edition, newsletter, able, choose, leaves=leaves, limit=chunk, step=step)
        edition = store.editions.get(edition.key)
    return edition


def _plan_chunk(
    store: Store,
    edition: Edition,
    newsletter: Newsletter,
    capability: Capability,
    choose: Chooser,
    *,
    leaves: Leaves,
    limit: int,
    step: int,
) -> None:
    after, upto = edition.plan_cursor, edition.maximum_subscriber
    seen = store.memory.version(newsletter.slug, but=edition.id)
    chunk = next_chunk(store, newsletter, capability, choose, slot=edition.slot, after=after, upto=upto, limit=limit)
    batches = cut(
        edition,
        newsletter,
        chunk.chosen,
        capability,
        step=step,
        first=store.outbox.next_sequence(edition.id),
        instance=store.instance,
        leaves=leaves,
        zones=chunk.zones,
    )
    with store.transaction() as together:
        together.editions.lock(newsletter.slug)
        if together.memory.version(newsletter.slug, but=edition.id) != seen:
            raise Conflict(f"another edition of {newsletter.slug} was planned at the same time; choose again")
        together.outbox.plan(
            edition, upto=chunk.upto, batches=batches, excluded=chunk.excluded, finished=chunk.finished
        )


def wave_step(store: Store, edition: Edition, newsletter: Newsletter) -> int:
    """The first wave is one in so many recipients; 0 for no such wave."""
    if not newsletter.first_wave.recipients:
        return 0
    readers = store.audience.count(newsletter.slug, newsletter.readership(edition.slot))
    return every(newsletter.first_wave, edition, readers.get(SubscriptionStatus.CONFIRMED, 0))


def cut(
    edition: Edition,
    newsletter: Newsletter,
    chosen: Chosen,
    capability: Capability,
    *,
    step: int,
    first: int,
    instance: str,
    leaves: Leaves = at_once,
    zones: Mapping[int, str] | None = None,
) -> tuple[Batch, ...]:
    """Batches of at most what one call takes, numbered from `first`, each with its derived key. A batch has several
    variants only where a call carries whole messages, and never recipients of two waves, or who are mailed at different
    times."""
    calls = (
        (wave, moment, runs)
        for wave, part in enumerate(divided(chosen, edition, step))
        for moment, together in _by_moment(part, leaves, zones or {})
        for runs in _calls(together, capability)
    )
    return tuple(
        Batch(
            edition=edition.id,
            sequence=sequence,
            chunk=edition.plan_cursor,
            runs=tuple(Run(variant=variant.id, subscribers=members) for variant, members in runs),
            wave=wave,
            not_before=moment,
            priority=edition.priority,
            mailer=edition.mailer,
            key=batch_key(instance, newsletter, edition, sequence, [variant.content_hash for variant, _ in runs]),
        )
        for sequence, (wave, moment, runs) in enumerate(calls, start=first)
    )


def _by_moment(chosen: Chosen, leaves: Leaves, zones: Mapping[int, str]) -> Iterator[tuple[datetime | None, Chosen]]:
    """Recipients by when they may be mailed, those of now first."""
    if not zones:
        yield leaves(""), chosen
        return
    found: dict[datetime | None, list[tuple[int, Variant]]] = defaultdict(list)
    for one in chosen:
        found[leaves(zones[one[0]])].append(one)
    if None in found:
        yield None, found.pop(None)
    yield from sorted((moment, together) for moment, together in found.items() if moment)


#: What one call carries: each variant with its subscribers, ascending.
Runs = list[tuple[Variant, tuple[int, ...]]]


def _calls(chosen: Chosen, capability: Capability) -> Iterator[Runs]:
    if not capability.shared_body:
        yield from (list(by_variant(part)) for part in _slices(chosen, capability.batch))
        return
    for variant, members in by_variant(chosen):
        yield from ([(variant, tuple(part))] for part in _slices(members, capability.batch))


def by_variant(chosen: Chosen) -> Iterator[tuple[Variant, tuple[int, ...]]]:
    """The variants in the order in which they are first met."""
    found: dict[int, list[int]] = defaultdict(list)
    variants: dict[int, Variant] = {}
    for subscriber, variant in chosen:
        members = found[variant.id]
        if not members:
            variants[variant.id] = variant
        members.append(subscriber)
    yield from ((variants[id], tuple(members)) for id, members in found.items())


def _slices(members: Sequence[Member], size: int) -> Iterator[Sequence[Member]]:
    return (members[start : start + size] for start in range(0, len(members), size))


def batch_key(instance: str, newsletter: Newsletter, edition: Edition, sequence: int, bodies: Sequence[str]) -> str:
    """The idempotency key: derived from what is sent (`bodies` are the content hashes of the batch's variants, in
    order), never from a number of the database's own, so that it is the same after a fail-over and never the same for
    another edition."""
    parts = (newsletter.origin, edition.slot, str(edition.plan_generation), str(sequence), *bodies)
    return str(uuid.uuid5(uuid.UUID(instance), "\n".join(parts)))
