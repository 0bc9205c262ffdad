"""What may happen to a batch, decided purely."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from publisher.model import (
    Batch,
    BatchState,
    Candidate,
    Capability,
    Letter,
    MailEvent,
    Outcome,
    Result,
    Site,
    Standing,
    SubscriptionStatus,
)

#: A recipient whom the mailer has put off this often is given up, and listed as rejected: six attempts in the first
#: hour and one an hour then (`backoff`) make two days. Only what it says about recipients counts: a mailer that takes
#: nothing at all, for however long, loses nobody.
ATTEMPTS = 54
#: Why somebody is not mailed again: a look-up had found nothing of a letter that an event told of later.
ARRIVED = "it had arrived: an event told of it later"


def refuses(site: Site, capability: Capability) -> str:
    """Why mail through such a mailer must not leave, or "".

    Mail to people carries a link to leave (RFC 8058 section 3.1 asks for https), so it must work for them.
    """
    if not capability.external:
        return ""
    parts = urlsplit(site.public_url)
    if not site.public_url:
        return "site.public_url is missing: readers could not unsubscribe; set it to the https address of this server"
    if parts.scheme != "https":
        return f"site.public_url is {site.public_url!r}: one-click unsubscribe needs an https address"
    if _is_loopback(parts.hostname or ""):
        return f"site.public_url is {site.public_url!r}: readers cannot reach this machine under that name"
    return ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def exclusion(one: Candidate | Standing) -> str:
    """Why a subscriber gets no edition, or ""."""
    if one.status is SubscriptionStatus.CONFIRMED:
        return f"suppressed: {one.suppressed}" if one.suppressed else ""
    if one.status is SubscriptionStatus.PENDING:
        return "not confirmed"
    return "unsubscribed"


def skips(
    batch: Batch, people: Mapping[int, Candidate], withdrawn: Mapping[int, str], arrived: Collection[int] = ()
) -> Mapping[int, str]:
    """Positions that must not be mailed, each with the reason. `withdrawn` are variants of which nothing may be shown
    any more, and why; `arrived` whose letter came after all, from a batch that this one was split from. For a batch of
    which nothing can have left: after a first intent the payload never changes."""
    reasons = (
        (position, exclusion(person) if (person := people.get(subscriber)) else "erased", variant)
        for position, (subscriber, variant) in enumerate(batch.members)
    )
    found = {at: why for at, reason, variant in reasons if (why := reason or withdrawn.get(variant, ""))}
    return dict.fromkeys(arrived, ARRIVED) | found


def may_repeat(batch: Batch, capability: Capability, now: datetime) -> bool:
    """Whether handing the same bytes over again cannot give anybody a second message. A key protects only a
    batch that was handed over under it: what became unknown inside another batch has a key nobody has seen."""
    if batch.state is not BatchState.RESOLVING or capability.deduplicates:
        return True
    if not capability.key_lifetime:  # said apart: to a clock that was set back the first time lies ahead
        return False
    first = batch.first_intent_at
    return first is not None and bool(batch.payload_hash) and now - first < capability.key_lifetime


def backoff(attempt: int) -> timedelta:
    """How long to wait after that many attempts: half a minute, doubling, at most an hour."""
    return min(timedelta(seconds=30 << min(attempt, 10)), timedelta(hours=1))


def takes_nothing(results: tuple[Result, ...]) -> bool:
    """Whether an answer is about the mailer alone: every letter is put off, and none for a reason of its own."""
    return all(result.outcome is Outcome.DEFERRED and result.shared for result in results)


def throttles(results: tuple[Result, ...]) -> bool:
    """Whether the mailer took some letters, and said of a quarter or more that these were too many. Fewer are what two
    clocks make of one second."""
    put_off = sum(result.shared and bool(result.code) for result in results)
    return 4 * put_off >= len(results) > put_off > 0 and any(result.outcome is Outcome.ACCEPTED for result in results)


def give_up(batch: Batch) -> tuple[Result, ...]:
    detail = f"given up after {batch.deferrals} attempts: {batch.last_error}"
    return tuple(
        Result(position=position, outcome=Outcome.REJECTED, code="gave up", detail=detail)
        for position in range(batch.size)
        if position not in batch.skipped
    )


def halves(results_for: tuple[int, ...], detail: str) -> tuple[Result, ...]:
    """A call refused as a whole: two halves are tried apart, until the culprit stands alone."""
    if len(results_for) == 1:
        return (Result(position=results_for[0], outcome=Outcome.REJECTED, code="refused", detail=detail),)
    middle = len(results_for) // 2
    return tuple(
        Result(position=position, outcome=Outcome.DEFERRED, group=int(index >= middle), detail=detail, shared=True)
        for index, position in enumerate(results_for)
    )


def refusals(
    batch: Batch, letters: Sequence[Letter], results: Sequence[Result], now: datetime
) -> tuple[MailEvent, ...]:
    """What the answers of receiving servers say of readers, as events like those that are told later."""
    to = {letter.position: letter.email for letter in letters}
    return tuple(
        MailEvent(
            event_id=f"{batch.key}/{result.position}/rejected",
            kind=result.kind,
            at=now,
            recipient=to.get(result.position, ""),
            batch=batch.key,
            position=result.position,
            code=result.code,
            detail=result.detail,
        )
        for result in results
        if result.outcome is Outcome.REJECTED and result.kind
    )


def without(batch: Batch, faults: Mapping[int, str]) -> tuple[Result, ...]:
    """A batch whose letters cannot be made: the ones at fault are refused and the others put off. When all are at
    fault it is hardly the readers', so all are put off."""
    shared = all(faults.values())
    return tuple(
        Result(position=position, outcome=Outcome.REJECTED, code="cannot be made", detail=faults[position])
        if faults.get(position) and not shared
        else Result(position=position, outcome=Outcome.DEFERRED, detail=faults.get(position, ""))
        for position in range(batch.size)
    )
