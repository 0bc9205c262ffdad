"""Receipts: what is written of a large edition stays small, and still finds one row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from publisher import keep
from publisher.model import LedgerRow, Sums
from tests.people import edition

COLUMNS = {"batch": ("state",), "plan_exclusion": ("n",)}


def rows(batches: int, *, but: Mapping[int, str] | None = None) -> Iterator[LedgerRow]:
    for number in range(batches):
        yield LedgerRow("batch", str(number), number, {"state": (but or {}).get(number, "accepted")})
    yield LedgerRow("plan_exclusion", "0/pending", -1, {"n": 1})


def account(batches: int, sums: Sums) -> dict[str, Any]:
    there = edition(planned=batches)
    return keep.document(there, sums, (), rows(batches), COLUMNS, skips={}, batches=batches, before="")


@pytest.mark.parametrize(
    ("batches", "named"), [(10, "batch 7"), (1_500, "batch 6 to 8: one"), (9_999, "batch 0 to 19")]
)
def test_a_receipt_of_any_size_finds_one_batch(batches: int, named: str) -> None:
    sums = Sums(candidates=batches + 1, excluded={"pending": 1}, planned=batches, accepted=batches)
    said = account(batches, sums)
    assert len(said["rows"]["batch"]) <= 500
    assert list(keep.problems(said, sums, (), rows(batches))) == []
    [problem] = keep.problems(said, sums, (), rows(batches, but={7: "held"}))
    assert problem.startswith(named)
    assert problem.endswith("was altered")


@pytest.mark.parametrize(
    "wrong",
    [
        Sums(candidates=12, excluded={"pending": 1}, planned=10, accepted=10),
        Sums(candidates=11, excluded={"pending": 1}, planned=10, accepted=8, unknown=1),
    ],
)
def test_sums_that_do_not_add_up_are_said(wrong: Sums) -> None:
    assert list(keep.problems(account(10, wrong), wrong, (), rows(10)))


def test_an_added_row_and_one_that_is_gone_are_named() -> None:
    sums = Sums(candidates=11, excluded={"pending": 1}, planned=10, accepted=10)
    assert list(keep.problems(account(10, sums), sums, (), rows(11))) == ["batch 10 was added"]
    assert list(keep.problems(account(10, sums), sums, (), rows(9))) == ["batch 9 is gone"]


def test_only_the_key_of_the_site_seals() -> None:
    made = keep.seal(b"k" * 32, "account")
    assert keep.is_sealed([b"new" * 9, b"k" * 32], "account", made)  # a key that is no longer the first still counts
    assert not keep.is_sealed([b"other" * 6], "account", made)
    assert not keep.is_sealed([b"k" * 32], "accounts", made)


def test_the_account_of_an_edition_says_who_let_it_go() -> None:
    said = keep.document(
        replace(edition(), approved_by="Aoife Brennan"), Sums(), (), iter(()), {}, skips={}, batches=0, before="x"
    )
    assert (said["approved"]["by"], said["before"]) == ("Aoife Brennan", "x")
