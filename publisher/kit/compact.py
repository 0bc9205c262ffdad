"""Small forms of large sets of numbers: ascending ids as delta varints, positions as bitmaps.

A million recipients take about one and a half megabytes as a batch's runs, and an eighth of one as a bitmap.
Reading raises ValueError when the bytes are torn. A varint is LEB128: seven bits a byte, low bits first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate
from operator import sub

#: Ids are 64-bit: no varint is longer than ten bytes.
_LONGEST = 10
#: Ids of which it pays to look at all first: a batch of whole messages has many runs of a few.
_MANY = 8


def pack_ids(ids: Sequence[int]) -> bytes:
    """Ids, strictly ascending and from 1, as the varints of their differences."""
    out = bytearray()
    _write_ids(out, ids)
    return bytes(out)


def unpack_ids(data: bytes) -> tuple[int, ...]:
    ids: list[int] = []
    previous, at = 0, 0
    while at < len(data):
        step, at = _read(data, at)
        previous = _later(previous, step)
        ids.append(previous)
    return tuple(ids)


def pack_runs(runs: Iterable[tuple[int, Sequence[int]]]) -> bytes:
    """Runs of (variant, its subscribers' ascending ids): variant, count, differences, and so on."""
    out = bytearray()
    for variant, ids in runs:
        _write(out, variant)
        _write(out, len(ids))
        _write_ids(out, ids)
    return bytes(out)


def unpack_runs(data: bytes) -> tuple[tuple[int, tuple[int, ...]], ...]:
    runs: list[tuple[int, tuple[int, ...]]] = []
    at = 0
    while at < len(data):
        variant, at = _read(data, at)
        count, at = _read(data, at)
        if count > len(data) - at:
            raise ValueError("a run promises more ids than there are bytes")
        ids, at = _read_ids(data, at, count)
        runs.append((variant, ids))
    return tuple(runs)


def pack_positions(positions: Collection[int]) -> bytes:
    """A set of positions from 0 as a bitmap, position 0 the lowest bit of the first byte; b"" when empty."""
    if not positions:
        return b""
    if min(positions) < 0:
        raise ValueError("positions count from 0")
    bitmap = bytearray(max(positions) // 8 + 1)
    for position in positions:
        bitmap[position >> 3] |= 1 << (position & 7)
    return bytes(bitmap)


def unpack_positions(data: bytes) -> frozenset[int]:
    return frozenset(at * 8 + bit for at, byte in enumerate(data) if byte for bit in range(8) if byte >> bit & 1)


def _write_ids(out: bytearray, ids: Sequence[int]) -> None:
    if len(ids) > _MANY:
        steps = list(map(sub, ids[1:], ids))
        if min(steps) > 0 and max(steps) < 0x80 and ids[0] > 0:  # as in most batches: a byte each
            _write(out, ids[0])
            out += bytes(steps)
            return
    previous = 0
    for id in ids:
        step = id - previous
        if step <= 0:
            raise ValueError(f"ids must ascend from 1: {id} follows {previous}")
        if step < 0x80:
            out.append(step)
        else:
            _write(out, step)
        previous = id


def _read_ids(data: bytes, at: int, count: int) -> tuple[tuple[int, ...], int]:
    """So many ids, and where they end."""
    first, at = _read(data, at) if count else (0, at)
    steps = data[at : at + count - 1] if count else b""
    if first and steps.isascii() and 0 not in steps:  # each difference is one byte, as in most batches
        return tuple(accumulate(steps, initial=first)), at + len(steps)
    ids, previous = [_later(0, first)] if count else [], first
    for _ in range(count - 1):
        step, at = _read(data, at)
        previous = _later(previous, step)
        ids.append(previous)
    return tuple(ids), at


def _later(previous: int, step: int) -> int:
    if not step:
        raise ValueError("ids must ascend")
    return previous + step


def _write(out: bytearray, number: int) -> None:
    if number < 0:
        raise ValueError(f"{number} is negative")
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _read(data: bytes, at: int) -> tuple[int, int]:
    """The varint that starts there, and where the next one does."""
    number, shift = 0, 0
    for end in range(at, min(at + _LONGEST, len(data))):
        byte = data[end]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, end + 1
        shift += 7
    raise ValueError("a number is cut off")
