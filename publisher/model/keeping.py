"""Words: what is kept of an edition, so that it can be shown, made again and accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from publisher.model.articles import Article
from publisher.model.editions import Item, Newsletter, Slot
from publisher.model.house import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All that a variant is made from: the same recipe makes the same bytes.

    `articles` hold the revision and the picture that were shown, by id; `templates` are the sources of the template
    and all it refers to, by name; `publisher` is the version that made it.
    """

    newsletter: Newsletter
    site: Site
    slot: Slot
    language: str
    online_url: str
    now: datetime
    items: tuple[Item, ...]
    articles: Mapping[int, Article]
    templates: Mapping[str, bytes]
    publisher: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An edition's page in the archive, as lists tell of it.

    `name` is its file; `at` when the edition was approved; `stories` how many it holds; `notice` is "correction" or
    "retraction" when something of it was taken back since, or it tells of a retraction itself, "" else; `updated_at`
    when that was said last, else `at`. `content` is what a feed shows of it, HTML. `listed` is false of one that
    nobody got after all.
    """

    edition: int
    name: str
    subject: str
    language: str
    at: datetime
    stories: int
    notice: str = ""
    updated_at: datetime
    content: str = ""
    listed: bool = True


class LedgerRow(NamedTuple):
    """A row of an edition's ledger: the `table` it stands in, `name` within it, the batch's sequence number that it is
    about (-1: none), and its values as JSON has them, by column."""

    table: str
    name: str
    batch: int
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A variant as a receipt tells of it. `supersedes` is the key of the variant in whose place it went, "" for none;
    `readers` are those whose letters with it were accepted."""

    key: str
    language: str
    template: str
    subject: str
    content_hash: str
    recipe: str
    supersedes: str
    readers: int
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """An edition's account, sealed. `body` is its canonical JSON, `hash` the SHA-256 of that, `seal` an HMAC with a
    key of the site. `number` counts the edition's receipts from 1: one that went on after it was done gets another.

    `told` is the digest of what events told of single letters, which may become more: it is sealed (`told_seal`) anew
    when it did, and while `telling` that has yet to be done.
    """

    edition: int
    number: int
    body: str
    hash: str
    seal: str
    made_at: datetime
    finished_at: datetime | None
    told: str = ""
    told_seal: str = ""
    telling: bool = False
