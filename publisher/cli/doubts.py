"""Readers of whom nobody can tell whether they were mailed: who they are, and what can be decided about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from publisher.cli import console, shown
from publisher.cli.words import count, when

if TYPE_CHECKING:
    from publisher.model import Doubt, Edition
    from publisher.ports import Parts


def show(parts: Parts, there: Edition, *, json: bool) -> None:
    """All of them by name, each on a line: it is the list that a person decides by."""
    doubts = parts.store.outbox.doubts(there.id)
    if json:
        console.dump({"edition": shown.edition(parts, there), "readers": [_told(one) for one in doubts]})
        return
    console.say(shown.line(parts, there))
    number = 0
    for number, one in enumerate(doubts, start=1):  # noqa: B007
        console.say(_line(one, parts.site.timezone))
    for line in _choices(there, number):
        console.say(line)
    if (others := parts.store.outbox.sums(there.id).unknown - number) > 0:
        console.say(f"Of {count(others, 'other reader')} the answer is still looked for; they need nobody's word yet.")


def _told(one: Doubt) -> dict[str, Any]:
    return {
        "email": one.email,
        "mailer": one.mailer,
        "handed_over_at": one.handed_over_at,
        "since": one.since,
        "reason": one.why,
    }


def _line(one: Doubt, zone: str) -> str:
    who = one.email or "somebody who is gone"
    return f"{when(one.handed_over_at, zone)}  {who}, through {one.mailer}: {one.why}"


def _choices(there: Edition, number: int) -> list[str]:
    """Nobody of a cancelled edition is mailed again."""
    from publisher.model import EditionState

    if not number:
        return ["Nobody of it is held."]
    say = f"  publisher deliver resolve {there.key}"
    again = [f"{say} --resend     mail them again; who was mailed gets it twice"]
    return [
        f"{count(number, 'reader')}: nobody can tell whether they were mailed. They get nothing until you decide.",
        "Look into the mailer's own log, then say of all of them:",
        f"{say} --accepted   they were mailed",
        *(again if there.state is not EditionState.CANCELLED else ()),
    ]
