"""Who gets which variant, and how the calls of a mailer are cut from that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from publisher import deliver
from publisher.kit.tokens import KeyRing
from publisher.mailers.maildir import Maildir
from publisher.model import Capability, Edition, EditionState, Rendered, Standing, Subscriber, Variant
from publisher.store import Database
from tests.people import NOW, edition, newsletter, site, subscriber, subscription, suppression
from tests.sites import TestClock, mailbox

NOTHING = "nothing new in their topics"


def readers(store: Database, count: int) -> list[Subscriber]:
    store.editions.sync([newsletter()], now=NOW)
    people = [(subscriber(f"Reader {number}"), [subscription()]) for number in range(count)]
    store.audience.add_many(people)
    return [found for one, _ in people if (found := store.audience.by_email(one.email_key))]


def variants(store: Database, edition: Edition, *names: str) -> list[Variant]:
    made = [
        Variant(
            key=name,
            language="en",
            template="t",
            rendered=Rendered(subject=name, html=f"<p>{name}</p>", text=name),
            content_hash=name * 8,
        )
        for name in names
    ]
    return [store.editions.add_variant(edition.id, variant) for variant in made]


def planning(store: Database, mailer: str = "maildir", slot: str = "daily:2026-11-22") -> Edition:
    last = store.audience.largest_id()
    return store.editions.open(
        edition(slot, state=EditionState.PLANNING, mailer=mailer, approved_at=NOW, maximum_subscriber=last)
    )


class InTurn:
    """Each reader in turn gets the next of the variants, or the reason that stands in its place."""

    def __init__(self, *answers: Variant | str) -> None:
        self.answers = answers
        self.asked: list[int] = []

    def __call__(self, people: Sequence[tuple[int, Standing]]) -> Sequence[Variant | str]:
        self.asked += [subscriber for subscriber, _ in people]
        return [self.answers[subscriber % len(self.answers)] for subscriber, _ in people]


def test_each_reader_gets_their_variant_or_a_reason_and_the_sums_add_up(memory_store: Database, tmp_path: Path) -> None:
    people = readers(memory_store, 30)
    memory_store.audience.suppress(suppression(people[4]))
    mailer, there = Maildir("maildir", tmp_path / "var" / "maildir"), planning(memory_store)
    sport, culture = variants(memory_store, there, "sport", "culture")
    choose = InTurn(sport, NOTHING, culture)

    there = deliver.plan(memory_store, there, newsletter(), mailer.capability, choose, chunk=7)

    mine = {reader.id: choose.answers[reader.id % 3] for reader in people if reader is not people[4]}
    assert sorted(choose.asked) == sorted(mine), "whoever may not be mailed is not asked about"
    sums = memory_store.outbox.sums(there.id)
    silent = sum(answer == NOTHING for answer in mine.values())
    assert sums.excluded == {NOTHING: silent, "suppressed: hard bounce": 1}
    assert (sums.candidates, sums.planned, sums.waiting) == (30, 29 - silent, 29 - silent)
    planned = {who: what for batch in memory_store.outbox.batches(there.id) for who, what in batch.members}
    assert planned == {who: answer.id for who, answer in mine.items() if isinstance(answer, Variant)}

    keys = KeyRing.load(tmp_path / "keys", {})
    daily = {"daily": newsletter()}
    deliver.drain(memory_store, mailer, daily, site=site(), keys=keys, clock=TestClock(NOW), owner="worker")
    subjects = Counter(message["Subject"] for message in mailbox(tmp_path))
    assert subjects == Counter(answer.rendered.subject for answer in mine.values() if isinstance(answer, Variant))
    assert memory_store.outbox.sums(there.id).accepted == 29 - silent


def test_whole_messages_share_a_call_whatever_they_show(memory_store: Database) -> None:
    people = readers(memory_store, 25)
    there = planning(memory_store)
    choose = InTurn(*variants(memory_store, there, "sport", "culture", "weather"))
    there = deliver.plan(memory_store, there, newsletter(), Capability(batch=10, batch_bytes=1), choose)
    batches = memory_store.outbox.batches(there.id)
    assert [batch.size for batch in batches] == [10, 10, 5]
    assert all(len(batch.runs) == 3 for batch in batches), "one run for each variant, not one for each reader"
    assert sorted(who for batch in batches for who, _ in batch.members) == [reader.id for reader in people]


@pytest.mark.parametrize("chunk", [0, 100])
def test_calls_with_one_body_hold_one_variant_and_are_full(memory_store: Database, chunk: int) -> None:
    people = readers(memory_store, 500)
    there = planning(memory_store, "mailgun")
    choose = InTurn(*variants(memory_store, there, *"abcdefghijkl"))
    able = Capability(batch=10, batch_bytes=1, shared_body=True)
    there = deliver.plan(memory_store, there, newsletter(), able, choose, chunk=chunk)
    batches = memory_store.outbox.batches(there.id)
    assert all(len(batch.runs) == 1 for batch in batches)
    assert sorted(who for batch in batches for who, _ in batch.members) == [reader.id for reader in people]
    chunks = Counter(batch.chunk for batch in batches)
    assert len(chunks) == (5 if chunk else 1)
    partial = [batch for batch in batches if batch.size < able.batch]
    assert len(partial) <= 12 * len(chunks), "at most one call of each variant in each chunk is not full"


def test_keys_are_made_of_the_bodies_that_a_call_carries(memory_store: Database) -> None:
    readers(memory_store, 20)
    keys = []
    for slot, names in (("daily:a", "ab"), ("daily:b", "ab"), ("daily:c", "ac")):
        there = planning(memory_store, slot=slot)
        choose = InTurn(*variants(memory_store, there, *names))
        able = Capability(batch=100, batch_bytes=1)
        made = deliver.plan(memory_store, there, newsletter(), able, choose)
        keys += [batch.key for batch in memory_store.outbox.batches(made.id)]
    assert len(set(keys)) == 3


def test_a_rehearsal_cuts_the_calls_of_the_plan(memory_store: Database, tmp_path: Path) -> None:
    readers(memory_store, 45)
    mailer, there = Maildir("maildir", tmp_path / "var" / "maildir"), planning(memory_store)
    choose = InTurn(*variants(memory_store, there, "sport", "culture"), NOTHING)
    keys = KeyRing.load(tmp_path / "keys", {})
    calls = list(deliver.rehearse(memory_store, there, newsletter(), choose, mailer, site=site(), keys=keys))
    there = deliver.plan(memory_store, there, newsletter(), mailer.capability, choose)
    assert [len(call.letters) for call in calls] == [batch.size for batch in memory_store.outbox.batches(there.id)]
    assert [call.key for call in calls] == [batch.key for batch in memory_store.outbox.batches(there.id)]
