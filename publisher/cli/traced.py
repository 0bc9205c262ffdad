"""What is known about the mail of one reader, for programs and for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from publisher.cli.words import when

if TYPE_CHECKING:
    from publisher.ports import Parts


def of(parts: Parts, address: str) -> dict[str, Any]:
    """A reader with their subscriptions, why they may not be mailed, and their editions. Raises NotFound."""
    import typer

    from publisher import audience, errors

    try:
        key = audience.address(address)[1]
    except ValueError as error:
        raise typer.BadParameter(f"{address!r}: {error}") from None
    person = parts.store.audience.by_email(key)
    if person is None:
        suppressed = parts.store.audience.suppressed(parts.keys.address(key), "")
        also = f"; it is suppressed: {suppressed}" if suppressed else ""
        raise errors.NotFound(f"no reader has the address {address}{also}")
    return {
        "email": person.email,
        "newsletters": {
            one.newsletter: {
                "status": str(one.status),
                "since": one.changed_at,
                "suppressed": parts.store.audience.suppressed(person.address_key, one.newsletter),
            }
            for one in parts.store.audience.subscriptions(person.id)
        },
        "editions": [asdict(delivery) for delivery in parts.store.outbox.history(person.id)],
    }


def lines(told: dict[str, Any], zone: str) -> Iterator[str]:
    yield str(told["email"])
    for newsletter, one in told["newsletters"].items():
        why = f", suppressed: {one['suppressed']}" if one["suppressed"] else ""
        yield f"  {newsletter}: {one['status']} since {when(one['since'], zone)}{why}"
    if not told["editions"]:
        yield "No edition was planned since they came."
    for edition in told["editions"]:
        yield ""
        yield from _edition(edition, zone)


def _edition(one: dict[str, Any], zone: str) -> Iterator[str]:
    why = f": {one['detail']}" if one["detail"] else ""
    delivered = ", delivered" if one["delivered"] else ""
    yield f"{one['edition']}  {one['outcome']}{delivered}{why}"
    if one["variant"]:
        yield f"  “{one['subject']}”, variant {one['variant'][:12]}, batch {one['batch']} through {one['mailer']}"
    steps = [
        (attempt["at"], _attempt(number, attempt, zone)) for number, attempt in enumerate(one["attempts"], start=1)
    ]
    steps += [(event["at"], f"  {when(event['at'], zone)}  {_event(event)}") for event in one["told"]]
    yield from (text for _, text in sorted(steps))


def _attempt(number: int, one: dict[str, Any], zone: str) -> str:
    became = one["outcome"] or "under way"
    code = f" ({one['code']})" if one["code"] else ""
    return f"  {when(one['at'], zone)}  attempt {number} of the batch through {one['mailer']}: {became}{code}"


def _event(one: dict[str, Any]) -> str:
    return " ".join(part for part in (f"{one['kind']}:", one["code"], one["detail"]) if part).rstrip(":")
