"""Plugs: what the store remembers of who was sent what."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from publisher.model import Carried, Got


class Memory(Protocol):
    """Asked of the items of variants and the members of batches: there is no row for a reader and an article."""

    def outdated(self, newsletter: str, since: datetime) -> tuple[Carried, ...]:
        """All that editions composed since then carried, and that count as sent, of articles of which one carried a
        revision that is not the current one, or that are or were retracted; the editions of each article in the order
        in which they were made."""

    def variants(self, newsletter: str, articles: Collection[int], *, but: int) -> Mapping[int, frozenset[Got]]:
        """By variant of all editions of a newsletter but that one: what it tells of these articles; only those that
        tell of any."""

    def version(self, newsletter: str, *, but: int) -> int:
        """A number that changes whenever part of an edition of the newsletter, other than that one, is planned."""

    def due(self, edition_id: int) -> frozenset[int]:
        """The articles of which an edition corrects or withdraws something for some reader."""

    def missed(self, edition_id: int) -> Iterator[tuple[int, frozenset[int]]]:
        """The subscribers for whom it was to do so and as things stand did not, since their letter was refused, skipped
        or cancelled, each with the articles."""

    def readers(self, variants: Collection[int], *, after: int, upto: int) -> Iterator[tuple[int, Sequence[int]]]:
        """Who was sent these variants, or may have been, or is about to be: (variant, subscribers with after < id <=
        upto). A reader may be named again."""
