from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.deliver import letterhead
from publisher.errors import Conflict, NotFound
from publisher.model import Article, Decision, EditionState, Item, Label
from publisher.store import Database, open_store
from tests.people import (
    BEN,
    NOW,
    article,
    edition,
    items,
    newsletter,
    site,
    source,
    subscriber,
    subscription,
    suppression,
    variant,
)

TOMORROW = NOW + timedelta(days=1)


@pytest.fixture
def desk(store: Database) -> Database:
    store.sources.sync([source()], renamed={})
    store.editions.sync([newsletter("daily"), newsletter("weekly")], now=NOW)
    return store


def stored(store: Database, *titles: str) -> tuple[Article, ...]:
    return tuple(store.articles.add(article(title)) for title in titles)


def test_an_edition_comes_back_as_it_was_opened(desk: Database) -> None:
    bridge, regatta = stored(desk, "The swing bridge reopens", "Regatta results")
    chosen = (
        Item(article=regatta.id, revision=1, position=0, label=Label.CORRECTION, section="Sport", pinned=True),
        Item(article=bridge.id, revision=1, position=1, overrides={"title": "Bridge open"}),
    )
    given = edition(items=chosen, template_hash="abc", reason="first")
    opened = desk.editions.open(given)
    assert opened == replace(given, id=opened.id)
    assert desk.editions.get("daily/daily:2026-11-22") == opened == desk.editions.by_id(opened.id)


def test_a_slot_is_opened_once(desk: Database) -> None:
    desk.editions.open(edition())
    with pytest.raises(Conflict, match="daily/daily:2026-11-22"):
        desk.editions.open(edition(subject="Another"))
    desk.editions.open(edition(newsletter="weekly"))


def test_two_at_once_compose_one_after_the_other(desk: Database, store_url: str) -> None:
    """The second sees what the first has taken."""
    (bridge,) = stored(desk, "The swing bridge reopens")
    begun, saw, other = threading.Event(), [], open_store(store_url)

    def second() -> None:
        begun.set()
        with other.transaction() as together:
            together.editions.lock("daily")
            saw.append(dict(together.editions.sent("daily")))

    thread = threading.Thread(target=second)
    with desk.transaction() as together:
        together.editions.lock("daily")
        thread.start()
        assert begun.wait(10)
        together.editions.open(edition(items=items(bridge), state=EditionState.APPROVED))
    thread.join()
    other.close()
    assert saw == [{bridge.id: frozenset({1})}]


def test_unknown_names_are_told(desk: Database) -> None:
    with pytest.raises(NotFound, match="daily/daily:1999-01-01"):
        desk.editions.get("daily/daily:1999-01-01")
    with pytest.raises(NotFound):
        desk.editions.by_id(99)
    with pytest.raises(NotFound, match="'hourly'"):
        desk.editions.open(edition(newsletter="hourly"))
    with pytest.raises(NotFound, match="'hourly'"):
        desk.editions.born("hourly")


def test_replacing_gives_an_edition_new_content_and_forgets_its_variants(desk: Database) -> None:
    bridge, regatta = stored(desk, "The swing bridge reopens", "Regatta results")
    opened = desk.editions.open(edition(items=items(bridge)))
    desk.editions.add_variant(opened.id, variant(items=items(bridge)))
    changed = replace(opened, subject="Regatta", items=items(regatta), state=EditionState.WAITING)
    assert desk.editions.replace(changed, was=EditionState.DRAFT) == changed
    assert desk.editions.variants(opened.id) == ()
    with pytest.raises(Conflict, match="waiting"):
        desk.editions.replace(changed, was=EditionState.DRAFT)


def test_a_state_changes_only_from_where_it_was_seen(desk: Database) -> None:
    opened = desk.editions.open(edition())
    approved = desk.editions.move(
        opened.key,
        [EditionState.DRAFT, EditionState.WAITING],
        EditionState.APPROVED,
        approved_at=NOW,
        approved_by="Aoife Brennan",
        maximum_subscriber=7,
    )
    assert (approved.state, approved.approved_at, approved.maximum_subscriber) == (EditionState.APPROVED, NOW, 7)
    with pytest.raises(Conflict, match="approved by now"):
        desk.editions.move(opened.key, [EditionState.DRAFT], EditionState.CANCELLED)
    with pytest.raises(NotFound):
        desk.editions.move("daily/other", [EditionState.DRAFT], EditionState.CANCELLED)
    with pytest.raises(TypeError, match="slot"):
        desk.editions.move(opened.key, [EditionState.APPROVED], EditionState.DRAFT, slot="daily:2026-11-23")


def test_editions_are_listed_newest_first_and_by_state(desk: Database) -> None:
    desk.editions.open(edition())
    desk.editions.open(edition("daily:2026-11-23", due_at=TOMORROW, state=EditionState.WAITING))
    desk.editions.open(edition("weekly:2026-W47", newsletter="weekly", due_at=NOW))
    assert [one.slot for one in desk.editions.newest(2)] == ["daily:2026-11-23", "daily:2026-11-22"]
    assert [one.slot for one in desk.editions.newest(9, "weekly")] == ["weekly:2026-W47"]
    assert [one.slot for one in desk.editions.in_state(EditionState.DRAFT)] == ["weekly:2026-W47", "daily:2026-11-22"]
    assert desk.editions.in_state() == ()


def test_only_committed_editions_of_the_newsletter_count_as_sent(desk: Database) -> None:
    bridge, regatta, tides = stored(desk, "The swing bridge reopens", "Regatta results", "Tide table")
    desk.editions.open(edition(state=EditionState.DONE, items=items(bridge)))
    newer = replace(items(bridge)[0], revision=2)
    desk.editions.open(edition("daily:2026-11-23", state=EditionState.APPROVED, items=(newer,)))
    desk.editions.open(edition("daily:2026-11-24", items=items(regatta)))
    desk.editions.open(edition(newsletter="weekly", state=EditionState.DONE, items=items(tides)))
    assert desk.editions.sent("daily") == {bridge.id: frozenset({1, 2})}
    assert desk.editions.sent("daily", [bridge.id]) == desk.editions.sent("daily")
    assert desk.editions.sent("daily", [bridge.id + 1]) == {}


def test_what_the_readers_of_one_cadence_got_is_not_sent_to_those_of_another(desk: Database) -> None:
    bridge, regatta, storm, fair = stored(desk, "The swing bridge reopens", "Regatta results", "Storm", "The fair")
    for slot, told in (
        ("daily:2026-11-22", bridge),
        ("weekly:2026-W47", regatta),
        ("alert:3:1", storm),
        ("manual:fair", fair),
    ):
        desk.editions.open(edition(slot, state=EditionState.DONE, items=items(told)))

    def sent(cadence: str = "") -> set[int]:
        return set(desk.editions.sent("daily", cadence=cadence))

    assert sent("daily") == {bridge.id, fair.id}
    assert sent("weekly") == {regatta.id, fair.id}
    assert sent() == sent("alert") == {bridge.id, regatta.id, fair.id}, "who got an alert is remembered of each reader"


def test_a_variant_is_stored_once_by_its_key(desk: Database) -> None:
    (bridge,) = stored(desk, "The swing bridge reopens")
    opened = desk.editions.open(edition(items=items(bridge)))
    given = variant(items=items(bridge))
    first = desk.editions.add_variant(opened.id, given)
    again = desk.editions.add_variant(opened.id, variant(content_hash="another"))
    other = desk.editions.add_variant(opened.id, variant("harbour"))
    assert first == again == replace(given, id=first.id, edition=opened.id)
    assert desk.editions.variants(opened.id) == (first, other)


def test_variants_that_are_stored_together_are_those_that_were_there_first(desk: Database) -> None:
    bridge, regatta = stored(desk, "The swing bridge reopens", "Regatta results")
    opened, before = desk.editions.open(edition(items=items(bridge, regatta))), desk.editions.open(edition("weekly:1"))
    elsewhere = desk.editions.add_variant(before.id, variant("both"))
    there = desk.editions.add_variant(opened.id, variant("bridge", items=items(bridge)))
    both = variant("both", items=items(bridge, regatta), recipe="r", materials={"r": b"recipe", "t": b"text"})
    made = desk.editions.add_variants(opened.id, [both, variant("bridge", content_hash="another"), variant("none")])
    assert [one.key for one in made] == ["both", "bridge", "none"]
    assert made[0] == replace(both, id=made[0].id, edition=opened.id)
    assert made[1] == there
    assert desk.editions.variants(opened.id) == tuple(sorted(made, key=lambda one: one.id))
    assert desk.editions.variants_by_key(opened.id, ["both", "nobody's"]) == {"both": made[0]}
    assert desk.editions.variants(before.id) == (elsewhere,)
    assert desk.kept.materials(["r", "t"]) == {"r": b"recipe", "t": b"text"}


# ---------------------------------------------------------------- settings


def test_a_newsletter_is_born_when_it_is_first_seen(desk: Database) -> None:
    desk.editions.sync([newsletter("daily"), newsletter("alert")], now=TOMORROW)
    assert desk.editions.born("daily") == NOW
    assert desk.editions.born("alert") == TOMORROW


def test_a_renamed_newsletter_keeps_its_history(desk: Database) -> None:
    (bridge,) = stored(desk, "The swing bridge reopens")
    desk.editions.open(edition(state=EditionState.DONE, items=items(bridge)))
    reader, _ = desk.audience.add(BEN, subscription())
    desk.audience.suppress(suppression(BEN, scope="daily"))
    desk.decisions.record(
        [Decision(output="newsletter:daily", article=bridge.id, revision=1, included=True, rule="new", at=NOW)]
    )
    for _ in range(2):
        desk.editions.sync([newsletter("morning", was=("daily",)), newsletter("weekly")], now=TOMORROW)

    assert desk.editions.get("morning/daily:2026-11-22").newsletter == "morning"
    assert desk.editions.sent("morning") == {bridge.id: frozenset({1})}
    assert desk.editions.born("morning") == NOW
    assert [one.newsletter for one in desk.audience.subscriptions(reader.id)] == ["morning"]
    assert desk.audience.suppressed(BEN.address_key, "morning") == "hard bounce"
    assert [one.output for one in desk.decisions.of(bridge.id)] == ["newsletter:morning"]


# ---------------------------------------------------------------- who got which version


def test_who_got_a_revision_is_a_query(desk: Database) -> None:
    from tests.contracts.ledger import accept, planned

    wrong, other = stored(desk, "The swing bridge reopens", "Regatta results")
    people = [desk.audience.add(subscriber(f"Reader {n}"), subscription())[0].id for n in range(6)]
    first, last = people[:3], people[3:]
    sent = planned(desk, {"wrong": (items(wrong), first), "other": (items(other), last)})
    assert list(desk.editions.who_got(wrong.id, 1)) == []
    accept(desk, skipped={0})
    assert list(desk.editions.who_got(wrong.id, 1)) == first[1:]
    assert list(desk.editions.who_got(wrong.id, 2)) == []

    again = planned(desk, {"both": (items(wrong, other), people)}, slot="daily:2026-11-23")
    accept(desk)
    assert sorted(desk.editions.who_got(wrong.id, 1)) == people
    assert sent.id != again.id


def test_a_letterhead_keeps_its_place_in_the_edition(desk: Database) -> None:
    there = desk.editions.open(edition())
    first = letterhead(newsletter(), site())
    second = letterhead(newsletter(sender="news@elsewhere.example"), site())
    assert [desk.editions.add_letterhead(there.id, one) for one in (first, second, first)] == [0, 1, 0]
    assert desk.editions.get(there.key).letterheads == (first, second)
