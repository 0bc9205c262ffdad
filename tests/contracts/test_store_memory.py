"""Memory and choices, asked of both databases: who was sent what, who reads what."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.model import (
    Article,
    ArticleState,
    Carried,
    Combination,
    EditionState,
    Got,
    Item,
    Label,
    Readership,
)
from publisher.store import Database
from tests.contracts.ledger import LATER, accept, batch, planned, planning, results, submit
from tests.people import NOW, article, edition, items, newsletter, source, subscriber, subscription

AGES_AGO = NOW - timedelta(days=365)


@pytest.fixture
def desk(store: Database) -> Database:
    store.sources.sync([source()], renamed={})
    store.editions.sync([newsletter("daily"), newsletter("weekly")], now=NOW)
    return store


def stored(store: Database, *titles: str) -> tuple[Article, ...]:
    return tuple(store.articles.add(article(title)) for title in titles)


def remembered(store: Database, variants: Collection[int], *, after: int = 0, upto: int = 1 << 40) -> list[int]:
    found = store.memory.readers(variants, after=after, upto=upto)
    return sorted(id for _, ids in found for id in ids)


def test_variants_tell_what_they_told_of_the_articles_that_are_asked_about(desk: Database) -> None:
    bridge, storm, fair = stored(desk, "Bridge", "Storm", "Fair")
    gone = Item(article=fair.id, revision=1, position=1, label=Label.RETRACTION)
    one = planned(desk, {"a": (items(bridge), [1]), "b": ((*items(storm), gone), [2])})
    other = planned(desk, {"a": (items(storm), [1])}, slot="daily:2026-11-23")
    a, b = desk.editions.variants(one.id)
    (c,) = desk.editions.variants(other.id)

    told = desk.memory.variants("daily", [storm.id, fair.id], but=0)
    assert told == {b.id: {Got(storm.id, 1), Got(fair.id, 1, True, turn=one.id)}, c.id: {Got(storm.id, 1)}}
    assert desk.memory.variants("daily", [storm.id, fair.id], but=other.id).keys() == {b.id}
    assert desk.memory.variants("daily", [bridge.id], but=0).keys() == {a.id}
    assert desk.memory.variants("weekly", [bridge.id], but=0) == {}


def test_readers_are_those_who_got_it_or_may_or_will(desk: Database) -> None:
    (bridge,) = stored(desk, "Bridge")
    one = planned(desk, {"a": (items(bridge), [1, 2, 3, 4]), "b": ((), [5])})
    a, b = desk.editions.variants(one.id)
    assert remembered(desk, [a.id]) == [1, 2, 3, 4], "it waits, and will leave"
    assert remembered(desk, [a.id, b.id], after=1, upto=5) == [2, 3, 4, 5]
    assert remembered(desk, [a.id], after=1, upto=3) == [2, 3]
    assert remembered(desk, []) == []
    sent = submit(desk, skipped=[1])
    assert desk.outbox.settle(sent, results(accepted=[0, 4], rejected=[2], unknown=[3]), now=NOW, next_at=LATER)
    assert remembered(desk, [a.id]) == [1, 4], "who was skipped or rejected did not get it; who is in doubt may have"


def test_who_was_cancelled_is_not_remembered(desk: Database) -> None:
    (bridge,) = stored(desk, "Bridge")
    one = planned(desk, {"a": (items(bridge), [1, 2])})
    (a,) = desk.editions.variants(one.id)
    desk.outbox.cancel(one.id)
    assert remembered(desk, [a.id]) == []


def test_each_chunk_that_is_planned_is_seen_from_another_edition(desk: Database) -> None:
    daily, alert = planning(desk), planning(desk, "alert:1:1")
    before = desk.memory.version("daily", but=daily.id)
    desk.outbox.plan(alert, upto=4, batches=[batch(alert, 0, {1: [1, 4]})], excluded={}, finished=False)
    after = desk.memory.version("daily", but=daily.id)
    assert after != before
    desk.outbox.plan(daily, upto=4, batches=[batch(daily, 0, {1: [2]})], excluded={}, finished=False)
    assert desk.memory.version("daily", but=daily.id) == after, "its own plan is no news to it"


def test_what_was_carried_and_says_something_else_by_now_is_found(desk: Database) -> None:
    bridge, storm, fair = stored(desk, "Bridge", "Storm", "Fair")
    for slot, state, told in (
        ("daily:2026-11-22", EditionState.DONE, items(bridge, storm, fair)),
        ("weekly:2026-W47", EditionState.DONE, items(bridge)),
        ("daily:2026-11-23", EditionState.DRAFT, items(storm)),
    ):
        desk.editions.open(edition(slot, state=state, items=told))
    assert desk.memory.outdated("daily", AGES_AGO) == ()
    desk.articles.revise(replace(bridge, revision=replace(bridge.revision, number=2)))
    desk.articles.decide(replace(fair, state=ArticleState.RETRACTED))

    found = desk.memory.outdated("daily", AGES_AGO)
    assert set(found) == {
        Carried(bridge.id, 1, Label.NEW, "daily:2026-11-22"),
        Carried(bridge.id, 1, Label.NEW, "weekly:2026-W47"),
        Carried(fair.id, 1, Label.NEW, "daily:2026-11-22"),
    }
    desk.articles.decide(replace(fair, state=ArticleState.LIVE))
    gone = (Item(article=fair.id, revision=1, position=0, label=Label.RETRACTION),)
    desk.editions.open(edition("daily:2026-11-24", state=EditionState.DONE, items=gone))
    told = [one.label for one in desk.memory.outdated("daily", AGES_AGO) if one.article == fair.id]
    assert told == [Label.NEW, Label.RETRACTION], "in the order of the editions, also when it is published again"
    assert desk.memory.outdated("daily", NOW + timedelta(seconds=1)) == ()
    assert desk.memory.outdated("weekly", AGES_AGO) == ()


def test_only_news_for_everybody_counts_as_carried(desk: Database) -> None:
    bridge, storm, fair = stored(desk, "Bridge", "Storm", "Fair")
    news = Item(article=bridge.id, revision=1, position=0)
    spare = Item(article=storm.id, revision=1, position=1, spare=True)
    owed = Item(article=fair.id, revision=1, position=2, label=Label.CORRECTION)
    opened = desk.editions.open(edition(state=EditionState.DONE, items=(news, spare, owed)))
    assert desk.editions.sent("daily") == {bridge.id: {1}}
    assert desk.editions.get(opened.key).items == (news, spare, owed)


def test_readers_are_asked_for_by_what_they_chose(desk: Database) -> None:
    chosen = {
        "Ann": {},
        "Ben": {"cadence": "weekly", "topics": ("category:Sport",)},
        "Cleo": {"cadence": "hourly-3", "alerts": False},
        "Dan": {"topics": ("category:Sport",)},
    }
    for name, choice in chosen.items():
        desk.audience.add(subscriber(name), subscription(**choice))

    def names(of: Readership) -> list[str]:
        found = [id for id, _ in desk.audience.standings("daily", after=0, upto=99, limit=9, of=of)]
        return [one.name for one in map(desk.audience.recipients("daily", found).__getitem__, found)]

    assert names(Readership()) == ["Ann", "Ben", "Cleo", "Dan"]
    assert names(Readership(cadence="weekly")) == ["Ben"]
    assert names(Readership(but=("weekly",))) == ["Ann", "Cleo", "Dan"], "a cadence that is not offered is the own one"
    assert names(Readership(alerts=True)) == ["Ann", "Ben", "Dan"]
    assert desk.audience.count("daily", Readership(cadence="weekly")) == {"confirmed": 1}
    assert set(desk.audience.combinations("daily")) == {
        Combination((), "en", 2),
        Combination(("category:Sport",), "en", 2),
    }
    assert {one.topics: one.readers for one in desk.audience.combinations("daily", every=2)} == {
        ("category:Sport",): 2
    }, "Ben and Dan have the even ids"


def test_a_choice_is_kept_and_nothing_else_changes(desk: Database) -> None:
    ann, _ = desk.audience.add(subscriber("Ann"), subscription())
    (before,) = desk.audience.subscriptions(ann.id)
    chosen = desk.audience.choose(ann.id, "daily", topics=("tag:x",), cadence="weekly", alerts=False)
    assert chosen == replace(before, topics=("tag:x",), cadence="weekly", alerts=False)
    assert desk.audience.subscriptions(ann.id) == (chosen,)


def test_many_choose_at_once_and_who_has_no_subscription_gets_none(desk: Database) -> None:
    ann, _ = desk.audience.add(subscriber("Ann"), subscription())
    ben, _ = desk.audience.add(subscriber("Ben"), subscription(newsletter="weekly"))
    wanted = subscription(topics=("tag:x", "tag:ö"), cadence="weekly", alerts=False)
    desk.audience.choose_many([(ann, [wanted]), (ben, [wanted]), (subscriber("Nobody"), [wanted])])
    (chosen,), (other,) = desk.audience.subscriptions(ann.id), desk.audience.subscriptions(ben.id)
    assert (chosen.topics, chosen.cadence, chosen.alerts) == (("tag:x", "tag:ö"), "weekly", False)
    assert (other.newsletter, other.topics, other.cadence, other.alerts) == ("weekly", (), "", True)


def test_an_accepted_batch_stays_remembered(desk: Database) -> None:
    (bridge,) = stored(desk, "Bridge")
    one = planned(desk, {"a": (items(bridge), [1, 2])})
    accept(desk, skipped=[0])
    assert remembered(desk, [desk.editions.variants(one.id)[0].id]) == [2]
