from __future__ import annotations

from datetime import timedelta

import pytest

from publisher.cli.words import span


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (61, "1 min 1 s"),
        (3_599, "1 h"),
        (11_520, "3 h 12 min"),
        (75_599, "21 h"),
        (86_399, "1 d"),
        (187_200, "2 d 4 h"),
    ],
)
def test_a_span_is_told_in_two_units_and_rounded(seconds: int, said: str) -> None:
    assert span(timedelta(seconds=seconds)) == said
