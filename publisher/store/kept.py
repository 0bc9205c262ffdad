"""What is kept of editions that have left. See `ports.Kept`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from publisher.model import Page
from publisher.store import _archive, _materials
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
