"""The batch protocol, checked in every order in which its parts can act; and the check itself, by what it notices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from tests.protocol import planning
from tests.protocol.explore import explore
from tests.protocol.gaps import Gap
from tests.protocol.ledger import ACCEPTED, CANCELLED, FAILED, SPLIT
from tests.protocol.model import World
from tests.protocol.planning import PlanGap
from tests.protocol.provider import Guarantee

KEY, MESSAGE_ID, SEARCH, EVENTS, NONE = Guarantee

# ---------------------------------------------------------------- the protocol as it is

#: What is explored, and how many states that has at least: a check that became empty would pass quietly.
WORLDS = [
    (World(guarantee=KEY, leaver=True, crashes=0), 60_000),
    (World(guarantee=KEY, claims=4, crashes=0, batches=1), 55_000),
    (World(guarantee=MESSAGE_ID, leaver=True), 29_000),
    (World(guarantee=MESSAGE_ID, claims=4, crashes=0), 45_000),
    (World(guarantee=SEARCH, leaver=True), 37_000),
    (World(guarantee=SEARCH, claims=4, crashes=0), 65_000),
    (World(guarantee=EVENTS, leaver=True), 53_000),
    (World(guarantee=SEARCH, notices=True), 20_000),
    (World(guarantee=EVENTS, notices=True), 20_000),
    (World(guarantee=NONE, leaver=True, claims=4, crashes=2), 63_000),
    (World(guarantee=KEY, second="whole", crashes=0), 62_000),
    (World(guarantee=KEY, second="parts", claims=2), 10_000),
    (World(guarantee=MESSAGE_ID, second="parts", crashes=0), 21_000),
    (World(guarantee=SEARCH, second="parts", claims=2), 6_000),
    (World(guarantee=EVENTS, second="parts", claims=2), 7_000),
    (World(guarantee=NONE, second="parts", crashes=0), 9_000),
    (World(guarantee=KEY, cancels=True, claims=2, crashes=0), 5_000),
    (World(guarantee=MESSAGE_ID, cancels=True, crashes=0), 16_000),
    (World(guarantee=SEARCH, cancels=True, crashes=0), 22_000),
    (World(guarantee=EVENTS, cancels=True, crashes=0), 34_000),
    (World(guarantee=NONE, cancels=True, crashes=0), 5_000),
]


def named(world: World) -> str:
    second = f", taken over in {world.second}" if world.second else ""
    notices = ", a notice as witness" if world.notices else ""
    cancels = ", cancelled" if world.cancels else ""
    return f"{world.guarantee.value}, {world.claims} claims{second}{notices}{cancels}"


@pytest.mark.parametrize(("world", "least"), WORLDS, ids=[named(world) for world, _ in WORLDS])
def test_nobody_is_mailed_twice_and_nobody_lost(
    world: World, least: int, record_property: Callable[[str, object], None]
) -> None:
    report = explore(world)
    record_property("states", report.states)
    assert not report.broken, str(report)
    assert report.states >= least
    assert {ACCEPTED, FAILED, SPLIT} <= report.seen or world.batches == 1
    assert (CANCELLED in report.seen) is world.cancels


def test_a_rejection_after_a_lost_answer_rests_on_a_provider_that_goes_on_refusing() -> None:
    """Rejected is final even while an earlier attempt is in doubt. Should the provider take, late, what it refused
    meanwhile, the reader has the mail and the ledger says otherwise; but nobody has it twice."""
    for guarantee in (KEY, MESSAGE_ID):
        report = explore(World(guarantee=guarantee, crashes=0, fickle=True))
        assert report.broken == "sent, and said not to be", str(report)


# ---------------------------------------------------------------- the check itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """Where a missing guard is `noticed`, and why it does no harm elsewhere. A guarantee that is in neither never
    comes to use that guard."""

    noticed: tuple[Guarantee, ...]
    harmless: Mapping[Guarantee, str] = field(default_factory=dict)


ALL = (KEY, MESSAGE_ID, SEARCH, EVENTS, NONE)
ONE_MESSAGE = {MESSAGE_ID: "the provider makes one message of two"}
NEVER_AGAIN = dict.fromkeys((SEARCH, NONE), "in doubt it is looked up or held, and never handed over again")
NO_KEYS = dict.fromkeys((MESSAGE_ID, SEARCH, NONE), "no key of ours means anything to this provider")

MISSED = {
    Gap.FENCE: Missed(noticed=ALL),
    Gap.CONDITION: Missed(noticed=ALL),
    Gap.INTENT: Missed(noticed=ALL),
    Gap.SWEEP_SUBMITTING: Missed(noticed=ALL),
    Gap.SWEEP_RESOLVING: Missed(noticed=ALL),
    Gap.TIMEOUT: Missed(noticed=ALL),
    Gap.SERVER_ERROR: Missed(noticed=ALL),
    Gap.LOST_IS_FAILED: Missed(noticed=ALL),
    Gap.LATER_IS_UNKNOWN: Missed(noticed=ALL),
    Gap.SILENCE: Missed(noticed=ALL),
    Gap.LATER_IN_DOUBT: Missed(noticed=(KEY, MESSAGE_ID), harmless=NEVER_AGAIN),
    Gap.DEFERRED_IN_DOUBT: Missed(noticed=(KEY, MESSAGE_ID), harmless=NEVER_AGAIN),
    Gap.GIVEN_UP_IN_DOUBT: Missed(noticed=ALL),
    Gap.REPEATED_IN_DOUBT: Missed(noticed=(KEY, SEARCH, EVENTS, NONE), harmless=ONE_MESSAGE),
    Gap.BYTES_IN_DOUBT: Missed(noticed=(KEY, MESSAGE_ID), harmless=NEVER_AGAIN),
    Gap.BYTES_KEPT: Missed(noticed=ALL),
    Gap.KEY_PER_ATTEMPT: Missed(noticed=(KEY,), harmless=NO_KEYS),
    Gap.KEY_TOO_OLD: Missed(noticed=(KEY,)),
    Gap.KEY_OF_PARENT: Missed(noticed=(KEY,), harmless=NO_KEYS),
    Gap.KEY_NEVER_USED: Missed(noticed=(KEY,)),
    Gap.LOOK_UP_BY_CHILD: Missed(noticed=(SEARCH, EVENTS)),
    Gap.NO_WITNESS: Missed(noticed=(SEARCH, EVENTS)),
    Gap.EARLY_WITNESS: Missed(noticed=(SEARCH, EVENTS)),
    Gap.EARLY_NOTICE: Missed(noticed=(SEARCH, EVENTS)),
    Gap.UNSEEN_NOTICE: Missed(noticed=(SEARCH, EVENTS)),
    Gap.NO_WINDOW: Missed(noticed=(SEARCH, EVENTS)),
    Gap.CANCELLED_IN_DOUBT: Missed(noticed=ALL),
    Gap.CANCELLED_AGAIN: Missed(noticed=(KEY, MESSAGE_ID)),
    Gap.CANCELLED_INTENT: Missed(noticed=ALL),
    Gap.TAKEN_IN_DOUBT: Missed(noticed=ALL),
    Gap.TAKEN_IN_HAND: Missed(noticed=ALL),
    Gap.TAKEN_FENCE: Missed(noticed=(KEY, MESSAGE_ID, SEARCH, EVENTS), harmless={NONE: NEVER_AGAIN[NONE]}),
    Gap.PARTS_AND_WHOLE: Missed(noticed=ALL),
    Gap.KEY_OF_WHOLE: Missed(noticed=(KEY,), harmless=NO_KEYS),
}

#: The guards of a cancelled edition.
CANCELS = (Gap.CANCELLED_IN_DOUBT, Gap.CANCELLED_AGAIN, Gap.CANCELLED_INTENT)
#: The guards of taking over, and of cutting what is taken over.
TAKEN = (Gap.TAKEN_IN_DOUBT, Gap.TAKEN_IN_HAND, Gap.TAKEN_FENCE)
CUT = (Gap.PARTS_AND_WHOLE, Gap.KEY_OF_WHOLE)


def without(gap: Gap, guarantee: Guarantee) -> World:
    """As small a world as shows what the guard is for."""
    leaver = guarantee is MESSAGE_ID or gap in (Gap.BYTES_IN_DOUBT, Gap.BYTES_KEPT, Gap.FENCE)
    if gap in CUT:
        return World(guarantee=guarantee, gap=gap, second="parts", claims=2, crashes=0)
    if gap in (Gap.EARLY_NOTICE, Gap.UNSEEN_NOTICE):
        return World(guarantee=guarantee, gap=gap, notices=True, crashes=0)
    if gap in CANCELS:
        return World(guarantee=guarantee, gap=gap, cancels=True, crashes=0)
    second = "whole" if gap in TAKEN else ""
    return World(guarantee=guarantee, gap=gap, leaver=leaver, second=second, crashes=int(gap is Gap.SWEEP_RESOLVING))


def test_every_guard_is_tested() -> None:
    assert set(MISSED) == set(Gap) - {Gap.NO}


@pytest.mark.parametrize(
    ("gap", "guarantee"),
    [
        pytest.param(gap, guarantee, id=f"{guarantee.value}: {gap.value}")
        for gap, missed in MISSED.items()
        for guarantee in missed.noticed
    ],
)
def test_a_missing_guard_is_noticed(gap: Gap, guarantee: Guarantee) -> None:
    report = explore(without(gap, guarantee))
    assert report.broken, f"{gap.value}: no harm in {report.states:,} states of {guarantee.value}"
    assert report.way


@pytest.mark.parametrize(
    ("gap", "guarantee", "reason"),
    [
        pytest.param(gap, guarantee, reason, id=f"{guarantee.value}: {gap.value}: {reason}")
        for gap, missed in MISSED.items()
        for guarantee, reason in missed.harmless.items()
    ],
)
def test_a_missing_guard_does_no_harm_where_another_does_its_work(gap: Gap, guarantee: Guarantee, reason: str) -> None:
    report = explore(without(gap, guarantee))
    assert not report.broken, f"{gap.value} does harm, although {reason}: {report}"


# ---------------------------------------------------------------- planning


def test_two_planners_put_everybody_into_the_plan_once() -> None:
    states, broken = planning.explore(PlanGap.NO)
    assert (broken, states) == ("", 31)


@pytest.mark.parametrize("gap", [gap for gap in PlanGap if gap is not PlanGap.NO], ids=lambda gap: gap.value)
def test_a_plan_without_one_of_its_guards_is_noticed(gap: PlanGap) -> None:
    _, broken = planning.explore(gap)
    assert broken
