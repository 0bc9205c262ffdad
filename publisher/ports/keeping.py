"""Plugs: what the store keeps of editions that have left."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol


class Kept(Protocol):
    def materials(self, hashes: Collection[str]) -> Mapping[str, bytes]:
        """The bodies with those SHA-256, as far as they are there."""
