"""A receipt: an edition's account, made from its ledger, and held against it at any later time.

Every row is in it as part of a SHA-256: of a small table each row by its name, of batches and what belongs to them so
many together that there are at most a few hundred. So one altered row is found, and named or nearly. The receipt itself
is sealed with a key of the site: who can write to the database but has not the key cannot make another.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from publisher.keep.recipe import canonical, digest
from publisher.model import Edition, Item, LedgerRow, Receipt, Sums, Version

#: The form of the document.
FORM = 1
#: Groups of batches in a receipt, at most.
GROUPS = 500
#: What the key of seals is derived for.
PURPOSE = b"receipt"

_PLANNED = ("accepted", "rejected", "skipped", "unknown", "cancelled", "waiting")
#: What a person calls the rows of a table.
_WORDS = {
    "edition": "edition",
    "edition_item": "item (article)",
    "variant": "variant",
    "variant_item": "item of variant",
    "plan_chunk": "chunk of the plan",
    "plan_exclusion": "exclusion",
    "batch": "batch",
    "attempt": "attempt on batch",
    "delivery_exception": "exception of batch",
    "edition_choice": "reasons of edition",
    "revision": "revision (article/number)",
}


def document(
    edition: Edition,
    sums: Sums,
    versions: Sequence[Version],
    rows: Iterable[LedgerRow],
    columns: Mapping[str, Sequence[str]],
    *,
    skips: Mapping[str, int],
    batches: int,
    before: str,
) -> dict[str, Any]:
    """The account of an edition. `skips` are the readers skipped at the last moment by why, `batches` is how many it
    has, `before` the hash of its receipt before this one, or else of the newsletter's newest: so none is taken out
    unseen."""
    each = max(1, -(-batches // GROUPS))
    return {
        "form": FORM,
        "edition": edition.key,
        "state": edition.state.value,
        "reason": edition.reason,
        "subject": edition.subject,
        "due_at": edition.due_at.isoformat(),
        "composed_at": edition.composed_at.isoformat(),
        "finished_at": edition.finished_at.isoformat() if edition.finished_at else None,
        "template_hash": edition.template_hash,
        "approved": {
            "by": edition.approved_by,
            "at": edition.approved_at.isoformat() if edition.approved_at else None,
            "hash": edition.approved_hash,
        },
        "overrides": [{"rule": one.rule, "by": one.by, "at": one.at.isoformat()} for one in edition.overrides],
        "items": [_item(item) for item in edition.items],
        "variants": [{**asdict(one), "items": [_item(item) for item in one.items]} for one in versions],
        "sums": _sums(sums),
        "skipped_because": dict(sorted(skips.items())),
        "columns": {table: list(names) for table, names in columns.items()},
        "batches_in_a_group": each,
        "rows": grouped(rows, each),
        "before": before,
    }


def _item(item: Item) -> dict[str, Any]:
    told = {"article": item.article, "revision": item.revision, "label": item.label.value, "section": item.section}
    return told | {"overrides": dict(item.overrides)}


def _sums(sums: Sums) -> dict[str, Any]:
    numbers = ("candidates", "planned", *_PLANNED)
    return {name: getattr(sums, name) for name in numbers} | {"excluded": dict(sorted(sums.excluded.items()))}


def grouped(rows: Iterable[LedgerRow], each: int) -> dict[str, dict[str, str]]:
    """By table: the SHA-256 of the rows of each group, by its name, without holding the rows."""
    hashes: dict[tuple[str, str], Any] = {}
    for row in rows:
        name = row.name if row.batch < 0 else str(row.batch // each * each)
        hashes.setdefault((row.table, name), sha256()).update(sha256(canonical([row.name, row.values])).digest())
    found: dict[str, dict[str, str]] = {}
    for (table, name), hash in hashes.items():
        found.setdefault(table, {})[name] = hash.hexdigest()
    return found


def told(rows: Iterable[LedgerRow]) -> str:
    """The digest of what events told of letters."""
    hash = sha256()
    for row in rows:
        hash.update(sha256(canonical([row.name, row.values])).digest())
    return hash.hexdigest()


# ---------------------------------------------------------------- sealed


def seal(key: bytes, text: str) -> str:
    """HMAC-SHA256 (RFC 2104), in hexadecimal."""
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def is_sealed(keys: Iterable[bytes], text: str, mac: str) -> bool:
    return any(hmac.compare_digest(seal(key, text), mac) for key in keys)


def told_text(receipt: Receipt, digest: str) -> str:
    """What the seal on events says: of which receipt, and what."""
    return f"{receipt.hash} {digest}"


# ---------------------------------------------------------------- held against the ledger


def problems_of_seal(receipt: Receipt, keys: Sequence[bytes]) -> Iterator[str]:
    if digest(receipt.body.encode()) != receipt.hash or not is_sealed(keys, receipt.body, receipt.seal):
        yield "the receipt itself was altered, or sealed with a key that is not this site's"


def problems(
    told: Mapping[str, Any], sums: Sums, versions: Sequence[Version], rows: Iterable[LedgerRow]
) -> Iterator[str]:
    """What of a receipt's document is not as the store has it now, each in words."""
    yield from unequal(told["sums"])
    now = _sums(sums)
    for name, number in told["sums"].items():
        if now[name] != number:
            yield f"{name}: the receipt says {number}, the ledger adds up to {now[name]}"
    shown = {one.key: one for one in versions}
    for variant in told["variants"]:
        one = shown.get(variant["key"])
        if one is not None and one.readers != variant["readers"]:
            yield f"variant {one.key}: the receipt says {variant['readers']:,} readers, the ledger {one.readers:,}"
    each = told["batches_in_a_group"]
    yield from _differences(told["rows"], grouped(rows, each), each)


def unequal(sums: Mapping[str, Any]) -> Iterator[str]:
    """Candidates are those excluded and those planned; those planned are all that became of them."""
    excluded = sum(sums["excluded"].values())
    if sums["candidates"] != excluded + sums["planned"]:
        yield f"{sums['candidates']:,} candidates are not {excluded:,} excluded and {sums['planned']:,} planned"
    became = sum(sums[name] for name in _PLANNED)
    if sums["planned"] != became:
        yield f"{sums['planned']:,} were planned, and something is known of {became:,}"


def _differences(then: Mapping[str, Any], now: Mapping[str, Mapping[str, str]], each: int) -> Iterator[str]:
    for table in dict.fromkeys([*then, *now]):
        before, after = then.get(table, {}), now.get(table, {})
        for name in dict.fromkeys([*before, *after]):
            if name not in after:
                yield f"{_named(table, name, each)} is gone"
            elif before.get(name) != after[name]:
                yield f"{_named(table, name, each)} was {'altered' if name in before else 'added'}"


def _named(table: str, name: str, each: int) -> str:
    words = _WORDS.get(table, table)
    if table in ("batch", "attempt", "delivery_exception") and each > 1:
        return f"{words} {name} to {int(name) + each - 1}: one"
    return f"{words} {name}"


def parsed(receipt: Receipt) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(receipt.body)
    return told
