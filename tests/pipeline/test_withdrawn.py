"""Readers whose only story is withdrawn while their edition is being sent: it never leaves after that is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from publisher import pipeline
from publisher.errors import OutcomeUnknown, TryLater
from publisher.model import Article, Edition, EditionState, Prepared, Result, Slot
from tests.pipeline.world import World

SLOT, KEY = "daily:2026-11-22", "daily/daily:2026-11-22"
GONE = "“Storm” is not published any more"
READERS = {"all": "", "news": "category:news", "sport": "category:sport"}


def planned(world: World, slot: str = SLOT, **capability: Any) -> Edition:
    """A storm for who follows the news, a regatta for who follows sport; all of it planned, and nothing handed over."""
    parts = world.app.parts
    mailer = parts.mailers["maildir"]
    mailer.capability = replace(mailer.capability, **capability)  # type: ignore[misc]
    if not world.stories:
        world.readers(**READERS)
        lists(world, "Storm", "Regatta")
    there = Slot(name=slot, due_at=world.clock.now())
    made = pipeline.compose_slot(parts, world.newsletter, there, by_hand=True)
    return pipeline.plan(parts, made.key)


def lists(world: World, *titles: str) -> None:
    """What the source has now, in a complete list."""
    about = {"Storm": ("News",), "Regatta": ("Sport",)}
    for title in titles:
        if title not in world.stories:
            world.publish(title, categories=about[title])
    world.newsroom.lists("newsroom", *(world.stories[title] for title in titles))


def retract(world: World, title: str = "Storm") -> Article:
    return pipeline.retract(world.app.parts, world.article(title), "It was a drill.", "Aoife Brennan")


def deliver(world: World) -> dict[str, list[str]]:
    """Hand over what is due, and read the mail that came of it."""
    pipeline.deliver(world.app.parts, "maildir")
    return world.mail()


def sums(world: World) -> Mapping[str, int]:
    """The edition's, which always add up."""
    store = world.app.parts.store
    found = store.outbox.sums(store.editions.get(KEY).id)
    names = ("accepted", "rejected", "skipped", "unknown", "cancelled", "waiting")
    told = {name: getattr(found, name) for name in names}
    assert found.planned == sum(told.values())
    return {name: number for name, number in told.items() if number}


def became(world: World, name: str) -> tuple[str, str]:
    person = world.app.parts.store.audience.by_email(f"{name}@reader.example")
    assert person
    [one] = [one for one in world.app.parts.store.outbox.history(person.id) if one.edition == KEY]
    return one.outcome, one.detail


# ---------------------------------------------------------------- left out


def test_who_would_get_nothing_else_is_skipped_and_the_edition_goes_on(world: World) -> None:
    edition = planned(world)
    retract(world)
    pipeline.sweep(world.app.parts)
    assert deliver(world) == {"all": ["Regatta"], "sport": ["Regatta"]}, "one call held all three"

    parts = world.app.parts
    done = parts.store.editions.get(KEY)
    assert (done.state, sums(world)) == (EditionState.DONE, {"accepted": 2, "skipped": 1})
    assert became(world, "news") == ("skipped", GONE)
    assert became(world, "sport") == ("accepted", "")
    rules = {one.article: (one.included, one.rule) for one in parts.store.decisions.of_edition(edition.id)}
    assert rules[world.article("Storm").id] == (False, "not published any more while it was sent")
    _, sealed, said = pipeline.receipt(parts, KEY)
    assert sealed is not None
    assert said["skipped_because"] == {GONE: 1}
    assert pipeline.verify_receipt(parts, KEY) == ()
    world.app.parts.store.editions.withdraw(edition.id, {})
    assert pipeline.verify_receipt(parts, KEY) != (), "the mark is vouched for"


def test_where_a_call_carries_one_body_it_is_not_made(plain: World) -> None:
    planned(plain, shared_body=True)
    assert len(plain.app.parts.store.outbox.batches(plain.app.parts.store.editions.get(KEY).id)) == 3
    retract(plain)
    pipeline.sweep(plain.app.parts)
    assert deliver(plain) == {"all": ["Regatta"], "sport": ["Regatta"]}
    assert sums(plain) == {"accepted": 2, "skipped": 1}


def test_what_its_source_took_down_is_withdrawn_until_the_source_has_it_again(plain: World) -> None:
    planned(plain)
    lists(plain, "Regatta")
    plain.clock.move(minutes=10)
    pipeline.sweep(plain.app.parts)
    plain.clock.move(seconds=30)
    pipeline.sweep(plain.app.parts)
    edition = plain.app.parts.store.editions.get(KEY)
    assert list(plain.app.parts.store.editions.withdrawn(edition.id).values()) == [GONE], "also between two looks"
    assert deliver(plain) == {"all": ["Regatta"], "sport": ["Regatta"]}


def test_a_source_that_is_down_says_neither_that_it_is_gone_nor_that_it_is_back(plain: World) -> None:
    planned(plain)
    lists(plain, "Regatta")
    plain.clock.move(minutes=10)
    pipeline.sweep(plain.app.parts)
    plain.newsroom.answers["newsroom"] = TryLater("it is down")
    plain.clock.move(minutes=10)
    pipeline.sweep(plain.app.parts)
    assert "news" not in deliver(plain)


def test_with_hold_an_editor_is_asked_and_the_story_does_not_leave_either(tmp_path: Path, store_url: str) -> None:
    world = World(tmp_path / "site", store=store_url, when_unpublished="hold")
    edition = planned(world)
    retract(world)
    pipeline.sweep(world.app.parts)
    paused = world.app.parts.store.editions.get(KEY)
    assert (paused.state, paused.reason) == (EditionState.PAUSED, GONE)
    assert deliver(world) == {}
    pipeline.resume(world.app.parts, KEY)
    pipeline.sweep(world.app.parts)
    assert world.app.parts.store.editions.get(KEY).state is EditionState.SENDING, "it is asked once"
    assert deliver(world) == {"all": ["Regatta"], "sport": ["Regatta"]}
    assert world.app.parts.store.outbox.skips(edition.id) == {GONE: 1}
    world.app.close()


def test_where_what_is_left_would_arrive_broken_an_editor_is_asked_and_the_story_does_not_leave(plain: World) -> None:
    planned(plain)
    retract(plain)
    plain.publish("Regatta", categories=("Sport",), content_html="<p>Lorem ipsum dolor sit amet, consectetur.</p>")
    pipeline.sweep(plain.app.parts)
    paused = plain.app.parts.store.editions.get(KEY)
    assert (paused.state, "would arrive broken" in paused.reason) == (EditionState.PAUSED, True)
    assert deliver(plain) == {}
    pipeline.resume(plain.app.parts, KEY)
    pipeline.sweep(plain.app.parts)
    assert deliver(plain) == {"all": ["Regatta"], "sport": ["Regatta"]}
    assert sums(plain) == {"accepted": 2, "skipped": 1}


# ---------------------------------------------------------------- and back


def test_what_is_published_again_before_their_turn_reaches_them(world: World) -> None:
    edition = planned(world)
    gone = retract(world)
    pipeline.sweep(world.app.parts)
    assert sum(world.app.parts.store.editions.shares(edition.id).values()) == 2
    pipeline.restore(world.app.parts, gone, "Aoife Brennan")
    pipeline.sweep(world.app.parts)
    mail = deliver(world)
    assert (mail["news"], mail["sport"]) == (["Storm"], ["Regatta"])
    assert sums(world) == {"accepted": 3}
    rules = {one.article: one.rule for one in world.app.parts.store.decisions.of_edition(edition.id)}
    assert rules[gone.id] == "published again while it was sent"


def test_the_source_is_asked_when_an_editor_lets_the_edition_go_on(tmp_path: Path) -> None:
    world = World(tmp_path, when_unpublished="hold")
    planned(world)
    lists(world, "Regatta")
    world.clock.move(minutes=10)
    pipeline.sweep(world.app.parts)
    assert world.app.parts.store.editions.get(KEY).state is EditionState.PAUSED
    lists(world, "Storm", "Regatta")  # it was taken down by mistake
    pipeline.resume(world.app.parts, KEY)
    assert deliver(world)["news"] == ["Storm"]
    world.app.close()


def test_what_goes_and_comes_and_goes_again_does_not_leave(plain: World) -> None:
    planned(plain)
    gone = retract(plain)
    pipeline.sweep(plain.app.parts)
    pipeline.restore(plain.app.parts, gone, "Aoife Brennan")
    pipeline.sweep(plain.app.parts)
    retract(plain)
    pipeline.sweep(plain.app.parts)
    assert "news" not in deliver(plain)


def test_what_is_published_again_later_is_news_to_whoever_was_not_sent_it(plain: World) -> None:
    """Also to who got the rest of it without this story."""
    planned(plain)
    gone = retract(plain)
    pipeline.sweep(plain.app.parts)
    deliver(plain)
    plain.clock.move(days=1)
    pipeline.restore(plain.app.parts, gone, "Aoife Brennan")
    assert plain.daily() == {"all": ["Storm"], "news": ["Storm"]}
    assert plain.daily() == {}


def test_who_was_skipped_was_not_sent_the_story(plain: World) -> None:
    planned(plain)
    gone = retract(plain)
    pipeline.sweep(plain.app.parts)
    deliver(plain)
    restored = pipeline.restore(plain.app.parts, gone, "Aoife Brennan")
    plain.edition(pipeline.urgent(plain.app.parts, restored).name)
    assert plain.mail() == {"all": ["Storm"], "news": ["Storm"]}


# ---------------------------------------------------------------- in a worker's hands


def test_a_batch_that_was_put_off_leaves_without_it_too(plain: World, monkeypatch: pytest.MonkeyPatch) -> None:
    planned(plain)
    says_first(plain, monkeypatch, TryLater("too many requests", retry_after=timedelta(minutes=1)))
    assert deliver(plain) == {}
    retract(plain)
    pipeline.sweep(plain.app.parts)
    plain.clock.move(minutes=2)
    assert deliver(plain) == {"all": ["Regatta"], "sport": ["Regatta"]}


def test_what_may_have_left_keeps_its_bytes(plain: World, monkeypatch: pytest.MonkeyPatch) -> None:
    edition = planned(plain)
    says_first(plain, monkeypatch, OutcomeUnknown("no answer"))
    assert deliver(plain) == {}
    (before,) = plain.app.parts.store.outbox.batches(edition.id)
    retract(plain)
    pipeline.sweep(plain.app.parts)
    plain.clock.move(minutes=10)
    assert set(deliver(plain)) == set(READERS)
    (after,) = plain.app.parts.store.outbox.batches(edition.id)
    assert (after.payload_hash, after.runs) == (before.payload_hash, before.runs)
    assert sums(plain) == {"accepted": 3}


def says_first(world: World, monkeypatch: pytest.MonkeyPatch, answer: Exception) -> None:
    """The mailer answers so to the first call."""
    mailer = world.app.parts.mailers["maildir"]
    submit, answers = mailer.submit, [answer]

    def moody(prepared: Prepared) -> tuple[Result, ...]:
        if answers:
            raise answers.pop()
        return submit(prepared)

    monkeypatch.setattr(mailer, "submit", moody)
