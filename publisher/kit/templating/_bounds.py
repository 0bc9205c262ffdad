"""What a template may cost: computing time, and the size of anything it makes.

Python cannot stop a long loop or a large multiplication from outside, so each is asked beforehand: every turn of a
loop, every call and every filter looks at the clock, and no single operation may make something huge.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, Final

from jinja2.exceptions import SecurityError

#: The most steps that `range` takes in a template.
MAXIMUM_STEPS: Final = 1_000
#: The longest output of one template, and the longest string or list made on the way, in characters or members.
MAXIMUM_OUTPUT: Final = 2_000_000
#: The widest number that may be made, in bits.
MAXIMUM_BITS: Final = 1_024
#: The most computing time one template may take, in seconds of its own thread: waiting for a busy machine is free.
MAXIMUM_SECONDS: Final = 1.0

_LOOKS: Final = 32  # turns between two looks at the clock: a look is a call into the kernel
_MADE: Final = 20 * MAXIMUM_OUTPUT  # characters that one rendering may make altogether, kept or thrown away
# A field's width of five digits, or one taken from a value.
_WIDE: Final = re.compile(r"%[-+ #0]*\*|%[^a-zA-Z%]*\d{5}|\{[^{}]*:[^{}]*(?:\d{5}|\{)")
_WIDTHS: Final = frozenset({"batch", "center", "expandtabs", "indent", "ljust", "rjust", "round", "slice", "zfill"})
_FORMATS: Final = frozenset({"format", "format_map"})
_MANIFOLD: Final = frozenset({"join", "replace", "translate"})
#: Filters and methods that `check` has something to say about.
_CHECKED: Final = _WIDTHS | _FORMATS | _MANIFOLD


class _Budget:
    __slots__ = ("ends", "made", "turns")

    def __init__(self) -> None:
        self.ends = time.thread_time() + MAXIMUM_SECONDS
        self.turns = 0
        self.made = 0


_BUDGET: Final[ContextVar[_Budget | None]] = ContextVar("budget", default=None)


@contextmanager
def budget() -> Iterator[None]:
    """What happens within it, in this thread, may take MAXIMUM_SECONDS; after that `turn` raises SecurityError."""
    before = _BUDGET.set(_Budget())
    try:
        yield
    finally:
        _BUDGET.reset(before)


def turn(makes: int = 0) -> None:
    """One more step of the template at work, which makes so many characters."""
    if (left := _BUDGET.get()) is None:
        return
    left.turns += 1
    left.made += makes
    if left.made > _MADE:
        raise SecurityError(f"it makes more than {_MADE:,} characters on its way")
    if left.turns % _LOOKS == 0 and time.thread_time() > left.ends:
        raise SecurityError(f"it takes longer than {MAXIMUM_SECONDS:g} s; make its loops shorter")


def turns(values: Iterable[Any], makes: int = 0) -> Iterator[Any]:
    """The same values, each of them a step that makes so many characters."""
    for value in values:
        turn(makes)
        yield value


def bounded_range(*bounds: int) -> range:
    """`range` for templates."""
    steps = range(*bounds)
    if len(steps) > MAXIMUM_STEPS:
        raise SecurityError(f"a range may have at most {MAXIMUM_STEPS:,} steps")
    return steps


def bounded_filter(name: str, filter: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose arguments and result are looked at; it is still passed what it was passed before."""

    @wraps(filter)
    def bounded(*values: Any, **named: Any) -> Any:
        given = [list(turns(value)) if isinstance(value, Iterator) else value for value in values]
        if name in _CHECKED:
            check(name, (*given, *named.values()))
        return small(filter(*given, **named))

    return bounded


def check_call(function: Any, values: Iterable[Any]) -> None:
    """As `check`, of a function or of a method and the value it belongs to."""
    name = getattr(function, "__name__", "")
    if name in _CHECKED:
        check(name, (getattr(function, "__self__", None), *values))


def check(name: str, values: Iterable[Any]) -> None:
    """Raises SecurityError where a filter or method of that name would make something huge of these values."""
    if name in _WIDTHS and any(isinstance(value, int) and abs(value) > MAXIMUM_STEPS for value in values):
        raise SecurityError(f"{name} takes no number over {MAXIMUM_STEPS:,}")
    if name in _FORMATS and any(isinstance(value, str) and _WIDE.search(value) for value in list(values)[:2]):
        raise SecurityError("this format asks for too wide a field")
    if name in _MANIFOLD:
        product = 1
        for value in values:
            product *= max(1, _size(value))
        if product > MAXIMUM_OUTPUT * 10:
            raise SecurityError(f"{name} would make too long a text")


def small(value: Any) -> Any:
    """The value, unless it is longer than anything a template may make: then SecurityError. Counts as a step."""
    size = len(value) if isinstance(value, str) else _size(value)
    if size > MAXIMUM_OUTPUT:
        raise SecurityError(f"it makes something longer than {MAXIMUM_OUTPUT:,} characters")
    turn(size)
    return value


def check_operator(operator: str, left: Any, right: Any) -> None:
    """Raises SecurityError where `left operator right` would be huge."""
    numbers = isinstance(left, int) and isinstance(right, int)
    if operator == "**" and (abs(right) > MAXIMUM_BITS or abs(left) > 2**MAXIMUM_BITS):
        raise SecurityError("this power is too large")
    if operator == "*" and numbers and left.bit_length() + right.bit_length() > MAXIMUM_BITS:
        raise SecurityError("this number is too large")
    if operator == "*" and not numbers:
        for many, times in ((left, right), (right, left)):
            if isinstance(times, int) and _size(many) * times > MAXIMUM_OUTPUT:
                raise SecurityError("this repetition is too long")
    if operator == "+" and _size(left) + _size(right) > MAXIMUM_OUTPUT:
        raise SecurityError(f"it makes something longer than {MAXIMUM_OUTPUT:,} characters")
    if operator == "%" and isinstance(left, str):
        check("format", (left,))


def _size(value: Any) -> int:
    """The characters of a text, or of all texts in a list; 0 for what is neither."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list | tuple):
        return sum(len(member) if isinstance(member, str) else 1 for member in value)
    return 0
