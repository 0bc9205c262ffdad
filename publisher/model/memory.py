"""Words: who was told what."""

from __future__ import annotations

from typing import NamedTuple

from publisher.model.editions import Label


class Got(NamedTuple):
    """What one item of a variant told its readers: a revision of an article, or that the article is withdrawn.

    `turn` orders what was told of an article that was ever told to be withdrawn, the last one the largest; of all
    others it is 0, for the largest revision is the last."""

    article: int
    revision: int
    withdrawn: bool = False
    turn: int = 0


class Mention(NamedTuple):
    """A revision of an article that an edition tells some of its readers, and what as."""

    article: int
    revision: int
    label: Label


class Carried(NamedTuple):
    """An item of an edition that counts as sent, and the edition's slot. `partly`: not all who were to get it did."""

    article: int
    revision: int
    label: Label
    slot: str
    partly: bool = False


class Combination(NamedTuple):
    """Readers who differ in nothing that decides what they get, before anything is remembered of them."""

    topics: tuple[str, ...]
    language: str
    readers: int
