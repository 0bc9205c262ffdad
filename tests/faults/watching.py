"""Parts that tell of every call of a port, before it and after it: so each step of a sender has a name and can be
struck, and no line of Publisher knows of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from publisher.ports import Parts

#: Told the call ("outbox.claim"), whether it is over, its arguments, and its result.
Seen = Callable[[str, bool, tuple[Any, ...], Any], None]

_ROLES = ("sources", "articles", "feeds", "decisions", "editions", "outbox", "audience", "notices", "events")


class Watched:
    """Any port. What is no method is passed on."""

    def __init__(self, part: Any, name: str, seen: Seen) -> None:
        self._part, self._name, self._seen = part, name, seen

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(self._part, attribute)
        if not callable(value):
            return value

        def call(*given: Any, **named: Any) -> Any:
            step = f"{self._name}.{attribute}"
            self._seen(step, False, given, None)
            result = value(*given, **named)
            self._seen(step, True, given, result)
            return result

        return call


class WatchedStore:
    """`ports.Store`, whose roles are watched; a transaction's commit is a step too."""

    def __init__(self, store: Any, seen: Seen) -> None:
        self._store, self._seen = store, seen
        for role in _ROLES:
            setattr(self, role, Watched(getattr(store, role), role, seen))

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._store, attribute)

    @contextmanager
    def transaction(self) -> Iterator[WatchedStore]:
        self._seen("begin", False, (), None)
        try:
            with self._store.transaction() as inner:
                yield WatchedStore(inner, self._seen)
                self._seen("commit", False, (), None)
        except BaseException:
            self._seen("rollback", True, (), None)
            raise
        self._seen("commit", True, (), None)


def watched(parts: Parts, mailer: str, seen: Seen) -> Parts:
    """The same parts, with the store and one mailer watched."""
    mailers = {**parts.mailers, mailer: Watched(parts.mailers[mailer], "mailer", seen)}
    return replace(parts, store=WatchedStore(parts.store, seen), mailers=mailers)
