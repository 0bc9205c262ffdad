"""The story, when an edition is over: its receipt, and holding it against the ledger."""

from __future__ import annotations

from typing import Any

from publisher import errors, keep
from publisher.model import Edition, EditionState, Receipt, Variant
from publisher.pipeline.keeping import recipe_of
from publisher.ports import Parts

#: Receipts made in one go; the rest follows with the next sweep.
AT_ONCE = 20


def account(parts: Parts) -> int:
    """Make the receipts of editions that are over, and seal what events told since. How many were made."""
    kept, made = parts.store.kept, 0
    for id in kept.due_receipts(AT_ONCE):
        made += kept.add_receipt(_made(parts, parts.store.editions.by_id(id)))
    for id in kept.to_be_told(AT_ONCE):
        _seal_told(parts, id)
    return made


def _made(parts: Parts, edition: Edition) -> Receipt:
    last = parts.store.kept.receipt(edition.id)
    before = last.hash if last else parts.store.kept.newest_receipt(edition.newsletter)
    body = keep.canonical(document(parts, edition, before=before)).decode("ascii")
    return Receipt(
        edition=edition.id,
        number=last.number + 1 if last else 1,
        body=body,
        hash=keep.digest(body.encode()),
        seal=keep.seal(_keys(parts)[0], body),
        made_at=parts.clock.now(),
        finished_at=edition.finished_at,
    )


def document(parts: Parts, edition: Edition, *, before: str = "") -> dict[str, Any]:
    """The account of an edition as it stands."""
    store, columns = parts.store, parts.store.kept.columns()
    return keep.document(
        edition,
        store.outbox.sums(edition.id),
        store.kept.versions(edition.id),
        store.kept.ledger(edition.id, columns),
        columns,
        skips=store.outbox.skips(edition.id),
        batches=store.outbox.next_sequence(edition.id),
        before=before,
    )


def _seal_told(parts: Parts, id: int) -> None:
    """What is told while this reads is counted again, and sealed the next time."""
    kept = parts.store.kept
    telling, receipt = kept.telling(id), kept.receipt(id)
    if receipt is not None:
        told = keep.told(kept.told(id))
        seal = keep.seal(_keys(parts)[0], keep.told_text(receipt, told))
        kept.seal_told(id, told=told, seal=seal, telling=telling)


def _keys(parts: Parts) -> tuple[bytes, ...]:
    return parts.keys.derived(keep.PURPOSE)


# ---------------------------------------------------------------- shown and verified


def receipt(parts: Parts, key: str) -> tuple[Edition, Receipt | None, dict[str, Any]]:
    """An edition, its last receipt, and what that says; what it would say now while there is none. Raises NotFound."""
    edition = parts.store.editions.get(key)
    there = parts.store.kept.receipt(edition.id)
    return edition, there, keep.parsed(there) if there else document(parts, edition)


def verify(parts: Parts, key: str) -> tuple[str, ...]:
    """What is not as the edition's receipt says, each in words; nothing when all is. Raises NotFound, also for an
    edition without a receipt."""
    try:
        return _verified(parts, key)
    except (ValueError, TypeError, LookupError) as error:  # what no Publisher writes
        return (f"a row of it cannot be read any more, so it was altered: {error}",)


def _verified(parts: Parts, key: str) -> tuple[str, ...]:
    edition = parts.store.editions.get(key)
    there = parts.store.kept.receipt(edition.id)
    if there is None:
        over = edition.state in (EditionState.DONE, EditionState.CANCELLED)
        when = "with the next sweep of `publisher run`" if over else "when it is over"
        raise errors.NotFound(f"{key} has no receipt: it is {edition.state}, and gets one {when}", edition=key)
    if forged := tuple(keep.problems_of_seal(there, _keys(parts))):
        return forged
    if edition.state not in (EditionState.DONE, EditionState.CANCELLED):
        return (f"it is {edition.state}: it went on after its receipt was made, and gets another when it is over",)
    said = keep.parsed(there)
    if said["edition"].partition("/")[2] != edition.slot:
        return (f"this is the receipt of {said['edition']}",)
    rows = parts.store.kept.ledger(edition.id, said["columns"])
    sums, versions = parts.store.outbox.sums(edition.id), parts.store.kept.versions(edition.id)
    found = [*keep.problems(said, sums, versions, rows), *_of_events(parts, there), *_of_recipes(parts, edition)]
    if said["before"] and not parts.store.kept.has_receipt(said["before"]):
        found.append(f"the receipt that was made before this one ({said['before'][:12]}) was taken out or altered")
    return tuple(found)


def _of_events(parts: Parts, receipt: Receipt) -> list[str]:
    """Events may have told more since the seal; that is sealed within the next sweep."""
    if receipt.telling:
        return []
    now = keep.told(parts.store.kept.told(receipt.edition))
    sealed = keep.is_sealed(_keys(parts), keep.told_text(receipt, receipt.told), receipt.told_seal)
    return [] if sealed and now == receipt.told else ["what events told of single letters was altered"]


def _of_recipes(parts: Parts, edition: Edition) -> list[str]:
    found = []
    for variant in parts.store.editions.variants(edition.id):
        if variant.recipe and (why := _unreadable(parts, variant)):
            found.append(f"variant {variant.key}: {why}")
    return found


def _unreadable(parts: Parts, variant: Variant) -> str:
    try:
        recipe_of(parts, variant)
    except errors.PublisherError as error:
        return str(error)
    return ""
