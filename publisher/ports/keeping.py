"""Plugs: what the store keeps of editions that have left."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from publisher.model import LedgerRow, Page, Receipt, Version


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

    def due_receipts(self, limit: int) -> tuple[int, ...]:
        """Editions, by id, that are over, with no batch that can still change, and that have no receipt of that."""

    def receipt(self, edition: int) -> Receipt | None:
        """The last one."""

    def newest_receipt(self, newsletter: str) -> str:
        """The hash of the receipt that was made last for an edition of a newsletter, "" without one."""

    def has_receipt(self, hash: str) -> bool:
        """Whether there is a receipt with that hash."""

    def add_receipt(self, receipt: Receipt) -> bool:
        """False when somebody else made it meanwhile."""

    def went_on(self, edition: int) -> None:
        """Something became of it after its receipt was made: it gets another one."""

    def columns(self) -> Mapping[str, Sequence[str]]:
        """By table: the columns that a receipt made now vouches for."""

    def ledger(self, edition: int, columns: Mapping[str, Sequence[str]]) -> Iterator[LedgerRow]:
        """The rows of an edition's ledger as they are, table by table in a fixed order, without holding them all."""

    def told(self, edition: int) -> Iterator[LedgerRow]:
        """What events told of single letters."""

    def versions(self, edition: int) -> tuple[Version, ...]: ...

    def to_be_told(self, limit: int) -> tuple[int, ...]:
        """Editions of whose letters events told more since that was sealed."""

    def seal_told(self, edition: int, *, told: str, seal: str, telling: int) -> None:
        """What had been told when `telling` was counted is sealed."""

    def telling(self, edition: int) -> int:
        """How often events have told something of its letters since it has a receipt."""
