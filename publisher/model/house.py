"""Words: the site itself, and work that is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The newsroom's site. `public_url` is the base of every link to us, without a closing slash, ""
    when unset; `local_url` is where the built-in server answers on this machine. `gone` is how long a file of the
    feed folder that has ended says so. `tag_authority` is the authority and date of tag: URIs (RFC 4151), such as
    "example.org,2026"."""

    name: str
    url: str
    language: str
    timezone: str
    public_url: str = ""
    tag_authority: str
    local_url: str = ""
    postal_address: str = ""
    hub: str = ""
    gone: timedelta = timedelta(days=90)
    alarms: tuple[str, ...] = ()
    alarm_mailer: str = ""
    alarm_sender: str = ""

    @property
    def links_url(self) -> str:
        """The base of links in mail: the public one, or this machine's own while there is none."""
        return self.public_url or self.local_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Something that is due: a kind ("collect", "deliver", ...) and a key. Higher priority goes first. Work with
    the same turn is never done at the same time; "" is no turn."""

    kind: str
    key: str
    priority: int = 0
    turn: str = ""
