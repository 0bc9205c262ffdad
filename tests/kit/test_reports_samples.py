"""Bounces, complaints and automatic answers in the shapes that mail systems give them: tests/data/bounces, whose texts
are own inventions, with what is to be read in each in expected.json."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.kit.reports import read
from publisher.model import EventKind

SAMPLES = Path(__file__).parents[1] / "data" / "bounces"
EXPECTED = json.loads((SAMPLES / "expected.json").read_text(encoding="utf-8"))
NOW = datetime(2026, 12, 1, tzinfo=UTC)
LETTER = "<0f0e0d0c0b0a09080706050403020100@harbour-gazette.example>"
BOUNCES = [name for name, wanted in EXPECTED.items() if wanted["recipients"] and wanted["kind"] != "complaint"]


class Found(NamedTuple):
    kind: str
    recipients: frozenset[str]


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.eml").read_bytes()


def ours(name: str) -> Found:
    report = read(sample(name), now=NOW)
    (kind,) = {told.kind.value for told in report.told} or {report.kind.value}
    return Found(kind, frozenset(told.recipient for told in report.told))


@pytest.mark.parametrize("name", EXPECTED)
def test_what_a_sample_says(name: str) -> None:
    wanted = EXPECTED[name]
    assert ours(name) == Found(wanted["kind"], frozenset(wanted["recipients"]))


def test_every_sample_is_there_once() -> None:
    assert {path.stem for path in SAMPLES.glob("*.eml")} == set(EXPECTED)
    kinds = Counter(wanted["kind"] for wanted in EXPECTED.values())
    assert len(EXPECTED) >= 40
    assert min(kinds[kind] for kind in ("hard bounce", "soft bounce", "blocked", "deferred", "automatic")) >= 4


@pytest.mark.parametrize("name", [name for name in EXPECTED if LETTER.encode() in sample(name)])
def test_the_letter_that_came_back_is_found(name: str) -> None:
    assert LETTER in read(sample(name), now=NOW).message_ids


@given(st.sampled_from(BOUNCES), st.data())
def test_a_sample_in_pieces_is_read_without_an_error(name: str, data: st.DataObject) -> None:
    whole = sample(name)
    start, length = data.draw(st.integers(0, len(whole))), data.draw(st.integers(0, 200))
    report = read(whole[:start] + data.draw(st.binary(max_size=20)) + whole[start + length :], now=NOW)
    assert {told.kind for told in report.told} <= set(EventKind)
    assert report.at <= NOW


def test_a_mail_that_no_parser_survives_is_no_error() -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3000))
    assert read(nested, now=NOW).told == ()


# ---------------------------------------------------------------- beside two others

_SISIMAI = """
use strict; use warnings; use Sisimai; use JSON;
my %found;
for my $path (@ARGV) {
    my $told = Sisimai->make($path, delivered => 1) || [];
    $found{$path} = [map { [$_->recipient->address, $_->reason, $_->action // ""] } @$told];
}
print JSON->new->encode(\\%found);
"""
#: What Sisimai's reasons are in our words.
_HARD = {"userunknown", "hostunknown", "hasmoved"}
_SOFT = {"mailboxfull", "expired", "networkerror", "systemerror", "systemfull", "suspend", "filtered", "onhold"}
_BLOCKED = {
    *("blocked", "policyviolation", "spamdetected", "rejected", "securityerror", "authfailure", "badreputation"),
    *("norelaying", "contenterror", "virusdetected", "notcompliantrfc", "toomanyconn", "speeding", "mesgtoobig"),
}


def sisimai() -> dict[str, Found]:
    there = shutil.which("perl") and subprocess.run(
        ["perl", "-MSisimai", "-MJSON", "-e1"], capture_output=True, check=False
    )
    if not there or there.returncode:
        pytest.skip("no Sisimai: install it (Debian: apt-get install libsisimai-perl)")
    paths = [str(SAMPLES / f"{name}.eml") for name in BOUNCES]
    answer = subprocess.run(["perl", "-e", _SISIMAI, *paths], capture_output=True, text=True, check=True, timeout=60)
    told = json.loads(answer.stdout)
    return {name: _in_our_words(told[path]) for name, path in zip(BOUNCES, paths, strict=True)}


def _in_our_words(told: list[list[str]]) -> Found:
    kinds = {_kind(reason, action) for _, reason, action in told} or {"nothing"}
    return Found(min(kinds), frozenset(recipient for recipient, _, _ in told))


def _kind(reason: str, action: str) -> str:
    if action == "delayed":
        return "deferred"
    words = {"hard bounce": _HARD, "soft bounce": _SOFT, "blocked": _BLOCKED, "delivered": {"delivered"}}
    return next((kind for kind, reasons in words.items() if reason in reasons), reason or "nothing")


def flufl(name: str) -> Found:
    from flufl.bounce import all_failures

    temporary, permanent = all_failures(message_from_bytes(sample(name)))
    recipients = frozenset(one.decode() for one in {*temporary, *permanent})
    return Found("permanent" if permanent else "temporary" if temporary else "nothing", recipients)


def recall(found: dict[str, Found]) -> tuple[int, int]:
    """Of the samples, how many recipients and how many kinds were right."""
    wanted = {name: EXPECTED[name] for name in BOUNCES}
    recipients = sum(frozenset(one["recipients"]) <= found[name].recipients for name, one in wanted.items())
    return recipients, sum(one["kind"] == found[name].kind for name, one in wanted.items())


@pytest.mark.full
def test_we_read_at_least_what_others_read(capsys: pytest.CaptureFixture[str]) -> None:
    """Sisimai's reasons are finer than its kinds here; the lines below show where the two of us differ."""
    found = {"Publisher": {name: ours(name) for name in BOUNCES}, "Sisimai": sisimai()}
    plain = {name: flufl(name) for name in BOUNCES}
    lines = [f"{len(BOUNCES)} bounces; recipients and kinds that were read right:"]
    lines += [f"  {program:14} %d %d" % recall(theirs) for program, theirs in found.items()]
    lines += [f"  flufl.bounce   {recall(plain)[0]} (recipients alone)"]
    both = [(name, found["Publisher"][name].kind, found["Sisimai"][name].kind) for name in BOUNCES]
    lines += [f"  {name}: {mine}, says Sisimai: {theirs}" for name, mine, theirs in both if mine != theirs]
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
    assert recall(found["Publisher"]) == (len(BOUNCES), len(BOUNCES)) >= recall(found["Sisimai"])
    assert all(theirs != "hard bounce" for _, mine, theirs in both if mine in ("delivered", "deferred", "automatic"))
