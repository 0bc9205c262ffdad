"""The settings.toml of a new site, from the template beside this file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
#: A domain that can stand in a mail address and in a tag: URI.
_NAME = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
#: What would have to be quoted in the name of a sender.
_SENDER = re.compile(r"[^\w .-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSite:
    """What is known about a site before it has settings. `sources` and `others` are tables of
    [[sources]]; the others are written as comments, for an editor to choose from."""

    name: str
    url: str
    language: str
    timezone: str
    year: int
    sources: Sequence[Mapping[str, object]]
    others: Sequence[Mapping[str, object]] = ()

    @property
    def text(self) -> str:
        """The file. Every value is quoted, so that nothing a site calls itself can become a setting."""
        host = _domain(self.url)
        plain = _SENDER.sub("", self.name).strip()
        words = {
            "name": self.name,
            "url": self.url,
            "language": self.language,
            "timezone": self.timezone,
            "tag_authority": f"{host},{self.year}",
            "by_section": f"{self.name}: {{name}}",
            "by_author": f"{{name}} in {self.name}",
            "daily": f"{self.name} Daily",
            "sender": f"{plain} <daily@{host.removeprefix('www.')}>",
        }
        template = (Path(__file__).parent / "site.toml").read_text(encoding="utf-8")
        tables = "\n".join([*map(_table, self.sources), *(_commented(_table(other)) for other in self.others)])
        return template.format(**{key: quoted(value) for key, value in words.items()}, sources=tables)


def _domain(url: str) -> str:
    """The domain of a site in ASCII; one that stands for it where it has no name of its own."""
    with suppress(UnicodeError):
        host = (urlsplit(url).hostname or "").encode("idna").decode("ascii")
        if _NAME.fullmatch(host):
            return host
    return "example.org"


def quoted(value: str) -> str:
    """A value as a basic string of TOML, which JSON's strings are as long as no control character is in them."""
    return json.dumps(_CONTROL.sub(" ", value).strip(), ensure_ascii=False)


def _table(source: Mapping[str, object]) -> str:
    lines = [f"{key} = {value if isinstance(value, bool) else quoted(str(value))}" for key, value in source.items()]
    return "\n".join(["[[sources]]", *lines]).replace("= True", "= true") + "\n"


def _commented(text: str) -> str:
    return "".join(f"# {line}\n" for line in text.splitlines())


def slugified(text: str, taken: Sequence[str]) -> str:
    """A source's slug from what it calls itself, or its kind; never one that is taken."""
    slug = re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-")[:40].strip("-") or "source"
    number, free = 2, slug
    while free in taken:
        free, number = f"{slug}-{number}", number + 1
    return free


def local_timezone(environment: Mapping[str, str]) -> str:
    """This machine's time zone by its IANA name; UTC when it does not say."""
    link = os.path.realpath("/etc/localtime").rpartition("/zoneinfo/")[2]
    for name in (environment.get("TZ", ""), link):
        try:
            if name:
                return ZoneInfo(name).key.removeprefix("Etc/")
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return "UTC"
