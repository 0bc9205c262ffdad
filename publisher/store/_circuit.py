"""How mailers stand: what the settings say of them, and whether they take anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.errors import Failure
from publisher.model import Batch, Circuit, CircuitState, Limits, Notice, Terms
from publisher.store import _rates as rates
from publisher.store import _shared as shared
from publisher.store.engine import Access
from publisher.store.tables import bucket, mailer_state

_CLOSED, _OPEN, _HALF_OPEN = (state.value for state in CircuitState)

#: The circuit of a mailer that nothing is wrong with.
_WELL = {
    "circuit": _CLOSED,
    "failure": "",
    "reason": "",
    "failures": 0,
    "trial": None,
    "opened_at": None,
    "blocked_until": None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A mailer as a claim sees it. `second` when it is to take over from another one."""

    terms: Terms
    closed: bool = True
    second: bool = False
    until: datetime | None = None

    def takes(self, now: datetime) -> bool:
        return self.until is None or self.until <= now


class Mailers:
    """These methods of `ports.Outbox`."""

    _access: Access

    def agree(self, terms: Sequence[Terms]) -> None:
        with self._access.read() as connection:
            there = {row["mailer"]: row for row in connection.execute(sa.select(mailer_state)).mappings()}
        new = {one.mailer: _said(one) for one in terms}
        gone = [name for name, row in there.items() if name not in new and row["active"]]
        moved = [name for name, said in new.items() if name not in there or _differs(there[name], said)]
        if not gone and not moved:
            return
        with self._access.write() as connection:
            for one in sorted(terms, key=lambda one: one.mailer):  # buckets before mailers: see `_claiming`
                if one.mailer in moved:
                    told = there[one.mailer]["told_rate"] if one.mailer in there else 0.0
                    rates.changed(connection, one.mailer, one.limits.rate or told)
            for name in sorted(moved):
                _put(connection, name, new[name])
            retired = shared.among(connection, mailer_state.c.mailer, gone)
            connection.execute(sa.update(mailer_state).where(retired).values(active=False))

    def tell_rate(self, mailer: str, rate: float) -> None:
        columns = sa.select(mailer_state.c.rate, mailer_state.c.told_rate).where(mailer_state.c.mailer == mailer)
        with self._access.read() as connection:
            said, told = connection.execute(columns).one_or_none() or (0.0, 0.0)
        if told == rate:
            return
        with self._access.write() as connection:
            if not said:
                rates.changed(connection, mailer, rate)
            _put(connection, mailer, {"told_rate": rate})

    def largest(self, mailer: str) -> int:
        with self._access.read() as connection:
            limits = standing(connection, mailer).terms.limits
            return limits.largest(rates.sent_days(connection, mailer)) if limits else 0

    def take_again(self, batch: Batch, now: datetime) -> datetime | None:
        with self._access.write() as connection:
            limits = standing(connection, batch.mailer).terms.limits
            if not limits:
                return None
            there = rates.locked(connection, batch.mailer, limits, now)
            return rates.take_again(connection, batch.mailer, limits, there, batch)

    def waits(self, mailer: str, now: datetime) -> datetime | None:
        until = sa.select(bucket.c.waits_until).where(bucket.c.mailer == mailer, bucket.c.waits_until > now)
        with self._access.read() as connection:
            return connection.execute(until).scalar_one_or_none()

    def slow(self, mailer: str, now: datetime) -> None:
        with self._access.write() as connection:
            stands = standing(connection, mailer)
            if stands.terms.limits.rate and stands.takes(now):
                rates.slow(connection, mailer, stands.terms.limits, now)

    def circuit(self, mailer: str) -> Circuit:
        with self._access.read() as connection:
            row = sa.select(mailer_state).where(mailer_state.c.mailer == mailer)
            if self._access.bound is not None:
                row = row.with_for_update()
            found = connection.execute(row).mappings().one_or_none()
        return _circuit(found) if found else Circuit(mailer=mailer)

    def circuits(self) -> tuple[Circuit, ...]:
        with self._access.read() as connection:
            rows = sa.select(mailer_state).where(mailer_state.c.active).order_by(mailer_state.c.mailer)
            return tuple(map(_circuit, connection.execute(rows).mappings()))

    def put_circuit(self, circuit: Circuit) -> None:
        with self._access.write() as connection:
            _put(
                connection,
                circuit.mailer,
                {
                    "circuit": circuit.state.value,
                    "failure": circuit.failure.value if circuit.failure else "",
                    "reason": circuit.reason,
                    "failures": circuit.failures,
                    "trial": None,
                    "opened_at": circuit.opened_at,
                    "blocked_until": circuit.until,
                },
            )

    def block(self, mailer: str, *, until: datetime, reason: str) -> None:
        """A shorter block never ends a longer one."""
        with self._access.write() as connection:
            later = sa.or_(mailer_state.c.blocked_until.is_(None), mailer_state.c.blocked_until < until)
            _put(connection, mailer, {"blocked_until": until, "reason": reason}, where=later)

    def blocked(self, now: datetime) -> Mapping[str, tuple[datetime, str]]:
        columns = (mailer_state.c.mailer, mailer_state.c.blocked_until, mailer_state.c.reason)
        with self._access.read() as connection:
            rows = connection.execute(sa.select(*columns).where(mailer_state.c.blocked_until > now))
            return {mailer: (until, reason) for mailer, until, reason in rows}


# ---------------------------------------------------------------- for claims and answers


def standing(connection: Connection, mailer: str) -> Standing:
    row = connection.execute(_stands(), {"named": mailer}).mappings().one_or_none()
    if row is None:
        return Standing(terms=Terms(mailer=mailer))
    rate = row["rate"] or row["told_rate"]
    limits = Limits(rate=rate, **{name: row[name] for name in ("per_day", "warm_up", "growth")})
    terms = Terms(
        mailer=mailer,
        limits=limits,
        fallback=row["fallback"],
        batch=row["batch"],
        shared_body=row["shared_body"],
    )
    return Standing(terms=terms, closed=row["circuit"] == _CLOSED, second=row["second"], until=row["blocked_until"])


@cache
def _stands() -> sa.Select[Any]:
    first = mailer_state.alias()
    second = sa.exists().where(first.c.fallback == mailer_state.c.mailer).label("second")
    return sa.select(mailer_state, second).where(mailer_state.c.mailer == sa.bindparam("named"))


def blocked(batch: sa.FromClause, now: datetime) -> sa.ColumnElement[bool]:
    return sa.exists().where(mailer_state.c.mailer == batch.c.mailer, mailer_state.c.blocked_until > now)


def begin_trial(connection: Connection, mailer: str, id: int, *, now: datetime, lease: timedelta) -> bool:
    """Let this batch or notice (see `on_trial`) through a circuit that is open, and no other until it is known what
    becomes of it."""
    waits = sa.and_(mailer_state.c.circuit != _CLOSED, mailer_state.c.blocked_until <= now)
    begun = sa.update(mailer_state).where(mailer_state.c.mailer == mailer, waits)
    values = {"circuit": _HALF_OPEN, "trial": id, "blocked_until": now + lease}
    return connection.execute(begun.values(**values)).rowcount == 1


def on_trial(held: Batch | Notice) -> int:
    """How what is let through is written down: a batch by its id, a notice by its own made negative."""
    return held.id if isinstance(held, Batch) else -held.id


def proved(connection: Connection, held: Batch | Notice) -> None:
    """The mailer answered as one that does that is well. Only what is on trial closes a circuit."""
    connection.execute(_mended(), {"of": held.mailer, "this": on_trial(held)})


@cache
def _mended() -> sa.Update:
    mine = sa.or_(mailer_state.c.circuit == _CLOSED, mailer_state.c.trial == sa.bindparam("this"))
    failing = sa.and_(mailer_state.c.mailer == sa.bindparam("of"), mailer_state.c.failures > 0, mine)
    still = sa.case((mailer_state.c.circuit == _CLOSED, mailer_state.c.blocked_until), else_=None)
    well = _WELL | {"blocked_until": still, "reason": mailer_state.c.reason}
    return sa.update(mailer_state).where(failing).values(**well)


def not_tried(connection: Connection, held: Batch | Notice) -> None:
    """What is on trial ended without telling anything about the mailer: another one may be tried at once."""
    mine = sa.and_(mailer_state.c.mailer == held.mailer, mailer_state.c.trial == on_trial(held))
    again = {"circuit": _OPEN, "trial": None, "blocked_until": mailer_state.c.opened_at}
    connection.execute(sa.update(mailer_state).where(mine).values(**again))


# ---------------------------------------------------------------- rows


def _said(terms: Terms) -> dict[str, Any]:
    limits = terms.limits
    return {
        "active": True,
        "rate": float(limits.rate),
        "growth": float(limits.growth),
        "per_day": limits.per_day,
        "warm_up": limits.warm_up,
        "batch": terms.batch,
        "shared_body": terms.shared_body,
        "fallback": terms.fallback,
    }


def _differs(row: sa.RowMapping, said: Mapping[str, Any]) -> bool:
    return any(row[name] != value for name, value in said.items())


def _put(
    connection: Connection, mailer: str, values: Mapping[str, Any], *, where: sa.ColumnElement[bool] | None = None
) -> None:
    whole = {"mailer": mailer, **_said(Terms(mailer=mailer)), **_WELL, **values}
    statement = shared.insert(connection, mailer_state).values(**whole)
    connection.execute(statement.on_conflict_do_update(index_elements=["mailer"], set_=dict(values), where=where))


def _circuit(row: sa.RowMapping) -> Circuit:
    return Circuit(
        mailer=row["mailer"],
        state=CircuitState(row["circuit"]),
        failure=Failure(row["failure"]) if row["failure"] else None,
        reason=row["reason"],
        failures=row["failures"],
        opened_at=row["opened_at"],
        until=row["blocked_until"],
    )
