from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.kit.compact import (
    pack_ids,
    pack_positions,
    pack_runs,
    unpack_ids,
    unpack_positions,
    unpack_runs,
)

ids = st.sets(st.integers(1, 2**63 - 1)).map(lambda found: tuple(sorted(found)))


@given(ids)
def test_ids_come_back(numbers: tuple[int, ...]) -> None:
    assert unpack_ids(pack_ids(numbers)) == numbers


@given(st.lists(st.tuples(st.integers(0, 2**63 - 1), ids)).map(tuple))
def test_runs_come_back(runs: tuple[tuple[int, tuple[int, ...]], ...]) -> None:
    assert unpack_runs(pack_runs(runs)) == runs


@given(st.frozensets(st.integers(0, 5000)))
def test_positions_come_back(positions: frozenset[int]) -> None:
    assert unpack_positions(pack_positions(positions)) == positions


def test_a_million_neighbours_take_a_million_bytes() -> None:
    assert len(pack_ids(range(1, 1_000_001))) == 1_000_000


@pytest.mark.parametrize("numbers", [[2, 1], [1, 1], [0], [-5]])
def test_ids_that_do_not_ascend_are_refused(numbers: list[int]) -> None:
    with pytest.raises(ValueError, match="ascend"):
        pack_ids(numbers)


def test_negative_positions_are_refused() -> None:
    with pytest.raises(ValueError, match="from 0"):
        pack_positions({-1})


@pytest.mark.parametrize("cut", [1, 3, 4])
def test_torn_bytes_are_refused(cut: int) -> None:
    whole = pack_runs([(300, (1, 500))])
    with pytest.raises(ValueError):
        unpack_runs(whole[:cut])


def test_a_run_cannot_promise_more_than_it_holds() -> None:
    with pytest.raises(ValueError, match="promises"):
        unpack_runs(bytes([1, 0xFF, 0xFF, 0x7F]))
