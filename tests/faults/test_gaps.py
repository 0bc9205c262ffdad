"""The test of the fault tests: without any one of the guards, somebody is lost or mailed twice, and it is noticed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from publisher.store import Database
from tests.faults import gaps, newsroom
from tests.faults.gaps import GAPS
from tests.faults.scene import READERS, Scene, Strikers, strikers
from tests.protocol import test_conformance as conformance
from tests.protocol.provider import Guarantee

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What brings it to light: a blow at the step of that name, its `nth`, or what goes wrong at the provider."""

    kind: str
    step: str = ""
    nth: int = 1
    more: dict[str, Any] = field(default_factory=dict)


TRIALS = {
    "a key per attempt": Trial(kind="resend", step="after mailer.submit", nth=2),
    "the call before the intent": Trial(kind="smtp", step="after mailer.submit", nth=2),
    "the cursor alone": Trial(kind="maildir", step="before a commit", nth=2),
    "5xx is no": Trial(kind="postmark", more={"faults": ("accept_then_500",)}),
    "silence is no": Trial(kind="postmark", more={"faults": ("accept_then_drop",)}),
    "no window": Trial(kind="mailgun", more={"faults": ("accept_then_drop",), "late": timedelta(minutes=25)}),
    "no witness": Trial(kind="postmark", more={"faults": ("accept_then_drop",), "lag": timedelta(hours=3)}),
}


@pytest.fixture(scope="module")
def forks() -> Iterator[Strikers]:
    with strikers() as own:
        yield own


def test_every_guard_is_taken_out_once() -> None:
    assert {*TRIALS, "no fence", ""} == set(GAPS)


@pytest.mark.parametrize("gap", TRIALS)
def test_a_missing_guard_is_noticed_and_the_same_trial_passes_with_it(
    gap: str, tmp_path: Path, forks: Strikers
) -> None:
    trial = TRIALS[gap]
    newsroom.build(tmp_path / "site", trial.kind, READERS)
    scene = Scene(strikers=forks, template=tmp_path / "site", folder=tmp_path, kind=trial.kind, **trial.more)
    sound = scene.send(strike=strike(scene, trial))
    assert (sound.lost, sound.repeated) == (set(), set())
    missing = scene.send(strike=strike(scene, trial, gap), gap=gap)
    assert missing.lost or missing.repeated, f"nobody notices: {gap}"


def strike(scene: Scene, trial: Trial, gap: str = "") -> int:
    """The number of the step to strike at."""
    if not trial.step:
        return 0
    steps = replace(scene, faults=()).send(gap=gap).steps
    start = steps.index("before outbox.plan") if gap == "the cursor alone" or trial.kind == "maildir" else 0
    found = [at for at, step in enumerate(steps, start=1) if step == trial.step and at > start]
    return found[trial.nth - 1]


def test_a_missing_fence_is_noticed_where_the_ledger_is_held_against_the_model(
    memory_store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gaps.outbox, "_current", gaps.outbox._current)  # put back afterwards
    GAPS["no fence"]()
    try:
        with pytest.raises(AssertionError):
            conformance.test_the_ledger_does_what_the_model_does(memory_store, Guarantee.KEY)
    finally:  # what was made without it is made anew
        gaps.outbox._holding.cache_clear()
        gaps.outbox._intending.cache_clear()
