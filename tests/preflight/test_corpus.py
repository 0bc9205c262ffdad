"""What would arrive broken is seen, by the rule that is there for it; what newsrooms send is let through."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import pytest

from publisher import preflight
from publisher.model import Finding, Level
from tests.preflight.messages import ROOT, Described, described, made

BAD = list(described("bad.toml"))
CLEAN = list(described("clean.toml"))


@cache
def found(file: str, name: str) -> tuple[Finding, ...]:
    one = next(one for one in described(file) if one.name == name)
    return preflight.check(*made(one))


@dataclass(frozen=True)
class Score:
    """Over pairs of a message and a rule: `hits` were wanted and seen."""

    hits: int
    missed: int
    false: int

    @property
    def precision(self) -> float:
        return self.hits / (self.hits + self.false)

    @property
    def recall(self) -> float:
        return self.hits / (self.hits + self.missed)


def score(without: str = "") -> Score:
    wanted = {(one.name, rule) for one in BAD for rule in one.finds}
    seen = {(one.name, finding.rule) for one in BAD for finding in found("bad.toml", one.name)}
    seen |= {(one.name, finding.rule) for one in CLEAN for finding in found("clean.toml", one.name)}
    seen = {pair for pair in seen if pair[1] != without}
    return Score(hits=len(wanted & seen), missed=len(wanted - seen), false=len(seen - wanted))


@pytest.mark.parametrize("one", BAD, ids=lambda one: one.name)
def test_what_would_arrive_broken_is_seen(one: Described) -> None:
    assert {finding.rule for finding in found("bad.toml", one.name)} == one.finds


@pytest.mark.parametrize("one", CLEAN, ids=lambda one: one.name)
def test_what_newsrooms_send_is_not_kept_back(one: Described) -> None:
    assert not preflight.blocking(found("clean.toml", one.name))


def test_precision_and_recall(report: Callable[[str], None]) -> None:
    all_rules = score()
    report(
        f"{len(BAD)} bad and {len(CLEAN)} clean messages, {len(preflight.RULES)} rules:"
        f" {all_rules.hits} wanted and seen, {all_rules.missed} missed, {all_rules.false} seen and not wanted;"
        f" precision {all_rules.precision:.3f}, recall {all_rules.recall:.3f}"
    )
    assert len(BAD) >= 60
    assert len(CLEAN) >= 30
    assert all_rules.recall == 1
    assert all_rules.precision > 0.98


@pytest.mark.parametrize("rule", preflight.RULES)
def test_no_rule_can_be_spared(rule: str) -> None:
    assert score(without=rule).recall < score().recall


@pytest.mark.parametrize("rule", ["clip", "link-dead", "dkim"])
def test_a_rule_that_is_off_sees_nothing(rule: str) -> None:
    one = next(one for one in BAD if one.finds == {rule})
    data, situation = made(one)
    assert [finding.rule for finding in preflight.check(data, situation)] == [rule]
    assert not preflight.check(data, situation, levels={rule: Level.OFF})


def test_a_rule_has_the_level_that_the_site_gives_it() -> None:
    one = next(one for one in BAD if one.finds == {"link-plain"})
    assert not preflight.blocking(preflight.check(*made(one)))
    (finding,) = preflight.blocking(preflight.check(*made(one), levels={"link-plain": Level.BLOCK}))
    assert "http://harbour-gazette.example/stories/3" in finding.where
    assert finding.remedy == "Use https"


def test_what_an_editor_overrides_only_warns() -> None:
    one = next(one for one in BAD if one.finds == {"retracted"})
    (finding,) = preflight.check(*made(one), overridden=["retracted"])
    assert finding.level is Level.WARN
    assert not preflight.in_words([finding])


def test_why_an_edition_stays_names_the_place_and_the_remedy() -> None:
    one = next(one for one in BAD if one.name == "a greeting that was not filled in")
    said = preflight.in_words(preflight.check(*made(one)))
    assert said.startswith("preflight: template (the HTML part)")
    assert "{{ first_name }}" in said
    assert "Correct the template" in said


# ---------------------------------------------------------------- the guide

GUIDE = ROOT / "docs" / "guides" / "preflight.md"


def documented() -> dict[str, str]:
    rows = re.findall(r"^\| `([a-z-]+)` \| (block|warn) \| (.+) \| (.+) \|$", GUIDE.read_text(), re.MULTILINE)
    return {rule: level for rule, level, *_ in rows}


def test_every_rule_is_in_the_guide_with_its_level_and_nothing_else() -> None:
    assert documented() == {name: str(rule.level) for name, rule in preflight.RULES.items()}
