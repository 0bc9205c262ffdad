"""Cut an approved edition into chunks of subscriber ids, and chunks into batches, once each."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from publisher.deliver.rules import exclusion
from publisher.errors import Conflict
from publisher.model import Batch, Candidate, Capability, Edition, EditionState, Newsletter, Run, Variant
from publisher.ports import Store

#: Subscribers looked at in one transaction.
CHUNK = 20_000


def plan(
    store: Store,
    edition: Edition,
    newsletter: Newsletter,
    capability: Capability,
    variant: Variant,
    *,
    chunk: int = CHUNK,
) -> Edition:
    """Plan until every recipient is in exactly one batch, looking at `chunk` subscribers in a transaction.

    Any number of planners may do so at once, and any may be killed: cursor, chunk and batches commit together.
    """
    while edition.state is EditionState.PLANNING:
        with suppress(Conflict):  # another planner was quicker; its cursor is read below
            _plan_chunk(store, edition, newsletter, capability, variant, chunk=chunk)
        edition = store.editions.get(edition.key)
    return edition


def _plan_chunk(
    store: Store,
    edition: Edition,
    newsletter: Newsletter,
    capability: Capability,
    variant: Variant,
    *,
    chunk: int,
) -> None:
    people = store.audience.candidates(
        newsletter.slug, after=edition.plan_cursor, upto=edition.maximum_subscriber, limit=chunk
    )
    finished = len(people) < chunk
    excluded, included = divide(people)
    store.outbox.plan(
        edition,
        upto=edition.maximum_subscriber if finished else people[-1].subscriber,
        batches=cut(
            edition,
            newsletter,
            included,
            variant,
            size=capability.batch,
            first=store.outbox.next_sequence(edition.id),
            instance=store.instance,
        ),
        excluded=excluded,
        finished=finished,
    )


def divide(people: Sequence[Candidate]) -> tuple[Mapping[str, list[int]], list[int]]:
    """Those left out, by reason, and those who get the edition, each ascending."""
    excluded: dict[str, list[int]] = defaultdict(list)
    included: list[int] = []
    for person in people:
        reason = exclusion(person)
        (excluded[reason] if reason else included).append(person.subscriber)
    return excluded, included


def cut(
    edition: Edition,
    newsletter: Newsletter,
    subscribers: Sequence[int],
    variant: Variant,
    *,
    size: int,
    first: int,
    instance: str,
) -> tuple[Batch, ...]:
    """Batches of at most `size`, numbered from `first`, each with its derived key."""
    return tuple(
        Batch(
            edition=edition.id,
            sequence=sequence,
            chunk=edition.plan_cursor,
            runs=(Run(variant=variant.id, subscribers=tuple(members)),),
            priority=edition.priority,
            mailer=edition.mailer,
            key=batch_key(instance, newsletter, edition, sequence, variant.content_hash),
        )
        for sequence, members in enumerate(_slices(subscribers, size), start=first)
    )


def _slices(ids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))


def batch_key(instance: str, newsletter: Newsletter, edition: Edition, sequence: int, body_hash: str) -> str:
    """The idempotency key: derived from what is sent, never from a number of the database's own, so that it
    is the same after a fail-over and never the same for another edition."""
    parts = (newsletter.origin, edition.slot, str(edition.plan_generation), str(sequence), body_hash)
    return str(uuid.uuid5(uuid.UUID(instance), "\n".join(parts)))
