"""Who is in the first wave, and what is made of how it fares."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from publisher import deliver
from publisher.deliver.waves import divided, every
from publisher.model import EventKind, FirstWave, Rendered, Sums, Variant, Wave
from tests.people import NOW, edition

RULES = FirstWave(recipients=1000)
SHOWN = Variant(key="v", language="en", template="t", rendered=Rendered(subject="", html="", text=""), content_hash="c")


def wave(*, accepted: int = 1000, rejected: int = 0, unknown: int = 0, open: int = 0, **events: int) -> Wave:
    return Wave(
        sums=Sums(planned=accepted + rejected + unknown, accepted=accepted, rejected=rejected, unknown=unknown),
        open=open,
        ended_at=NOW,
        events={EventKind(kind.replace("_", " ")): number for kind, number in events.items()},
    )


def test_the_first_wave_is_spread_over_everybody_whatever_the_chunks() -> None:
    chosen = [(subscriber, SHOWN) for subscriber in range(100, 1100)]
    whole, rest = divided(chosen, edition(), 40)
    assert [subscriber for subscriber, _ in whole] == list(range(100, 1100, 40))
    assert sorted((*whole, *rest)) == chosen
    pieces, planned = [], 0
    for size in (1, 7, 333, 500, 159):
        pieces += divided(chosen[planned : planned + size], edition(planned=planned), 40)[0]
        planned += size
    assert pieces == list(whole)


@pytest.mark.parametrize(
    ("rules", "priority", "readers", "step"),
    [
        (FirstWave(), 0, 1_000_000, 0),
        (RULES, 0, 3_999, 0),
        (RULES, 0, 4_000, 4),
        (RULES, 0, 1_000_000, 1000),
        (RULES, 100, 1_000_000, 0),
    ],
    ids=["not asked for", "too few readers", "just enough", "many", "urgent"],
)
def test_a_first_wave_is_made_where_it_is_worth_it(rules: FirstWave, priority: int, readers: int, step: int) -> None:
    assert every(rules, edition(priority=priority), readers) == step


@pytest.mark.parametrize(
    ("fared", "said"),
    [
        (wave(), ""),
        (wave(accepted=950, rejected=50), ""),
        (wave(accepted=949, rejected=51), "51 were rejected"),
        (wave(hard_bounce=30, soft_bounce=21), "51 bounced"),
        (wave(blocked=21), "21 were blocked"),
        (wave(complaint=3), ""),
        (wave(complaint=4), "4 were complained about"),
        (wave(accepted=20, complaint=2), ""),
        (wave(accepted=880, unknown=120), "what became of 120 of 1,000"),
        (wave(accepted=880, unknown=120, open=1), ""),
    ],
)
def test_bad_rates_are_told_in_words(fared: Wave, said: str) -> None:
    why = deliver.too_bad(fared, RULES)
    assert said in why
    assert bool(said) == bool(why)


def test_the_rest_may_go_when_time_was_given_to_complain() -> None:
    assert not deliver.over(wave(), RULES, NOW + timedelta(minutes=29))
    assert deliver.over(wave(), RULES, NOW + timedelta(minutes=30))
    assert not deliver.over(replace(wave(), ended_at=None), RULES, NOW + timedelta(hours=9))
    assert not deliver.over(wave(accepted=899, unknown=101, open=1), RULES, NOW + timedelta(hours=9))
    assert deliver.over(wave(accepted=900, unknown=100, open=1), RULES, NOW + timedelta(hours=9))
