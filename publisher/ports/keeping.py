"""Plugs: what the store keeps of editions that have left."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from publisher.model import Page


class Kept(Protocol):
    def materials(self, hashes: Collection[str]) -> Mapping[str, bytes]:
        """The bodies with those SHA-256, as far as they are there."""

    def archive(self, edition: int) -> None:
        """It leaves: it gets a page in the archive, which is due."""

    def revised(self, articles: Collection[int]) -> None:
        """The pages of editions that hold one of these are due: it says something else now, or was retracted."""

    def touched(self, edition: int) -> None:
        """Its page, where it has one, is due."""

    def due_archives(self, hidden: Collection[str], *, failed_before: datetime) -> tuple[str, ...]:
        """Newsletters with pages that are due, or that have pages and are `hidden`; without those whose last try failed
        later."""

    def due_pages(self, newsletter: str) -> tuple[tuple[int, int], ...]:
        """Pages of a newsletter that are due: the edition's id, and the state counted as `wanted`."""

    def pages(self, newsletter: str) -> tuple[Page, ...]:
        """The pages of a newsletter that lists name, the newest first."""

    def pages_built(self, pages: Mapping[int, Page], wanted: Mapping[int, int]) -> None:
        """These stand there now, by edition, as they were wanted then."""

    def page_failed(self, newsletter: str, *, at: datetime, error: str) -> None: ...

    def close_archive(self, newsletter: str) -> None:
        """No page of this newsletter stands there any more; each is due again should the archive be opened."""
