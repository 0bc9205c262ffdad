"""When a mailer that fails is left alone, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from publisher import deliver
from publisher.deliver.breaker import after
from publisher.errors import DeliveryError, Failure, MailerMisconfigured, OutcomeUnknown, Refused, TryLater
from publisher.kit.tokens import KeyRing
from publisher.mailers.maildir import Maildir
from publisher.mailers.resend import Resend
from publisher.model import BatchState, Circuit, CircuitState, Limits, Prepared, Priority, Result, Terms
from publisher.store import Database
from tests.deliver.ledger import approved, drain, people
from tests.fakes.resend import KEY, ResendServer
from tests.people import NOW
from tests.sites import TestClock, mailbox

WELL = Circuit(mailer="post")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def resend(tmp_path: Path) -> Iterator[ResendServer]:
    with ResendServer(tmp_path) as server:
        yield server


def failed(circuit: Circuit, *errors: DeliveryError, wait: timedelta = MINUTE) -> Circuit:
    for error in errors:
        circuit = after(circuit, error, wait=wait, now=NOW)
    return circuit


# ---------------------------------------------------------------- decided purely


@pytest.mark.parametrize(
    ("failure", "pause"),
    [(Failure.CREDENTIALS, 10 * MINUTE), (Failure.QUOTA, HOUR), (Failure.REPUTATION, HOUR)],
)
def test_what_the_next_call_would_meet_too_stops_it_at_once(failure: Failure, pause: timedelta) -> None:
    circuit = failed(WELL, MailerMisconfigured("no", failure=failure))
    assert (circuit.state, circuit.failure, circuit.reason) == (CircuitState.OPEN, failure, "no")
    assert (circuit.opened_at, circuit.until) == (NOW, NOW + pause)


def test_what_passes_stops_it_only_in_a_row_and_in_pauses_that_grow() -> None:
    circuit = failed(WELL, *[TryLater("refused")] * 4)
    assert (circuit.state, circuit.failures, circuit.until) == (CircuitState.CLOSED, 4, NOW + MINUTE)
    pauses = []
    for _ in range(9):
        circuit = failed(circuit, TryLater("refused"))
        assert (circuit.state, circuit.failure) == (CircuitState.OPEN, Failure.TRANSIENT)
        assert circuit.until is not None
        pauses.append((circuit.until - NOW) // MINUTE)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert circuit.opened_at == NOW, "it has been open since the first time"


def test_lost_answers_stop_it_before_a_whole_edition_is_in_doubt() -> None:
    circuit = failed(WELL, *[OutcomeUnknown("no answer")] * 4)
    assert (circuit.state, circuit.until) == (CircuitState.CLOSED, None), "until then nobody waits"
    assert failed(circuit, OutcomeUnknown("no answer")).state is CircuitState.OPEN


def test_who_says_when_to_come_again_is_busy_and_well() -> None:
    asked = TryLater("429", retry_after=timedelta(seconds=7))
    circuit = failed(WELL, *[asked] * 20, wait=timedelta(seconds=7))
    assert (circuit.state, circuit.failures, circuit.until) == (CircuitState.CLOSED, 0, NOW + timedelta(seconds=7))


def test_a_longer_wait_is_never_cut_short() -> None:
    blocked = failed(WELL, TryLater("429", retry_after=HOUR), wait=HOUR)
    assert failed(blocked, TryLater("429", retry_after=MINUTE), wait=MINUTE).until == NOW + HOUR


def test_an_address_at_fault_says_nothing_about_the_mailer() -> None:
    assert failed(WELL, *[Refused("one of them")] * 20) == WELL


@pytest.mark.parametrize("failure", list(Failure))
def test_every_class_has_a_remedy(failure: Failure) -> None:
    said = deliver.remedy(Circuit(mailer="post", failure=failure))
    assert ("publisher deliver mended post" in said) == (failure in (*deliver.FOR_A_PERSON, Failure.QUOTA))


# ---------------------------------------------------------------- with a ledger


def test_a_key_that_is_mended_is_used_at_once(
    memory_store: Database, resend: ResendServer, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 2)
    there = approved(memory_store, Resend("resend", "re_wrong_key", base_url=resend.url))
    drain(memory_store, Resend("resend", "re_wrong_key", base_url=resend.url), keys, clock)
    right = Resend("resend", KEY, base_url=resend.url)
    assert drain(memory_store, right, keys, clock).batches == 0
    assert deliver.mend(memory_store, "resend").failure is Failure.CREDENTIALS
    drain(memory_store, right, keys, clock)
    assert memory_store.outbox.sums(there.id).accepted == 2


def test_only_one_batch_of_many_meets_a_mailer_that_refuses_us(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 9)
    mailer = Counting(tmp_path, MailerMisconfigured("account suspended", failure=Failure.REPUTATION))
    there = approved(memory_store, mailer)
    for _ in range(5):
        drain(memory_store, mailer, keys, clock)
    assert mailer.calls == 1
    clock.move(hours=1)
    for _ in range(5):
        drain(memory_store, mailer, keys, clock)
    assert mailer.calls == 2, "one on trial"
    mailer.error = None
    clock.move(hours=1)
    drain(memory_store, mailer, keys, clock)
    assert memory_store.outbox.sums(there.id).accepted == 9
    assert memory_store.outbox.circuit("maildir").state is CircuitState.CLOSED
    assert memory_store.audience.recipients("daily", range(1, 10))[1].suppressed == "", "no reader is to blame"


def test_a_provider_that_swallows_calls_makes_five_unknown_and_not_an_edition(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 60)
    mailer = Counting(tmp_path, OutcomeUnknown("no answer"))
    there = approved(memory_store, mailer)
    for _ in range(3):
        drain(memory_store, mailer, keys, clock)
    assert [one.state for one in memory_store.outbox.batches(there.id)].count(BatchState.UNKNOWN) == 5


# ---------------------------------------------------------------- limits


def test_a_drain_waits_for_its_tokens_and_keeps_the_rate(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 50)
    mailer = Maildir("maildir", tmp_path / "mail")
    limited(memory_store, mailer, rate=5)
    there = approved(memory_store, mailer)
    assert {one.size for one in memory_store.outbox.batches(there.id)} == {5}
    drain(memory_store, mailer, keys, clock)
    assert memory_store.outbox.sums(there.id).accepted == 50
    assert clock.now() - NOW == pytest.approx(timedelta(seconds=9), abs=timedelta(milliseconds=20))


def test_what_does_not_fit_into_the_day_leaves_on_the_next(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 50)
    mailer = Maildir("maildir", tmp_path / "mail")
    limited(memory_store, mailer, warm_up=20, growth=1)
    there = approved(memory_store, mailer)
    accepted = []
    for _ in range(4):
        drain(memory_store, mailer, keys, clock)
        assert memory_store.outbox.due(clock.now()) == ()
        accepted.append(memory_store.outbox.sums(there.id).accepted)
        clock.move(days=1)
    assert accepted == [20, 40, 50, 50]
    assert len(mailbox(tmp_path, "mail")) == 50


def test_an_alert_that_comes_while_a_digest_waits_goes_next(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 20)
    mailer = Alerted(tmp_path / "mail", memory_store)
    limited(memory_store, mailer, rate=2)
    approved(memory_store, mailer)
    drain(memory_store, mailer, keys, clock)
    editions = [mailing.partition("/")[2] for mailing in mailer.order]
    assert editions == [*["daily:2026-11-22"] * 3, *["alert:quay:1"] * 10, *["daily:2026-11-22"] * 7]


def limited(store: Database, mailer: Maildir, **limits: float) -> None:
    given = Limits(**limits)  # type: ignore[arg-type]
    store.outbox.agree([Terms(mailer=mailer.name, limits=given, batch=mailer.capability.batch)])


class Counting(Maildir):
    """Says the same for as long as it is not told otherwise, one letter a call."""

    def __init__(self, path: Path, error: DeliveryError) -> None:
        super().__init__("maildir", path / "mail")
        self.capability = type(self.capability)(batch=1, batch_bytes=10_000_000, external=False)
        self.error: DeliveryError | None = error
        self.calls = 0

    def submit(self, prepared: Prepared) -> tuple[Result, ...]:
        self.calls += 1
        if self.error:
            raise self.error
        return super().submit(prepared)


class Alerted(Maildir):
    """After its third call an alert is approved, as somebody else would do it."""

    def __init__(self, path: Path, store: Database) -> None:
        super().__init__("maildir", path)
        self.store = store
        self.order: list[str] = []

    def submit(self, prepared: Prepared) -> tuple[Result, ...]:
        edition = next(one for one in self.store.editions.newest(5) if self._holds(one.id, prepared.key))
        self.order.append(edition.key)
        if len(self.order) == 3:
            approved(self.store, self, slot="alert:quay:1", priority=Priority.ALERT)
        return super().submit(prepared)

    def _holds(self, edition: int, key: str) -> bool:
        return any(one.key == key for one in self.store.outbox.batches(edition))
