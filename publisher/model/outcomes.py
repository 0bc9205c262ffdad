"""Words: what became of an edition's recipients, as sums and for one reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from publisher.model.delivery import EventKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What became of an edition's recipients: candidates = excluded + planned, and
    planned = accepted + rejected + skipped + unknown + cancelled + waiting."""

    candidates: int = 0
    excluded: Mapping[str, int] = field(default_factory=dict)
    planned: int = 0
    accepted: int = 0
    rejected: int = 0
    skipped: int = 0
    unknown: int = 0
    cancelled: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """How the first wave of an edition fares while the rest waits: its sums (in recipients; candidates are those
    planned), batches that are not in a final state, when the last of the calls it was planned in ended (None while one
    has not), and its letters by what events told."""

    sums: Sums
    open: int
    ended_at: datetime | None
    events: Mapping[EventKind, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A recipient whose letter in a batch (its id) is rejected and has not been tried again, and what was said."""

    batch: int
    subscriber: int
    code: str
    detail: str


class Doubt(NamedTuple):
    """A reader of whom only a person can tell whether they were mailed. `email` is "" when they are gone. Their batch
    was handed to `mailer` at `handed_over_at` last, is in doubt since `since`, and `why` is the reason."""

    subscriber: int
    email: str
    mailer: str
    handed_over_at: datetime | None
    since: datetime | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One hand-over of a batch that held a reader's letter. `outcome` is that of the batch, "" while it lasts."""

    at: datetime
    ended_at: datetime | None
    mailer: str
    outcome: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an event said of a reader's letter."""

    at: datetime
    kind: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What one reader got of one edition (its key), a view: `outcome` in the words of `Sums`, or "excluded" with the
    reason in `detail`; then there is no variant. `variant` is its key, `batch` the key of the batch that holds the
    letter now. `delivered`: a receiving server has it."""

    edition: str
    outcome: str
    detail: str
    variant: str = ""
    subject: str = ""
    mailer: str = ""
    batch: str = ""
    delivered: bool = False
    attempts: tuple[Attempt, ...] = ()
    told: tuple[Told, ...] = ()
