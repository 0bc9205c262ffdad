"""Plugs: what the store knows of files that have ended, and of what the hub was told."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from publisher.model import Topic


class Serving(Protocol):
    def untidy(self) -> tuple[str, ...]:
        """The slugs of feeds that are new, changed or no more since their files were last looked over; a new one
        only once it was built."""

    def tidied(self, slugs: Collection[str]) -> None:
        """Their files have been looked over."""

    def no_more(self) -> frozenset[str]:
        """The slugs of all feeds that there were and are no more."""

    def end(self, names: Collection[str], *, at: datetime) -> None:
        """These files say from now on that they are gone. One that did already goes on from when it began."""

    def ended(self, *, before: datetime) -> tuple[str, ...]:
        """The files that have said so since before that time."""

    def forget(self, names: Collection[str]) -> None:
        """They say nothing any more."""

    def changed(self, digests: Mapping[str, str]) -> None:
        """What stands in the folder now, by name of a file: the hub is to be told where that is something else than
        it was told last."""

    def waiting(self, now: datetime) -> bool:
        """Whether the hub is to be told of something now."""

    def take(self, *, now: datetime, until: datetime) -> Topic | None:
        """A change that the hub is to be told of; nobody else takes it before `until`."""

    def told(self, topic: Topic) -> None:
        """The hub knows. What changed since it was taken is still to be told."""

    def failed(self, topic: Topic, error: str, *, next_at: datetime) -> None: ...
