"""What readers were to be told, and were not: it is told by the next edition, to exactly them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from publisher import editions, pipeline
from publisher.model import EditionState, Outcome, Prepared, Result, Slot
from tests.pipeline.world import World

FULL, UNKNOWN_USER = "552 5.2.2 mailbox full", "550 5.1.1 no such user"


def refuses(world: World, monkeypatch: pytest.MonkeyPatch, **answers: str) -> None:
    """From now on the mailer refuses the letters to these readers with these words."""
    mailer = world.app.parts.mailers["maildir"]
    submit = type(mailer).submit

    def some(prepared: Prepared) -> tuple[Result, ...]:
        said = {letter.position: answers.get(letter.email.partition("@")[0], "") for letter in prepared.letters}
        kept = replace(
            prepared,
            letters=tuple(letter for letter in prepared.letters if not said[letter.position]),
            payloads=[
                payload
                for payload, letter in zip(prepared.payloads, prepared.letters, strict=True)
                if not said[letter.position]
            ],
        )
        refused = [
            Result(position=at, outcome=Outcome.REJECTED, code=words.partition(" ")[0], detail=words)
            for at, words in said.items()
            if words
        ]
        accepted = submit(mailer, kept) if kept.letters else ()
        return (*accepted, *(one._replace(code=said[one.position].rpartition(" ")[0]) for one in refused))

    monkeypatch.setattr(mailer, "submit", some)


def planned(world: World, slot: str, **capability: Any) -> str:
    parts = world.app.parts
    mailer = parts.mailers["maildir"]
    mailer.capability = replace(mailer.capability, **capability)  # type: ignore[misc]
    made = pipeline.compose_slot(parts, world.newsletter, Slot(name=slot, due_at=world.clock.now()), by_hand=True)
    return pipeline.plan(parts, made.key).key


def hand_over_one(world: World) -> None:
    """One batch of one letter leaves, and the others wait."""
    outbox, now = world.app.parts.store.outbox, world.clock.now()
    held = outbox.claim("maildir", "worker", now=now, lease=world.newsletter.late)
    assert held
    sent = outbox.intend(held, now=now, payload_hash="x", skipped=frozenset())
    assert sent
    assert outbox.settle(sent, [Result(position=0, outcome=Outcome.ACCEPTED)], now=now, next_at=now)


def cancel(world: World, key: str) -> int:
    return editions.cancel(world.app.parts.store, key, "Aoife Brennan", now=world.clock.now())[1]


# ---------------------------------------------------------------- corrections and retractions


def test_a_correction_is_owed_until_it_is_accepted_for_the_reader(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.readers(ann="", ben="")
    world.publish("Storm")
    assert world.daily() == {"ann": ["Storm"], "ben": ["Storm"]}
    pipeline.correct(world.app.parts, world.article("Storm"), "It was Friday, not Thursday.")

    with monkeypatch.context() as while_full:
        refuses(world, while_full, ann=FULL)
        assert world.daily() == {"ben": ["correction: Storm"]}
        world.publish("Flood")
        assert world.daily() == {"ben": ["Flood"]}
    assert world.daily() == {"ann": ["correction: Storm"]}, "and to nobody else"
    assert world.daily() == {}
    for day in (23, 24, 25):
        assert pipeline.verify_receipt(world.app.parts, f"daily/daily:2026-11-{day}") == ()


def test_a_retraction_that_was_cancelled_for_some_is_told_to_them_by_the_next_edition(world: World) -> None:
    world.readers(ann="", ben="", cleo="")
    world.publish("Storm")
    world.daily()
    pipeline.retract(world.app.parts, world.article("Storm"), "It was a drill.", "Aoife Brennan")
    key = planned(world, "daily:2026-11-23", batch=1)
    hand_over_one(world)
    assert cancel(world, key) == 2
    world.clock.move(days=1)

    assert world.daily() == {"ben": ["retraction: Storm"], "cleo": ["retraction: Storm"]}
    assert world.daily() == {}


def test_who_cannot_be_reached_at_all_is_owed_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.readers(ann="", ben="")
    world.publish("Storm")
    world.daily()
    pipeline.correct(world.app.parts, world.article("Storm"), "It was Friday, not Thursday.")
    refuses(world, monkeypatch, ann=UNKNOWN_USER)
    assert world.daily() == {"ben": ["correction: Storm"]}
    world.daily()
    assert world.app.parts.store.editions.get("daily/daily:2026-11-24").state is EditionState.SKIPPED


# ---------------------------------------------------------------- a cancelled alert


def test_who_was_to_get_a_story_by_an_alert_that_is_cancelled_gets_it_by_the_next_digest(world: World) -> None:
    world.readers(ann="", quiet={"alerts": False})
    world.publish("Storm")
    alert = planned(world, "alert:1:1")
    world.publish("Flood")
    key = planned(world, "daily:2026-11-22")  # it leaves the storm to the alert
    assert cancel(world, alert) == 1
    pipeline.deliver(world.app.parts, "maildir")
    assert world.mail() == {"ann": ["Flood"], "quiet": ["Flood", "Storm"]}
    assert pipeline.verify_receipt(world.app.parts, key) == ()
    world.clock.move(days=1)

    assert world.daily() == {"ann": ["Storm"]}, "though there is nothing new for anybody else"
    assert world.daily() == {}


def test_who_had_the_alert_before_it_was_cancelled_is_not_sent_the_story_again(world: World) -> None:
    world.readers(ann="", ben="")
    world.publish("Storm")
    alert = planned(world, "alert:1:1", batch=1)
    hand_over_one(world)
    assert cancel(world, alert) == 1

    assert world.daily() == {"ben": ["Storm"]}, "no digest left it out, so this one has it"
    assert world.daily() == {}
