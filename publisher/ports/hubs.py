"""Plugs: hubs that tell of news, and what we have asked them for."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Literal, Protocol

from publisher.model import HubLease


class HubCaller(Protocol):
    def ask(self, lease: HubLease, mode: Literal["subscribe", "unsubscribe"], *, allow_private: bool) -> None:
        """Ask a hub to begin, or to stop; it makes sure by calling us, maybe before this returns. Raises
        SourceUnavailable, SourceInvalid."""


class Hubs(Protocol):
    """Leases, each with a hub for one source. Those that are left stay until the hub has understood."""

    def want(self, lease: HubLease, *, at: datetime) -> None:
        """The hub that a source names now; asking it is due, unless that very lease is there. Those of others are
        left."""

    def leave(self, source: str, *, at: datetime) -> None:
        """A source has no hub any more."""

    def keep(self, sources: Collection[str], *, callbacks: str, at: datetime) -> None:
        """Leave the leases of all other sources, and those whose callback does not begin so."""

    def due(self, now: datetime) -> tuple[int, ...]:
        """Ids of leases that are to be asked for, renewed or left now."""

    def wanted(self) -> tuple[HubLease, ...]:
        """All that are not being left, by source."""

    def get(self, id: int) -> HubLease | None: ...

    def find(self, key: str) -> HubLease | None: ...

    def asked(self, id: int, *, again: datetime, failures: int, error: str) -> None:
        """The hub is asked again at that time, unless it says something before."""

    def confirmed(self, id: int, *, until: datetime, renew: datetime) -> None: ...

    def drop(self, id: int) -> None: ...
