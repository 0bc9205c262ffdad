"""settings.toml and the environment, read and checked: every problem at once, each with its key and remedy."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import time, timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from publisher.errors import Problem, SettingsError

SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?")
DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
TAG_AUTHORITY = re.compile(r"[a-z0-9.@_-]+,\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")
#: A value under such a key, or an address with a password in it, is never shown.
SECRET = re.compile(r"(pass|secret|token|key)[^=_]*=|://[^/@]*:[^/@]*@", re.IGNORECASE)
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def _slug(value: str) -> str:
    if not SLUG.fullmatch(value):
        raise ValueError("use small letters, digits and hyphens, such as 'daily-news'")
    return value


def _address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("give a whole address, such as 'https://example.org'")
    if parts.password:
        raise ValueError("take the password out of the address and name an environment variable instead")
    return value


def _base(value: str) -> str:
    """An address that others are made from, without a closing slash."""
    return _address(value).rstrip("/")


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("give a time zone by its IANA name, such as 'Europe/Dublin'") from None
    return value


def _duration(value: object) -> object:
    if not isinstance(value, str):
        return value if isinstance(value, timedelta) else str(value)
    match = DURATION.fullmatch(value.replace(" ", ""))
    if not value or not match:
        raise ValueError("give a time span such as '90s', '10m', '6h', '3d' or '1h30m'")
    days, hours, minutes, seconds = (int(number or 0) for number in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _clock_time(value: object) -> object:
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        raise ValueError("give a time of day such as '07:00'")
    return time.fromisoformat(value)


def _mailbox(value: str) -> str:
    domain = parseaddr(value)[1].rpartition("@")[2]
    if "\n" in value or "\r" in value or not parseaddr(value)[1].rpartition("@")[0] or "." not in domain:
        raise ValueError("give an address such as 'The Gazette <news@example.org>'")
    return value


def _matching(pattern: re.Pattern[str], remedy: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(remedy)
        return value

    return AfterValidator(check)


Slug = Annotated[str, AfterValidator(_slug)]
Address = Annotated[str, AfterValidator(_address)]
Base = Annotated[str, AfterValidator(_base)]
Zone = Annotated[str, AfterValidator(_zone)]
Mailbox = Annotated[str, AfterValidator(_mailbox)]
Span = Annotated[timedelta, BeforeValidator(_duration)]
WallTime = Annotated[time, BeforeValidator(_clock_time)]
Language = Annotated[str, _matching(LANGUAGE, "give a language tag such as 'en' or 'de-AT'")]
TagAuthority = Annotated[str, _matching(TAG_AUTHORITY, "give a domain you own and a year, such as 'example.org,2026'")]
Variable = Annotated[str, _matching(re.compile(r"[A-Za-z_]\w*"), "give the name of an environment variable")]
Text = Annotated[str, Field(min_length=1, max_length=300)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SiteSettings(Section):
    name: Text
    url: Base
    language: Language = "en"
    timezone: Zone = "UTC"
    tag_authority: TagAuthority
    postal_address: str = ""
    public_url: Base | Literal[""] = ""
    hub: Address | Literal[""] = ""


class StoreSettings(Section):
    url: str = "sqlite:///var/publisher.db"
    password_env: Variable | Literal[""] = ""


class FolderSettings(Section):
    path: Text = "feeds"


class WebSettings(Section):
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)


class SourceSettings(Section):
    slug: Slug
    was: tuple[Slug, ...] = Field(default=(), strict=False)
    interval: Span = timedelta(minutes=10)
    allow_private: bool = False


class FolderSource(SourceSettings):
    kind: Literal["folder"]
    path: Text
    interval: Span = timedelta(minutes=1)
    base_url: Address | Literal[""] = ""
    categories: Literal["", "folders"] = ""


class SyndicationSource(SourceSettings):
    kind: Literal["syndication"]
    url: Address


class WordPressSource(SourceSettings):
    kind: Literal["wordpress"]
    url: Address
    post_types: tuple[str, ...] = Field(default=("posts",), strict=False)
    username: str = ""
    password_env: Variable | Literal[""] = ""


class SelectionSettings(Section):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)

    sources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()


class FeedSettings(Section):
    slug: Slug
    title: Text
    description: str = ""
    each: Literal["", "category", "author"] = ""
    select: SelectionSettings = SelectionSettings()
    formats: tuple[Literal["rss", "atom", "json"], ...] = Field(default=("rss", "atom", "json"), strict=False)
    limit: int = Field(default=50, ge=1, le=1000)


class NewsletterSettings(Section):
    slug: Slug
    was: tuple[Slug, ...] = Field(default=(), strict=False)
    name: Text
    sender: Mailbox
    reply_to: Mailbox | Literal[""] = ""
    language: Language | Literal[""] = ""
    timezone: Zone | Literal[""] = ""
    cadence: Literal["daily"] = "daily"
    at: WallTime = time(7, 0)
    select: SelectionSettings = SelectionSettings()
    template: str = "digest/daily"
    approval: Literal["auto", "editor"] = "auto"
    minimum_items: int = Field(default=1, ge=1)
    maximum_items: int = Field(default=30, ge=1, le=200)
    maximum_age: Span = timedelta(days=3)
    late: Span = timedelta(hours=6)
    undo: Span = timedelta(0)
    mailer: Slug = "maildir"


class MaildirSettings(Section):
    name: Slug
    kind: Literal["maildir"]
    path: Text = "var/maildir"


class SmtpSettings(Section):
    name: Slug
    kind: Literal["smtp"]
    host: Text
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password_env: Variable | Literal[""] = ""
    ca_file: str = ""


class ResendSettings(Section):
    name: Slug
    kind: Literal["resend"]
    key_env: Variable = "RESEND_API_KEY"
    base_url: Base = "https://api.resend.com"


class AlarmSettings(Section):
    addresses: tuple[Mailbox, ...] = Field(default=(), strict=False)
    mailer: Slug = "maildir"
    sender: Mailbox | Literal[""] = ""


AnySource = Annotated[FolderSource | SyndicationSource | WordPressSource, Field(discriminator="kind")]
AnyMailer = Annotated[MaildirSettings | SmtpSettings | ResendSettings, Field(discriminator="kind")]


class Settings(Section):
    """The whole file. `path` is where it was read; relative paths in it start at its folder."""

    site: SiteSettings
    store: StoreSettings = StoreSettings()
    folder: FolderSettings = FolderSettings()
    web: WebSettings = WebSettings()
    sources: tuple[AnySource, ...] = Field(default=(), strict=False)
    feeds: tuple[FeedSettings, ...] = Field(default=(), strict=False)
    newsletters: tuple[NewsletterSettings, ...] = Field(default=(), strict=False)
    mailers: tuple[AnyMailer, ...] = Field(default=(), strict=False)
    alarms: AlarmSettings = AlarmSettings()


def load(path: Path, environment: Mapping[str, str]) -> Settings:
    """Read a settings file. Raises SettingsError with every problem that can be found."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        remedy = "there is no such file; `publisher init DIR` makes a site, --site DIR names one"
        raise SettingsError([Problem(key=str(path), value=None, remedy=remedy)], path.name) from None
    except UnicodeDecodeError:
        problem = Problem(key=str(path), value=None, remedy="is not UTF-8; save it as UTF-8")
        raise SettingsError([problem], path.name) from None
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(
            [Problem(key=str(path), value=None, remedy=f"cannot be read: {error}")], path.name
        ) from error
    return parse(values, environment, name=path.name)


def parse(values: Mapping[str, Any], environment: Mapping[str, str], *, name: str = "settings.toml") -> Settings:
    """Check settings that are already a mapping. Raises SettingsError."""
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems = [_problem(details, values) for details in error.errors()]
        raise SettingsError(problems, name) from None
    problems = [*_references(settings), *_variables(settings, environment)]
    if problems:
        raise SettingsError(problems, name)
    return settings


def _problem(details: Any, values: Mapping[str, Any]) -> Problem:
    location = [
        part
        for part in details["loc"]
        if part not in ("folder", "syndication", "wordpress") or part == details["loc"][0]
    ]
    location = [part for part in location if part not in ("maildir", "smtp", "resend")]
    kind, shown = details["type"], details.get("input")
    remedy = _remedy(details, location)
    if kind == "extra_forbidden":
        remedy = _stranger(str(location[-1]))
    elif kind == "missing":
        shown, remedy = None, "is missing; give it a value"
    elif kind in ("union_tag_not_found", "union_tag_invalid"):
        tags = str(details["ctx"].get("expected_tags", "")) or _kinds(str(location[0]))
        location, shown = [*location, "kind"], shown.get("kind") if isinstance(shown, dict) else shown
        remedy = f"choose one of {tags}"
    key = _key(location, values)
    hidden = isinstance(shown, dict | list) or SECRET.search(f"{key}={shown}")
    return Problem(key=key, value=None if hidden else shown, remedy=remedy)


def _remedy(details: Any, location: list[Any]) -> str:
    """What would be right, in the words of the file rather than of the library that reads it."""
    limits = details.get("ctx", {})
    if details["type"] == "tuple_type":
        return f"write [[{location[0]}]], in double brackets" if len(location) == 1 else 'give a list, such as ["one"]'
    remedies = {
        "literal_error": f"choose one of {limits.get('expected', '')}",
        "string_type": "give a text, in quotation marks",
        "int_type": "give a whole number, without quotation marks",
        "bool_type": "give true or false, without quotation marks",
        "model_type": f"write it as a table, [{location[0]}]",
        "model_attributes_type": f"write it as a table, [{location[0]}]",
        "greater_than_equal": f"give {limits.get('ge')} or more",
        "less_than_equal": f"give {limits.get('le')} or less",
        "string_too_short": "give it a value",
    }
    return remedies.get(details["type"], str(details["msg"]).removeprefix("Value error, "))


def _stranger(name: str) -> str:
    """What to do about a setting that nobody knows."""
    if name in ("password", "key", "api_key"):
        variable = "password_env" if name == "password" else "key_env"
        return f"secrets never stand here: take it out, and name an environment variable in {variable}"
    return "there is no such setting; look for a misspelling, or in docs/reference/settings.md"


def _kinds(section: str) -> str:
    return "'folder', 'syndication', 'wordpress'" if section == "sources" else "'maildir', 'smtp', 'resend'"


def _key(location: list[Any], values: Mapping[str, Any]) -> str:
    """("newsletters", 0, "at") as "newsletters[daily].at", so that a person finds the place."""
    parts: list[str] = []
    here: Any = values
    for part in location:
        if isinstance(part, int):
            entry = here[part] if isinstance(here, list) and part < len(here) else {}
            label = entry.get("slug") or entry.get("name") if isinstance(entry, dict) else None
            parts[-1] += f"[{label or part + 1}]"
            here = entry
        else:
            parts.append(str(part))
            here = here.get(part) if isinstance(here, dict) else None
    return ".".join(parts)


def _references(settings: Settings) -> Iterator[Problem]:
    """Names that must agree with other names in the file."""
    mailers = {mailer.name for mailer in settings.mailers}
    sources = {source.slug for source in settings.sources}
    yield from _repeated(
        "sources", [source.slug for source in settings.sources] + [w for s in settings.sources for w in s.was]
    )
    yield from _repeated("feeds", [feed.slug for feed in settings.feeds])
    letters = settings.newsletters
    yield from _repeated("newsletters", [letter.slug for letter in letters] + [w for n in letters for w in n.was])
    yield from _repeated("mailers", [mailer.name for mailer in settings.mailers])
    for letter in settings.newsletters:
        if letter.mailer not in mailers:
            yield _unknown(f"newsletters[{letter.slug}].mailer", letter.mailer, "mailers", mailers)
    if settings.alarms.addresses and settings.alarms.mailer not in mailers:
        yield _unknown("alarms.mailer", settings.alarms.mailer, "mailers", mailers)
    selections = [(f"feeds[{feed.slug}]", feed.select) for feed in settings.feeds]
    selections += [(f"newsletters[{letter.slug}]", letter.select) for letter in letters]
    for key, selection in selections:
        for slug in selection.sources:
            if slug not in sources:
                yield _unknown(f"{key}.select.sources", slug, "sources", sources)


def _repeated(section: str, names: list[str]) -> Iterator[Problem]:
    for name, count in Counter(names).items():
        if count > 1:
            yield Problem(key=section, value=name, remedy="stands there more than once; every name is used once")


def _unknown(key: str, value: str, section: str, known: set[str]) -> Problem:
    choice = ", ".join(sorted(known)) or "none yet"
    return Problem(key=key, value=value, remedy=f"is not one of the {section} in this file ({choice})")


def _variables(settings: Settings, environment: Mapping[str, str]) -> Iterator[Problem]:
    """Environment variables that are named and not set. Their values are never shown."""
    named: list[tuple[str, str]] = [("store.password_env", settings.store.password_env)]
    for source in settings.sources:
        named.append((f"sources[{source.slug}].password_env", getattr(source, "password_env", "")))
    for mailer in settings.mailers:
        for field in ("password_env", "key_env"):
            named.append((f"mailers[{mailer.name}].{field}", getattr(mailer, field, "")))
    for key, variable in named:
        if variable and not environment.get(variable):
            yield Problem(key=key, value=variable, remedy=f"set the environment variable {variable}")
    if settings.store.url.startswith("postgresql") and urlsplit(settings.store.url).password:
        yield Problem(
            key="store.url", value=None, remedy="take the password out and name a variable in store.password_env"
        )
