"""What is kept of editions that have left. See `ports.Kept`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from publisher.model import LedgerRow, Page, Receipt, Version
from publisher.store import _archive, _materials, _receipts
from publisher.store.engine import Access
from publisher.store.tables import archive_page


class Kept:
    def __init__(self, access: Access) -> None:
        self._access = access

    def materials(self, hashes: Collection[str]) -> Mapping[str, bytes]:
        with self._access.read() as connection:
            return _materials.get(connection, hashes)

    def archive(self, edition: int) -> None:
        with self._access.write() as connection:
            _archive.archive(connection, edition)

    def revised(self, articles: Collection[int]) -> None:
        if articles:
            with self._access.write() as connection:
                _archive.touch(connection, _archive.holding(connection, articles))

    def touched(self, edition: int) -> None:
        with self._access.write() as connection:
            _archive.touch(connection, archive_page.c.edition == edition)

    def due_archives(self, hidden: Collection[str], *, failed_before: datetime) -> tuple[str, ...]:
        with self._access.read() as connection:
            return _archive.due_archives(connection, hidden, failed_before=failed_before)

    def due_pages(self, newsletter: str) -> tuple[tuple[int, int], ...]:
        with self._access.read() as connection:
            return _archive.due_pages(connection, newsletter)

    def pages(self, newsletter: str) -> tuple[Page, ...]:
        with self._access.read() as connection:
            return _archive.pages(connection, newsletter)

    def pages_built(self, pages: Mapping[int, Page], wanted: Mapping[int, int]) -> None:
        with self._access.write() as connection:
            _archive.built(connection, pages, wanted)

    def page_failed(self, newsletter: str, *, at: datetime, error: str) -> None:
        with self._access.write() as connection:
            _archive.failed(connection, newsletter, at=at, error=error)

    def close_archive(self, newsletter: str) -> None:
        with self._access.write() as connection:
            _archive.close(connection, newsletter)

    def due_receipts(self, limit: int) -> tuple[int, ...]:
        with self._access.read() as connection:
            return _receipts.due(connection, limit)

    def receipt(self, edition: int) -> Receipt | None:
        with self._access.read() as connection:
            return _receipts.last(connection, edition)

    def newest_receipt(self, newsletter: str) -> str:
        with self._access.read() as connection:
            return _receipts.newest(connection, newsletter)

    def has_receipt(self, hash: str) -> bool:
        with self._access.read() as connection:
            return _receipts.has(connection, hash)

    def add_receipt(self, receipt: Receipt) -> bool:
        with self._access.write() as connection:
            return _receipts.add(connection, receipt)

    def went_on(self, edition: int) -> None:
        with self._access.write() as connection:
            _receipts.went_on(connection, edition)

    def columns(self) -> Mapping[str, Sequence[str]]:
        return _receipts.columns()

    def ledger(self, edition: int, columns: Mapping[str, Sequence[str]]) -> Iterator[LedgerRow]:
        with self._access.read() as connection:
            yield from _receipts.ledger(connection, edition, columns)

    def told(self, edition: int) -> Iterator[LedgerRow]:
        with self._access.read() as connection:
            yield from _receipts.told(connection, edition)

    def versions(self, edition: int) -> tuple[Version, ...]:
        with self._access.read() as connection:
            return _receipts.versions(connection, edition)

    def to_be_told(self, limit: int) -> tuple[int, ...]:
        with self._access.read() as connection:
            return _receipts.to_be_told(connection, limit)

    def seal_told(self, edition: int, *, told: str, seal: str, telling: int) -> None:
        with self._access.write() as connection:
            _receipts.seal_told(connection, edition, told=told, seal=seal, telling=telling)

    def telling(self, edition: int) -> int:
        with self._access.read() as connection:
            return _receipts.counted(connection, edition)
