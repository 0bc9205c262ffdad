from __future__ import annotations

from dataclasses import asdict, replace
from datetime import timedelta

import pytest

from publisher.errors import NotFound
from publisher.model import Subscriber, SubscriptionStatus, SuppressionReason
from publisher.store import Database
from tests.people import BEN, CARLA, DMITRI, NOW, newsletter, subscriber, subscription, suppression

PENDING, CONFIRMED, UNSUBSCRIBED = (
    SubscriptionStatus.PENDING,
    SubscriptionStatus.CONFIRMED,
    SubscriptionStatus.UNSUBSCRIBED,
)


@pytest.fixture
def desk(store: Database) -> Database:
    store.editions.sync([newsletter("daily"), newsletter("weekly")], now=NOW)
    return store


@pytest.fixture
def readers(desk: Database) -> Database:
    """Ben is confirmed, Carla pending, Dmitri suppressed."""
    desk.audience.add(BEN, subscription(topics=("Harbour", "Sport"), cadence="weekly"))
    desk.audience.add(CARLA, subscription(PENDING))
    desk.audience.add(DMITRI, subscription())
    desk.audience.suppress(suppression(DMITRI))
    return desk


def id_of(store: Database, person: Subscriber) -> int:
    found = store.audience.by_email(person.email_key)
    assert found is not None
    return found.id


def test_a_reader_comes_back_as_they_were_added(desk: Database) -> None:
    given = replace(BEN, attributes={"town": "Kilmarnagh", "since": 2019})
    added, new = desk.audience.add(given, subscription(topics=("Harbour",)))
    assert new
    assert added == replace(given, id=added.id)
    assert desk.audience.by_email(BEN.email_key) == desk.audience.by_public_id(BEN.public_id) == added
    assert desk.audience.subscriptions(added.id) == (replace(subscription(topics=("Harbour",)), subscriber=added.id),)
    assert desk.audience.by_email("nobody@mail.example") is None
    assert desk.audience.by_public_id(b"nobody......") is None


def test_adding_again_changes_nothing(readers: Database) -> None:
    again, new = readers.audience.add(replace(BEN, public_id=b"another.....", name="Benjamin"), subscription(PENDING))
    assert not new
    assert (again.name, again.public_id) == (BEN.name, BEN.public_id)
    (kept,) = readers.audience.subscriptions(again.id)
    assert kept.status is CONFIRMED


def test_a_known_reader_can_take_another_newsletter(readers: Database) -> None:
    _, new = readers.audience.add(BEN, subscription(newsletter="weekly"))
    assert new
    assert [one.newsletter for one in readers.audience.subscriptions(id_of(readers, BEN))] == ["daily", "weekly"]


def test_who_unsubscribed_is_never_brought_back_by_an_import(readers: Database) -> None:
    readers.audience.change(id_of(readers, BEN), "daily", UNSUBSCRIBED, at=NOW, evidence={"by": "link"})
    new = subscriber("Eilis Byrne")
    people = [(BEN, [subscription()]), (CARLA, [subscription()]), (new, [subscription()])]
    assert readers.audience.add_many(people) == {
        BEN.email_key: "unsubscribed",
        CARLA.email_key: "known",
        new.email_key: "added",
    }
    assert readers.audience.count("daily") == {UNSUBSCRIBED: 1, PENDING: 1, CONFIRMED: 2}
    assert readers.audience.add_many([(BEN, [subscription(), subscription(newsletter="weekly")])]) == {
        BEN.email_key: "added"
    }


def test_a_person_named_twice_in_one_import_is_added_once(desk: Database) -> None:
    twin = replace(BEN, public_id=b"another.....", name="Benjamin")
    outcome = desk.audience.add_many([(BEN, [subscription()]), (twin, [subscription(newsletter="weekly")])])
    assert outcome == {BEN.email_key: "added"}
    (reader, held) = next(desk.audience.each())
    assert (reader.name, [one.newsletter for one in held]) == ("Ben Okafor", ["daily", "weekly"])
    assert desk.audience.add_many([]) == {}


def test_nobody_is_added_when_the_newsletter_is_unknown(desk: Database) -> None:
    with pytest.raises(NotFound, match="'hourly'"):
        desk.audience.add_many([(BEN, [subscription()]), (CARLA, [subscription(newsletter="hourly")])])
    assert desk.audience.by_email(BEN.email_key) is None
    assert desk.audience.largest_id() == 0


def test_a_status_changes_once_and_its_evidence_is_kept(readers: Database) -> None:
    ben = id_of(readers, BEN)
    later = NOW + timedelta(hours=1)
    assert readers.audience.change(ben, "daily", UNSUBSCRIBED, at=NOW, evidence={"by": "link"})
    assert not readers.audience.change(ben, "daily", UNSUBSCRIBED, at=later, evidence={"by": "again"})
    (left,) = readers.audience.subscriptions(ben)
    assert (left.status, left.changed_at, left.evidence) == (UNSUBSCRIBED, NOW, {"by": "link"})
    with pytest.raises(NotFound, match="'weekly'"):
        readers.audience.change(ben, "weekly", UNSUBSCRIBED, at=NOW, evidence={})


def test_the_earlier_consent_can_still_be_proved(readers: Database) -> None:
    import sqlalchemy as sa

    readers.audience.change(id_of(readers, BEN), "daily", UNSUBSCRIBED, at=NOW, evidence={"by": "link"})
    with readers._access.read() as connection:
        (past,) = connection.execute(sa.text("SELECT status FROM subscription_past")).scalars()
    assert past == "confirmed"


def test_everybody_stands_somewhere_with_the_reason_why_they_may_not_be_mailed(readers: Database) -> None:
    ben, carla, dmitri = (id_of(readers, person) for person in (BEN, CARLA, DMITRI))
    found = readers.audience.standings("daily", after=0, upto=99, limit=10)
    assert [(id, one.status, one.suppressed) for id, one in found] == [
        (ben, CONFIRMED, ""),
        (carla, PENDING, ""),
        (dmitri, CONFIRMED, "hard bounce"),
    ]
    assert found[0][1].topics == ("Harbour", "Sport")
    assert not readers.audience.standings("weekly", after=0, upto=99, limit=10)


def test_a_letter_is_written_to_who_stands_there(readers: Database) -> None:
    for id, standing in readers.audience.standings("daily", after=0, upto=99, limit=10):
        person = readers.audience.recipients("daily", [id])[id]
        assert asdict(person.standing) == asdict(standing)
        assert person.email in {BEN.email, CARLA.email, DMITRI.email}


def test_who_stands_alike_shares_one_value_and_others_do_not(desk: Database) -> None:
    chosen = [(), ("Sport",), (), ("Sport", "Harbour"), ("Sport",)]
    for number, topics in enumerate(chosen):
        desk.audience.add(subscriber(f"Reader {number}"), subscription(topics=topics))

    found = [one for _, one in desk.audience.standings("daily", after=0, upto=99, limit=10)]

    assert [one.topics for one in found] == chosen
    assert (found[0] is found[2], found[1] is found[4], found[0] is found[1]) == (True, True, False)


def test_subscribers_come_in_pages_by_id(readers: Database) -> None:
    ben, carla, dmitri = (id_of(readers, person) for person in (BEN, CARLA, DMITRI))
    assert [id for id, _ in readers.audience.standings("daily", after=0, upto=dmitri, limit=2)] == [ben, carla]
    assert [id for id, _ in readers.audience.standings("daily", after=carla, upto=dmitri, limit=2)] == [dmitri]
    assert not readers.audience.standings("daily", after=carla, upto=carla, limit=2)


def test_recipients_are_looked_at_as_they_are_now(readers: Database) -> None:
    ben, carla, dmitri = (id_of(readers, person) for person in (BEN, CARLA, DMITRI))
    readers.audience.change(ben, "daily", UNSUBSCRIBED, at=NOW, evidence={})
    found = readers.audience.recipients("daily", [ben, dmitri, 99])
    assert {id: (one.status, one.suppressed) for id, one in found.items()} == {
        ben: (UNSUBSCRIBED, ""),
        dmitri: (CONFIRMED, "hard bounce"),
    }
    assert carla not in found
    assert set(readers.audience.recipients("daily", range(1, 70_000))) == {ben, carla, dmitri}


def test_a_suppression_may_hold_for_one_newsletter(readers: Database) -> None:
    readers.audience.add(BEN, subscription(newsletter="weekly"))
    assert readers.audience.suppress(suppression(BEN, scope="daily", reason=SuppressionReason.UNSUBSCRIBE))
    (daily,) = readers.audience.recipients("daily", [id_of(readers, BEN)]).values()
    (weekly,) = readers.audience.recipients("weekly", [id_of(readers, BEN)]).values()
    assert (daily.suppressed, weekly.suppressed) == ("unsubscribe", "")
    assert readers.audience.suppressed(BEN.address_key, "daily") == "unsubscribe"
    assert readers.audience.suppressed(BEN.address_key, "weekly") == ""
    assert readers.audience.suppressed(DMITRI.address_key, "weekly") == "hard bounce"


def test_a_graver_reason_replaces_an_unsubscribe_and_nothing_replaces_a_graver_one(desk: Database) -> None:
    mild = suppression(BEN, reason=SuppressionReason.UNSUBSCRIBE)
    grave = suppression(BEN, reason=SuppressionReason.COMPLAINT)
    assert [desk.audience.suppress(one) for one in (mild, mild, grave, mild, grave)] == [
        True,
        False,
        True,
        False,
        False,
    ]
    assert desk.audience.suppressed(BEN.address_key, "daily") == "complaint"


def test_a_suppression_needs_an_address_key(desk: Database) -> None:
    with pytest.raises(ValueError, match="address key"):
        desk.audience.suppress(suppression(replace(BEN, address_key=b"")))


def test_a_reader_without_an_address_key_gets_it_when_it_is_told(desk: Database) -> None:
    desk.audience.suppress(suppression(BEN))
    desk.audience.add(replace(BEN, address_key=b""), subscription())
    desk.audience.add(BEN, subscription())
    ((_, ben),) = desk.audience.standings("daily", after=0, upto=9, limit=9)
    assert ben.suppressed == "hard bounce"


def test_each_visits_everybody_once_also_across_pages(desk: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("publisher.store.audience._PAGE", 3)
    people = [subscriber(f"Reader {number}") for number in range(7)]
    desk.audience.add_many([(person, [subscription()]) for person in people])
    desk.audience.add_many([(person, [subscription(newsletter="weekly")]) for person in people[2:4]])
    assert [person.name for person, _ in desk.audience.each()] == [person.name for person in people]
    weekly = [(person.name, [one.newsletter for one in held]) for person, held in desk.audience.each("weekly")]
    assert weekly == [("Reader 2", ["weekly"]), ("Reader 3", ["weekly"])]


def test_the_largest_id_bounds_who_was_there(readers: Database) -> None:
    assert readers.audience.largest_id() == id_of(readers, DMITRI)


def test_thousands_are_added_in_one_call(desk: Database) -> None:
    people = [(subscriber(f"Reader {number}"), [subscription()]) for number in range(3_000)]
    assert set(desk.audience.add_many(people).values()) == {"added"}
    assert set(desk.audience.add_many(people).values()) == {"known"}
    assert desk.audience.count("daily") == {CONFIRMED: 3_000}
    assert not desk.audience.count("weekly")
