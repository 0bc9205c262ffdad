"""What became of everybody, judged by the log of the provider alone; and the table of all cells."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass

from tests.faults.posts import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One cell. `unknown` are listed by name for a person, of whom `had` had got it; there can be `bound` of them."""

    guarantee: str
    mailer: str
    database: str
    recipients: int
    kills: int
    in_flight: int
    more: str
    lost: int
    repeated: int
    unknown: int
    had: int
    bound: int
    seconds: float
    seed: int

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def judge(
    kind: Kind, audience: Collection[str], arrived: Iterable[str], named: Collection[str]
) -> tuple[set[str], dict[str, int], int]:
    """(lost and not named, who was mailed twice, how many of the named had got it)."""
    counted = Counter(arrived)
    everybody = set(audience)
    strangers = set(counted) - everybody
    assert not strangers, f"mailed, and not in the audience: {sorted(strangers)[:5]}"
    lost = everybody - set(counted) - set(named)
    repeated = {reader: times for reader, times in counted.items() if times > 1}
    return lost, repeated, len(set(named) & set(counted))


def _unknown(row: Row) -> str:
    if not row.unknown and not row.bound:
        return "0"
    return f"{row.unknown:,} (bound {row.bound:,}; {row.had:,} had it)"


_COLUMNS: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("guarantee", lambda row: row.guarantee),
    ("mailer", lambda row: row.mailer),
    ("database", lambda row: row.database),
    ("recipients", lambda row: f"{row.recipients:,}"),
    ("kills", lambda row: f"{row.kills:,}"),
    ("of them between intent and settle", lambda row: f"{row.in_flight:,}"),
    ("besides", lambda row: row.more),
    ("lost", lambda row: f"{row.lost:,}"),
    ("repeated", lambda row: f"{row.repeated:,}"),
    ("unknown, each named", _unknown),
    ("seconds", lambda row: f"{row.seconds:.0f}"),
    ("seed", lambda row: str(row.seed)),
)


def table(rows: Iterable[Row]) -> str:
    """Markdown, in columns."""
    heads = [head for head, _ in _COLUMNS]
    cells = [heads, *([shown(row) for _, shown in _COLUMNS] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(heads))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])
