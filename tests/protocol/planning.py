"""Planning, apart from the rest: two planners, either of which may be killed anywhere, walk the same subscribers.

As `deliver.plan` and `store/_planning.py`: a chunk's batches and the cursor are written in one transaction, on the
condition that the cursor still stands where the planner saw it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

CHUNKS = 3


class PlanGap(Enum):
    NO = ""
    CURSOR_FIRST = "the cursor is committed before the batches"
    BATCHES_FIRST = "the batches are committed before the cursor"
    CONDITION = "the cursor is moved from wherever it stands"


class Planner(NamedTuple):
    """The cursor that it saw, and what it still has to write of the chunk behind it."""

    saw: int = -1
    owes: str = ""


class Plan(NamedTuple):
    """`planned` counts how often each chunk's recipients were put into batches."""

    cursor: int = 0
    planned: tuple[int, ...] = (0,) * CHUNKS
    planners: tuple[Planner, Planner] = (Planner(), Planner())


def explore(gap: PlanGap) -> tuple[int, str]:
    """The number of states, and the promise that is broken in one of them, or ""."""
    seen, waiting = {Plan()}, deque([Plan()])
    while waiting:
        plan = waiting.popleft()
        if broken := wrong(plan):
            return len(seen), broken
        new = [after for after in steps(gap, plan) if after not in seen]
        seen.update(new)
        waiting.extend(new)
    return len(seen), ""


def wrong(plan: Plan) -> str:
    if max(plan.planned) > 1:
        return "planned twice"
    at_rest = all(planner == Planner() for planner in plan.planners)
    return "left out of the plan" if at_rest and 0 in plan.planned[: plan.cursor] else ""


def steps(gap: PlanGap, plan: Plan) -> Iterator[Plan]:
    for number, planner in enumerate(plan.planners):
        if planner == Planner():
            if plan.cursor < CHUNKS:
                yield _at(plan, number, Planner(plan.cursor, "both"))
            continue
        yield _at(plan, number, Planner())  # killed
        yield from _writes(gap, plan, number, planner)


def _writes(gap: PlanGap, plan: Plan, number: int, planner: Planner) -> Iterator[Plan]:
    moved = plan._replace(cursor=planner.saw + 1)
    planned = tuple(times + (chunk == planner.saw) for chunk, times in enumerate(plan.planned))
    if planner.owes == "both" and plan.cursor != planner.saw and gap is not PlanGap.CONDITION:
        yield _at(plan, number, Planner())  # another planner was quicker
    elif planner.owes == "both" and gap is PlanGap.CURSOR_FIRST:
        yield _at(moved, number, planner._replace(owes="batches"))
    elif planner.owes == "both" and gap is PlanGap.BATCHES_FIRST:
        yield _at(plan._replace(planned=planned), number, planner._replace(owes="cursor"))
    elif planner.owes == "cursor":
        yield _at(moved, number, Planner())
    else:
        yield _at((plan if planner.owes == "batches" else moved)._replace(planned=planned), number, Planner())


def _at(plan: Plan, number: int, planner: Planner) -> Plan:
    one, other = plan.planners
    return plan._replace(planners=(planner, other) if number == 0 else (one, planner))
