"""Words: what is looked at in a finished message before it leaves, and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from publisher.model.articles import ArticleState
from publisher.model.editions import Label


class Level(StrEnum):
    """What a finding does: `block` keeps the edition here, `warn` only tells, `off` is not looked at."""

    BLOCK = "block"
    WARN = "warn"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that would arrive broken: by which rule, where in the message, why it matters and how to mend it."""

    rule: str
    level: Level
    where: str
    why: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.rule} ({self.where}): {self.why}. {self.remedy}."


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryFact:
    """A story of the edition as it stands in the store now, and the label it is mailed with; `lost` says why the
    picture that it has was left out, "" when it was not."""

    title: str
    state: ArticleState
    published_at: datetime
    label: Label = Label.NEW
    lost: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFact:
    """What a link, or the address of a picture, answered: its HTTP status, 0 without an answer; `gone` when its host
    has no address; `bytes` is how large a picture is as a file, at least, 0 when unknown."""

    status: int = 0
    gone: bool = False
    bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainFacts:
    """The TXT records that DNS gave for a sender's domain: at the domain itself, at `_dmarc` of it or of the domain it
    belongs to, and by "selector._domainkey.domain". None, or no such name in `dkim`: DNS gave no answer."""

    spf: tuple[str, ...] | None = None
    dmarc: tuple[str, ...] | None = None
    dkim: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that is not in the message. `external`: it goes to people. `links_url` is the base of our own links, which
    are on this machine where nobody else reads them. Facts that are not known are left out, and nothing is found
    about them."""

    now: datetime
    external: bool = True
    links_url: str = ""
    postal_address: str = ""
    last_subject: str = ""
    stories: tuple[StoryFact, ...] = ()
    links: Mapping[str, LinkFact] = field(default_factory=dict)
    domain: DomainFacts = DomainFacts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """How the site wants the rules: levels other than the usual ones, by rule; whether links and DNS are asked; and the
    site's own table of what mail programs can show, b"" for the packaged one."""

    levels: Mapping[str, Level] = field(default_factory=dict)
    network: bool = True
    mail_clients: bytes = b""
