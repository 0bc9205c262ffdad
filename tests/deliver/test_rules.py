"""What may happen to a batch, decided purely."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.deliver import rules
from publisher.model import Batch, BatchState, Candidate, Capability, Outcome, Result, Run, SubscriptionStatus
from tests.people import NOW, site

EXTERNAL = Capability(batch=100, batch_bytes=1_000_000)
BATCH = Batch(edition=1, sequence=0, chunk=0, runs=(Run(variant=1, subscribers=(1, 2, 3)),), mailer="post", key="k")


def reader(number: int, **changes: object) -> Candidate:
    person = Candidate(
        subscriber=number,
        public_id=b"x" * 12,
        email=f"reader{number}@mail.example",
        name="",
        language="en",
        status=SubscriptionStatus.CONFIRMED,
    )
    return person._replace(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("public_url", "said"),
    [
        ("", "missing"),
        ("http://news.example.org", "https"),
        ("https://localhost", "cannot reach"),
        ("https://127.0.0.1:8080", "cannot reach"),
        ("https://[::1]", "cannot reach"),
    ],
)
def test_mail_to_people_needs_a_link_that_works_for_them(public_url: str, said: str) -> None:
    assert said in rules.refuses(site(public_url=public_url), EXTERNAL)


def test_mail_into_a_folder_needs_no_address_and_a_good_address_is_good() -> None:
    assert rules.refuses(site(public_url=""), replace(EXTERNAL, external=False)) == ""
    assert rules.refuses(site(public_url="https://news.example.org"), EXTERNAL) == ""


def test_somebody_who_left_died_or_is_suppressed_since_planning_is_skipped() -> None:
    people = {
        1: reader(1),
        2: reader(2, status=SubscriptionStatus.UNSUBSCRIBED),
    }
    assert rules.skips(BATCH, people, {}) == {1: "unsubscribed", 2: "erased"}
    assert rules.skips(BATCH, people | {3: reader(3, suppressed="complaint")}, {}) == {
        1: "unsubscribed",
        2: "suppressed: complaint",
    }


def test_an_answer_is_about_the_mailer_when_no_letter_has_a_reason_of_its_own() -> None:
    put_off = Result(position=0, outcome=Outcome.DEFERRED, shared=True)
    assert rules.takes_nothing((put_off, put_off._replace(position=1)))
    assert not rules.takes_nothing((put_off, Result(position=1, outcome=Outcome.DEFERRED)))
    assert not rules.takes_nothing((put_off, Result(position=1, outcome=Outcome.ACCEPTED)))


def test_a_reader_is_put_off_for_two_days_before_they_are_given_up() -> None:
    waited = sum((rules.backoff(attempt) for attempt in range(1, rules.ATTEMPTS)), timedelta())
    assert timedelta(days=2) <= waited <= timedelta(days=2, hours=6)


def test_who_would_get_what_was_withdrawn_is_skipped_and_nobody_beside_them() -> None:
    mixed = replace(BATCH, runs=(Run(variant=1, subscribers=(1, 3)), Run(variant=2, subscribers=(2,))))
    people = {1: reader(1), 2: reader(2), 3: reader(3, status=SubscriptionStatus.UNSUBSCRIBED)}
    withdrawn = {1: "“Flood” is not published any more"}
    assert rules.skips(mixed, people, withdrawn) == {0: withdrawn[1], 1: "unsubscribed"}


@pytest.mark.parametrize(
    ("capability", "age", "may"),
    [
        (EXTERNAL, timedelta(seconds=1), False),
        (replace(EXTERNAL, key_lifetime=timedelta(hours=20)), timedelta(hours=19), True),
        (replace(EXTERNAL, key_lifetime=timedelta(hours=20)), timedelta(hours=20), False),
        (replace(EXTERNAL, deduplicates=True), timedelta(days=30), True),
    ],
)
def test_an_unknown_batch_is_repeated_only_where_that_gives_nobody_a_second_message(
    capability: Capability, age: timedelta, may: bool
) -> None:
    unknown = replace(BATCH, state=BatchState.RESOLVING, first_intent_at=NOW - age, payload_hash="f" * 64)
    assert rules.may_repeat(unknown, capability, NOW) is may


def test_without_keys_nothing_is_repeated_by_a_clock_that_was_set_back() -> None:
    ahead = replace(BATCH, state=BatchState.RESOLVING, first_intent_at=NOW + timedelta(hours=2), payload_hash="f" * 64)
    assert not rules.may_repeat(ahead, EXTERNAL, NOW)


def test_a_key_protects_only_what_was_handed_over_under_it() -> None:
    keyed = replace(EXTERNAL, key_lifetime=timedelta(hours=20))
    child = replace(BATCH, state=BatchState.RESOLVING, first_intent_at=NOW, parent=7)
    assert not rules.may_repeat(child, keyed, NOW)


def test_waiting_doubles_and_has_an_end() -> None:
    assert [rules.backoff(n).total_seconds() for n in (0, 1, 2)] == [30, 60, 120]
    assert rules.backoff(500) == timedelta(hours=1)


def test_a_call_refused_as_a_whole_is_halved_until_the_culprit_stands_alone() -> None:
    apart = rules.halves((0, 1, 4), "bad address")
    assert [(result.position, result.outcome, result.group) for result in apart] == [
        (0, Outcome.DEFERRED, 0),
        (1, Outcome.DEFERRED, 1),
        (4, Outcome.DEFERRED, 1),
    ]
    assert rules.halves((4,), "bad address")[0].outcome is Outcome.REJECTED
