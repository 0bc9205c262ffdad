"""The guards of the real code, as what is missing when one is taken out. Each must be noticed: see `test_gaps`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from publisher.errors import OutcomeUnknown, TryLater
from publisher.mailers import _http, mailgun, postmark, resend
from publisher.model import Batch, BatchState, Edition
from publisher.store import _planning as planning
from publisher.store import outbox


def key_per_attempt() -> None:
    """Each attempt has a key of its own."""
    prepare = resend.Resend.prepare
    resend.Resend.prepare = lambda self, mailing: replace(prepare(self, mailing), key=str(uuid4()))


def call_before_intent() -> None:
    """The intent is committed with the answer, when the call has been made."""
    intend, settle = outbox.Outbox.intend, outbox.Outbox.settle
    meant: dict[int, Mapping[str, Any]] = {}

    def later(self: Any, batch: Batch, **given: Any) -> Batch:
        meant[batch.id] = given
        return replace(batch, state=BatchState.SUBMITTING)

    def first(self: Any, batch: Batch, results: Any, **given: Any) -> bool:
        if batch.id in meant:
            intend(self, batch, **meant.pop(batch.id))
        return settle(self, batch, results, **given)

    outbox.Outbox.intend, outbox.Outbox.settle = later, first


def no_fence() -> None:
    """Who holds a batch is not compared."""
    current, fenced = outbox._current, outbox.batch.c.fence
    outbox._current = lambda one, fence, states: (
        current(one, fence, states) | (current(one, fenced, states) & (fenced != fence))
    )
    outbox._holding.cache_clear()
    outbox._intending.cache_clear()


def cursor_alone() -> None:
    """A plan's cursor is committed before its batches."""

    def plan(
        self: Any,
        edition: Edition,
        *,
        upto: int,
        batches: Sequence[Batch],
        excluded: Mapping[str, Sequence[int]],
        finished: bool,
    ) -> None:
        count, out = sum(one.size for one in batches), sum(map(len, excluded.values()))
        with self._access.write() as connection:
            planning.advance(connection, edition, upto, planned=count, excluded=out, finished=finished)
        with self._access.write() as connection:
            planning.put_batches(connection, edition, batches)

    outbox.Outbox.plan = plan
    planner = sys.modules["publisher.deliver.plan"]
    chunk = planner._plan_chunk
    planner._plan_chunk = lambda store, *given, **named: chunk(Torn(store), *given, **named)


class Torn:
    """A store whose transactions are none: each part of one is committed for itself."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def transaction(self) -> AbstractContextManager[Any]:
        return nullcontext(self._store)


def server_error_is_no() -> None:
    """A 5xx counts as not sent."""
    error = _http.Api.error

    def mistaken(self: Any, answer: Any, said: str) -> Exception:
        found = error(self, answer, said)
        return TryLater(str(found)) if isinstance(found, OutcomeUnknown) and answer.status >= 500 else found

    _http.Api.error = mistaken


def silence_is_no() -> None:
    """A lost answer, or none in time, counts as not sent."""
    ask = _http.Api.ask

    def mistaken(self: Any, *given: Any, **named: Any) -> Any:
        try:
            return ask(self, *given, **named)
        except OutcomeUnknown as error:
            raise TryLater(str(error)) from error

    _http.Api.ask = mistaken


def no_window() -> None:
    """Absence is believed while the provider may only not show it yet."""
    mailgun._LAG = timedelta(0)


def no_witness() -> None:
    """Absence is believed although nothing later is shown."""
    postmark.Postmark._absence_proves = lambda self, question, now: now - question.last_at >= timedelta(minutes=10)


GAPS: Mapping[str, Callable[[], None]] = {
    "": lambda: None,
    "a key per attempt": key_per_attempt,
    "the call before the intent": call_before_intent,
    "no fence": no_fence,
    "the cursor alone": cursor_alone,
    "5xx is no": server_error_is_no,
    "silence is no": silence_is_no,
    "no window": no_window,
    "no witness": no_witness,
}
