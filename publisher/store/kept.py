"""What is kept of editions that have left. See `ports.Kept`."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from publisher.store import _materials
from publisher.store.engine import Access


class Kept:
    def __init__(self, access: Access) -> None:
        self._access = access

    def materials(self, hashes: Collection[str]) -> Mapping[str, bytes]:
        with self._access.read() as connection:
            return _materials.get(connection, hashes)
