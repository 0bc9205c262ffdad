"""When a mailer that fails is left alone, and for how long. Decided purely.

Credentials, quota and reputation stop it at once: the next call would fare no better. What passes by itself does so
only after several failures in a row, in pauses that grow. An address at fault says nothing about the mailer.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from publisher.errors import DeliveryError, Failure, OutcomeUnknown, TryLater
from publisher.model import Circuit, CircuitState
from publisher.ports import Store

#: Transient failures in a row that open the circuit.
PATIENCE = 5
#: How long until one batch is tried again. A quota may be a moving day of the provider's, so it is tried every hour.
PAUSES = {
    Failure.CREDENTIALS: timedelta(minutes=10),
    Failure.QUOTA: timedelta(hours=1),
    Failure.REPUTATION: timedelta(hours=1),
}
#: Failures that do not pass by themselves.
FOR_A_PERSON = (Failure.CREDENTIALS, Failure.REPUTATION)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)


def after(circuit: Circuit, error: DeliveryError, *, wait: timedelta, now: datetime) -> Circuit:
    """The circuit after one more failure. `wait` is how long the batch itself is put off."""
    if error.failure is Failure.ADDRESS:
        return circuit
    asked = error.retry_after if isinstance(error, TryLater) else None
    says_when = asked is not None and circuit.state is CircuitState.CLOSED  # whoever does is busy, and well
    failed = circuit if says_when else replace(circuit, failures=circuit.failures + 1)
    pause = None if says_when else _pause(failed, error.failure)
    if pause is None:
        # Nobody asks for patience in a call whose answer was lost.
        until = failed.until if isinstance(error, OutcomeUnknown) else now + wait
        return replace(failed, until=_later(failed.until, until), reason=str(error))
    return replace(
        failed,
        state=CircuitState.OPEN,
        failure=error.failure,
        reason=str(error),
        opened_at=circuit.opened_at or now,
        until=now + max(pause, asked or timedelta(0)),
    )


def _pause(failed: Circuit, failure: Failure) -> timedelta | None:
    """None while its circuit stays closed."""
    if failure in PAUSES:
        return PAUSES[failure]
    over = failed.failures - PATIENCE
    if over < 0 and failed.state is CircuitState.CLOSED:
        return None
    return min(FIRST_PAUSE * (1 << min(max(over, 0), 10)), LONGEST_PAUSE)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((moment for moment in (one, other) if moment), default=None)


def note(store: Store, mailer: str, error: DeliveryError, *, wait: timedelta, now: datetime) -> bool:
    """Write a failure down. Whether the mailer is to be left alone for now."""
    with store.transaction() as together:
        if isinstance(error, TryLater):
            together.outbox.slow(mailer, now)
        circuit = after(together.outbox.circuit(mailer), error, wait=wait, now=now)
        together.outbox.put_circuit(circuit)
    return circuit.until is not None and circuit.until > now


def mend(store: Store, mailer: str) -> Circuit:
    """A person says that the mailer is mended: it is used again at once. How it stood before."""
    with store.transaction() as together:
        before = together.outbox.circuit(mailer)
        together.outbox.put_circuit(Circuit(mailer=mailer))
    return before


def remedy(circuit: Circuit) -> str:
    """What ends it, in words for the person who reads of it."""
    mended = f"then say `publisher deliver mended {circuit.mailer}`"
    match circuit.failure:
        case Failure.CREDENTIALS:
            return f"Correct its key, password, sender or settings; {mended}."
        case Failure.QUOTA:
            return f"Wait until the provider's quota is renewed, or raise it; {mended}."
        case Failure.REPUTATION:
            return f"No reader is to blame, and nobody was suppressed. Ask the provider why it refuses you; {mended}."
        case _:
            return "It is tried again by itself."
