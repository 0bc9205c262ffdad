"""Letters that were rejected for reasons that may have passed, once more to exactly those readers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from publisher.deliver.rules import exclusion
from publisher.errors import Conflict
from publisher.model import Candidate, EditionState, Rejection
from publisher.ports import Store

#: States of an edition in which a rejected letter may be tried again.
_MAY = (EditionState.SENDING, EditionState.SETTLING, EditionState.PAUSED, EditionState.DONE)

_ENHANCED = re.compile(r"\b[45]\.(\d{1,3})\.(\d{1,3})\b")
_BASIC = re.compile(r"421|45[0-2]|552")
_WORDS = re.compile(r"mailbox (?:is )?full|quota|insufficient storage|rate limit|too many", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """How many readers are tried again, and how many are not, by reason."""

    again: int
    left: Mapping[str, int]


def retry(store: Store, key: str, *, now: datetime) -> Retried:
    """Try those again whose rejection may have passed, each once however often this is called before that has come
    to something. Raises NotFound, or Conflict when the edition has not been sent or is cancelled."""
    with store.transaction() as together:
        edition = together.editions.get(key)
        if edition.state not in _MAY:
            raise Conflict(f"{key} is {edition.state}: nobody of it can be mailed again", edition=key)
        rejected = together.outbox.rejections(edition.id)
        people = together.audience.recipients(edition.newsletter, [one.subscriber for one in rejected])
        reasons = [_stays(one, people.get(one.subscriber)) for one in rejected]
        wanted = [one for one, reason in zip(rejected, reasons, strict=True) if not reason]
        again = together.outbox.retry(wanted, now=now)
        # Locked only now, after its batches: somebody may be finishing it at this moment.
        if again and together.editions.locked(edition.id).state is EditionState.DONE:
            together.editions.move(key, (EditionState.DONE,), EditionState.SENDING, finished_at=None)
    return Retried(again=again, left=Counter(filter(None, reasons)))


def _stays(rejection: Rejection, reader: Candidate | None) -> str:
    """Why a letter stays rejected, or ""."""
    if reader is None:
        return "erased"
    if not may_have_passed(rejection.code, rejection.detail):
        return "refused for good"
    return exclusion(reader)


def may_have_passed(code: str, detail: str) -> bool:
    """Whether what a letter was rejected for may be over by now: it was given up, the mailbox was full (RFC 3463,
    X.2.2), their system or the way there had trouble (X.3, X.4), or they did not want us as a sender (X.7). Not an
    address that does not exist, as also 5.4.1 says of Exchange Online, nor a message that is too large (5.3.4)."""
    if code == "gave up":
        return True
    if found := _ENHANCED.search(code):
        subject, what = int(found[1]), int(found[2])
        return (subject, what) == (2, 2) or (subject in (3, 4, 7) and (subject, what) not in ((3, 4), (4, 1)))
    return bool(_BASIC.fullmatch(code.strip())) or bool(_WORDS.search(detail))
