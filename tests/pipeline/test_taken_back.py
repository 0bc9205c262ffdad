"""A retraction that is taken back, a correction that is undone: who was not told yet is not, and who was is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from publisher import editions, pipeline
from publisher.errors import PreflightError
from publisher.model import Article, Edition, EditionState, Label, Level, Slot
from publisher.pipeline import preflighting
from tests.pipeline.world import World

SLOT, KEY = "daily:2026-11-23", "daily/daily:2026-11-23"
NOT_GONE = "the retraction of “Storm” was taken back"
SAME = "the correction of “Storm” was taken back"
BACK = "We told you that we had withdrawn this story. We have not: here it is."
READERS = {"ann": "", "news": "category:news", "sport": "category:sport"}


@pytest.fixture
def world(world: World) -> World:
    return day_later(world)


@pytest.fixture
def plain(plain: World) -> World:
    return day_later(plain)


def day_later(world: World) -> World:
    """A storm reached those who follow everything or the news; a day later there is a regatta."""
    world.readers(**READERS)
    world.publish("Storm", categories=("News",))
    assert world.daily() == {"ann": ["Storm"], "news": ["Storm"]}
    world.publish("Regatta", categories=("Sport",))
    return world


def retract(world: World) -> Article:
    return pipeline.retract(world.app.parts, world.article("Storm"), "It was a drill.", "Aoife Brennan")


def restore(world: World) -> Article:
    return pipeline.restore(world.app.parts, world.article("Storm"), "Aoife Brennan")


def approved(world: World) -> Edition:
    slot = Slot(name=SLOT, due_at=world.clock.now())
    return pipeline.compose_slot(world.app.parts, world.newsletter, slot, by_hand=True)


def planned(world: World, batch: int = 100) -> Edition:
    """Nothing of it is handed over."""
    edition, mailer = approved(world), world.app.parts.mailers["maildir"]
    mailer.capability = replace(mailer.capability, batch=batch)  # type: ignore[misc]
    return pipeline.plan(world.app.parts, edition.key)


def deliver(world: World) -> dict[str, list[str]]:
    pipeline.deliver(world.app.parts, "maildir")
    return world.mail()


def rules(world: World, edition: Edition) -> dict[int, tuple[bool, str]]:
    kept = world.app.parts.store.decisions.of_edition(edition.id)
    return {one.article: (one.included, one.rule) for one in kept}


def holds_together(world: World) -> None:
    """The sums of the edition's receipt add up, and it agrees with the ledger."""
    _, sealed, _ = pipeline.receipt(world.app.parts, KEY)
    assert sealed is not None
    assert pipeline.verify_receipt(world.app.parts, KEY) == ()


# ---------------------------------------------------------------- before it leaves


def test_a_retraction_that_was_taken_back_before_the_edition_leaves_is_told_to_nobody(world: World) -> None:
    retract(world)
    edition = approved(world)
    storm = restore(world)
    pipeline.plan(world.app.parts, edition.key)
    assert deliver(world) == {"ann": ["Regatta"], "sport": ["Regatta"]}
    assert rules(world, edition)[storm.id] == (False, "retraction taken back before it left")
    holds_together(world)
    world.clock.move(days=1)
    assert world.daily() == {}, "nobody was told that it was withdrawn"


def test_an_edition_that_holds_nothing_else_does_not_leave_and_says_why(plain: World) -> None:
    plain.clock.move(days=1)
    plain.daily()
    retract(plain)
    slot = Slot(name="daily:2026-11-25", due_at=plain.clock.now())
    edition = pipeline.compose_slot(plain.app.parts, plain.newsletter, slot, by_hand=True)
    assert [item.label for item in edition.items] == [Label.RETRACTION]
    storm = restore(plain)
    with pytest.raises(PreflightError, match=NOT_GONE):
        pipeline.plan(plain.app.parts, edition.key)
    dropped = plain.app.parts.store.editions.get(edition.key)
    assert (dropped.state, dropped.reason) == (EditionState.SKIPPED, f"nothing is left of it: {NOT_GONE}")
    assert rules(plain, edition)[storm.id] == (False, "retraction taken back before it left")


def test_the_source_that_lost_a_story_is_asked_for_it_just_before_its_retraction_leaves(plain: World) -> None:
    plain.newsroom.lists("newsroom", plain.stories["Regatta"])
    for _ in range(2):
        pipeline.collect(plain.app.parts, "newsroom")
        plain.clock.move(minutes=10)
    assert plain.article("Storm").state.value == "retracted"
    edition = approved(plain)
    plain.newsroom.lists("newsroom", plain.stories["Regatta"], plain.stories["Storm"])  # and nobody collects
    pipeline.plan(plain.app.parts, edition.key)
    assert deliver(plain) == {"ann": ["Regatta"], "sport": ["Regatta"]}


def test_what_waits_to_be_mended_is_made_anew_without_it(plain: World) -> None:
    """And until then preflight says so."""
    plain.publish("Fair", content_html="<p>Lorem ipsum dolor sit amet, consectetur adipiscing elit.</p>")
    plain.clock.move(days=1)
    retract(plain)
    with pytest.raises(PreflightError, match="placeholder"):
        approved(plain)
    parts, edition = plain.app.parts, plain.app.parts.store.editions.get(KEY)
    (variant,) = parts.store.editions.variants(edition.id)
    told = replace(variant, items=edition.items)
    assert not preflighting.changed(parts, edition)
    restore(plain)
    assert preflighting.changed(parts, edition)
    found = pipeline.findings(parts, edition, plain.newsletter, [told], network=False)
    assert {one.rule for one in found if one.level is Level.BLOCK} == {"placeholder", "restored"}


# ---------------------------------------------------------------- while it is being sent


def test_who_was_not_mailed_yet_is_not_told_of_a_retraction_that_was_taken_back(world: World) -> None:
    retract(world)
    edition = planned(world)
    storm = restore(world)
    pipeline.sweep(world.app.parts)
    assert deliver(world) == {"ann": ["Regatta"], "sport": ["Regatta"]}
    assert world.app.parts.store.outbox.skips(edition.id) == {NOT_GONE: 1}, "who would get nothing else"
    assert rules(world, edition)[storm.id] == (False, "retraction taken back while it was sent")
    _, _, said = pipeline.receipt(world.app.parts, KEY)
    assert said["skipped_because"] == {NOT_GONE: 1}
    holds_together(world)
    world.clock.move(days=1)
    assert world.daily() == {}
    assert world.app.parts.store.editions.get("daily/daily:2026-11-24").state is EditionState.SKIPPED, "for nobody"


def test_what_is_withdrawn_again_before_their_turn_is_told(world: World) -> None:
    retract(world)
    edition = planned(world)
    restore(world)
    pipeline.sweep(world.app.parts)
    storm = retract(world)
    pipeline.sweep(world.app.parts)
    mail = deliver(world)
    assert mail["news"] == ["retraction: Storm"]
    assert rules(world, edition)[storm.id] == (True, "withdrawn again while it was sent")
    world.clock.move(days=1)
    assert world.daily() == {"ann": ["retraction: Storm"]}, "whose edition was made anew without it"
    assert world.daily() == {}


def test_all_that_is_made_anew_at_once_can_be_made_again_from_its_own_recipe(plain: World) -> None:
    """Variants of several topics: one story is taken out of them, and another says something else."""
    plain.readers(market="category:market;category:news")
    plain.publish("Market day", categories=("Market",))
    plain.publish("Flood", categories=("News",))
    edition = planned(plain)
    before = plain.variants(SLOT)
    plain.publish("Flood", categories=("News",), standfirst="The water is falling.")
    pipeline.retract(plain.app.parts, plain.article("Market day"), "It is next week.", "Aoife Brennan")
    pipeline.sweep(plain.app.parts)
    rebuilt = pipeline.rebuild(plain.app.parts, edition.key)
    assert (len(before), len(rebuilt)) == (4, 6), "three are made anew, of which two show the same by now"
    assert all(one.same for one in rebuilt), [one.reason for one in rebuilt]
    made = [one.stored for one in rebuilt if not one.stored.superseded_by and "Flood" in one.stored.rendered.text]
    assert all("The water is falling." in one.rendered.text for one in made)
    assert not any("Market day" in one.rendered.text for one in made)


# ---------------------------------------------------------------- who was told already


def test_who_was_told_of_a_retraction_is_told_that_it_was_taken_back_and_nobody_else(world: World) -> None:
    """One batch of one reader each: the first is handed over, then the story is published again."""
    retract(world)
    planned(world, batch=1)
    outbox, now = world.app.parts.store.outbox, world.clock.now()
    held = outbox.claim("maildir", "worker", now=now, lease=world.newsletter.late)
    assert held
    assert outbox.intend(held, now=now, payload_hash="", skipped=frozenset())
    restore(world)
    pipeline.sweep(world.app.parts)
    pipeline.deliver(world.app.parts, "maildir")
    world.mail()
    (first,) = [run.subscribers[0] for run in held.runs]
    assert first == world.app.parts.store.audience.by_email("ann@reader.example").id  # type: ignore[union-attr]
    world.clock.move(days=1)

    assert world.daily() == {"ann": ["correction: Storm"]}
    (told,) = world.variants("daily:2026-11-24")
    assert BACK in " ".join(told.rendered.text.split())
    assert BACK in told.rendered.html
    assert "what Niamh said" in told.rendered.text, "the story itself"
    assert world.daily() == {}, "once"


def test_a_story_may_go_and_come_back_more_than_once(world: World) -> None:
    world.daily()
    for _ in range(2):
        retract(world)
        assert world.daily() == {"ann": ["retraction: Storm"], "news": ["retraction: Storm"]}
        assert world.daily() == {}
        restore(world)
        world.readers(ann="category:chess")  # whatever they follow by now
        assert world.daily() == {"ann": ["correction: Storm"], "news": ["correction: Storm"]}
        assert world.daily() == {}


def test_who_comes_later_gets_a_story_that_came_back_as_nobody_else_does(plain: World) -> None:
    """It is no news to new readers: a digest from before they came brought it."""
    plain.daily()
    retract(plain)
    plain.daily()
    restore(plain)
    plain.readers(late="")
    assert plain.daily() == {"ann": ["correction: Storm"], "news": ["correction: Storm"]}


def test_what_came_back_corrected_is_a_correction_with_its_note(plain: World) -> None:
    plain.daily()
    retract(plain)
    plain.daily()
    restore(plain)
    pipeline.correct(plain.app.parts, plain.article("Storm"), "It was Friday, not Thursday.")
    assert plain.daily() == {"ann": ["correction: Storm"], "news": ["correction: Storm"]}
    (told,) = plain.variants("daily:2026-11-25")
    assert ("It was Friday, not Thursday." in told.rendered.text, BACK in told.rendered.html) == (True, False)
    assert plain.daily() == {}


def test_what_is_kept_out_of_mail_by_then_does_not_come_back(plain: World) -> None:
    plain.daily()
    retract(plain)
    plain.daily()
    pipeline.mail(plain.app.parts, restore(plain), False, "Aoife Brennan")
    assert plain.daily() == {}


# ---------------------------------------------------------------- corrections


def corrected(world: World, note: str = "It was Friday, not Thursday.") -> None:
    """Its source says something else, and that this is a correction."""
    world.stories["Storm"] = replace(world.stories["Storm"], standfirst="On Friday.", correction=note)
    look(world)


def undone(world: World) -> None:
    """It says what it said at first."""
    world.stories["Storm"] = replace(world.stories["Storm"], standfirst="", correction="")
    look(world)


def look(world: World) -> None:
    world.newsroom.window("newsroom", world.stories["Storm"])
    pipeline.collect(world.app.parts, "newsroom")


def test_a_correction_that_is_undone_before_the_edition_leaves_is_told_to_nobody(world: World) -> None:
    corrected(world)
    edition = approved(world)
    assert [item.label.value for item in edition.items] == ["new", "correction"]
    undone(world)
    pipeline.plan(world.app.parts, edition.key)
    assert deliver(world) == {"ann": ["Regatta"], "sport": ["Regatta"]}
    assert rules(world, edition)[world.article("Storm").id] == (False, "correction taken back before it left")
    holds_together(world)


def test_nor_while_it_is_being_sent(world: World) -> None:
    corrected(world)
    edition = planned(world)
    undone(world)
    pipeline.sweep(world.app.parts)
    assert deliver(world) == {"ann": ["Regatta"], "sport": ["Regatta"]}
    assert world.app.parts.store.outbox.skips(edition.id) == {SAME: 1}
    holds_together(world)
    world.clock.move(days=1)
    assert world.daily() == {}, "they have what it says"


def test_who_was_sent_the_correction_is_not_told_when_it_is_undone_without_a_word(plain: World) -> None:
    """Unless so much is new that it counts as updated."""
    corrected(plain)
    assert plain.daily() == {
        "ann": ["Regatta", "correction: Storm"],
        "news": ["correction: Storm"],
        "sport": ["Regatta"],
    }
    undone(plain)
    assert plain.daily() == {}


def test_a_correction_in_words_alone_stands(plain: World) -> None:
    pipeline.correct(plain.app.parts, plain.article("Storm"), "It was Friday, not Thursday.")
    planned(plain)
    pipeline.sweep(plain.app.parts)
    assert deliver(plain)["news"] == ["correction: Storm"]


def test_a_cancelled_edition_leaves_the_word_to_the_next(plain: World) -> None:
    plain.daily()
    retract(plain)
    plain.daily()
    restore(plain)
    slot = Slot(name="daily:2026-11-25", due_at=plain.clock.now())
    edition = pipeline.compose_slot(plain.app.parts, plain.newsletter, slot, by_hand=True)
    pipeline.plan(plain.app.parts, edition.key)
    editions.cancel(plain.app.parts.store, edition.key, "Aoife Brennan", now=plain.clock.now())
    plain.clock.move(days=1)
    assert plain.daily() == {"ann": ["correction: Storm"], "news": ["correction: Storm"]}
