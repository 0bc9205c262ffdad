"""settings.toml and the environment, read and checked: every problem at once, each with its key and remedy."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from publisher.errors import Problem, SettingsError
from publisher.kit import signatures, slots
from publisher.settings.sections import (
    MAILER_KINDS,
    SOURCE_KINDS,
    WEEKDAYS,
    AlarmSettings,
    AnyBounces,
    AnyMailer,
    AnySource,
    FeedSettings,
    FolderSettings,
    FolderSource,
    GhostSource,
    ImapBounces,
    MaildirBounces,
    MaildirSettings,
    MailgunSettings,
    NewsletterSettings,
    PostmarkSettings,
    PreflightSettings,
    ResendSettings,
    Section,
    SelectionSettings,
    SesSettings,
    Settings,
    SiteSettings,
    SmtpSettings,
    SourceSettings,
    StoreSettings,
    SyndicationSource,
    WebSettings,
    WordPressSource,
)
from publisher.settings.values import LANGUAGE, READERS, SLUG

__all__ = [
    "LANGUAGE",
    "MAILER_KINDS",
    "READERS",
    "SLUG",
    "SOURCE_KINDS",
    "WEEKDAYS",
    "AlarmSettings",
    "AnyBounces",
    "AnyMailer",
    "AnySource",
    "FeedSettings",
    "FolderSettings",
    "FolderSource",
    "GhostSource",
    "ImapBounces",
    "MaildirBounces",
    "MaildirSettings",
    "MailgunSettings",
    "NewsletterSettings",
    "PostmarkSettings",
    "PreflightSettings",
    "ResendSettings",
    "Section",
    "SelectionSettings",
    "SesSettings",
    "Settings",
    "SiteSettings",
    "SmtpSettings",
    "SourceSettings",
    "StoreSettings",
    "SyndicationSource",
    "WebSettings",
    "WordPressSource",
    "load",
    "parse",
]

#: A value under such a key, or an address with a password in it, is never shown.
#: Files of the feed folder that are no feed's: index.html, feeds.opml, feeds.css, autodiscovery.html.
TAKEN = ("index", "feeds", "autodiscovery")
SECRET = re.compile(r"(pass|secret|token|key)[^=_]*=|://[^/@]*:[^/@]*@", re.IGNORECASE)


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
    location = [part for part in details["loc"] if part not in SOURCE_KINDS or part == details["loc"][0]]
    location = [part for part in location if part not in MAILER_KINDS]
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
    return ", ".join(map(repr, SOURCE_KINDS if section == "sources" else MAILER_KINDS))


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
    for feed in settings.feeds:
        if feed.slug in TAKEN and not feed.each:
            remedy = f"the list of all feeds has this name: take another, such as {feed.slug}-news"
            yield Problem(key=f"feeds[{feed.slug}].slug", value=feed.slug, remedy=remedy)
    letters = settings.newsletters
    yield from _repeated("newsletters", [letter.slug for letter in letters] + [w for n in letters for w in n.was])
    yield from _repeated("mailers", [mailer.name for mailer in settings.mailers])
    yield from _fallbacks(settings)
    yield from _bucket(settings.folder)
    for letter in settings.newsletters:
        yield from _rhythm(letter)
        if letter.mailer not in mailers:
            yield _unknown(f"newsletters[{letter.slug}].mailer", letter.mailer, "mailers", mailers)
    if settings.alarms.addresses and settings.alarms.mailer not in mailers:
        yield _unknown("alarms.mailer", settings.alarms.mailer, "mailers", mailers)
    if settings.bounces and settings.bounces.mailer not in mailers:
        yield _unknown("bounces.mailer", settings.bounces.mailer, "mailers", mailers)
    selections = [(f"feeds[{feed.slug}].select", feed.select) for feed in settings.feeds]
    selections += [(f"newsletters[{letter.slug}].select", letter.select) for letter in letters]
    selections += [(f"newsletters[{letter.slug}].alerts", letter.alerts) for letter in letters if letter.alerts]
    for key, selection in selections:
        for slug in selection.sources:
            if slug not in sources:
                yield _unknown(f"{key}.sources", slug, "sources", sources)


def _rhythm(letter: NewsletterSettings) -> Iterator[Problem]:
    """Whether a newsletter's cadences, times and sections agree with each other."""
    key, cadences = f"newsletters[{letter.slug}]", {letter.cadence, *letter.cadences}
    yield from _repeated(f"{key}.cadences", list(letter.cadences))
    yield from _repeated(f"{key}.topics", [topic.casefold() for topic in letter.topics])
    yield from _repeated(f"{key}.sections", [section.title for section in letter.sections])
    if letter.alerts is not None and letter.alerts == SelectionSettings():
        remedy = "would make every article urgent; name categories, tags, authors, sources or languages"
        yield Problem(key=f"{key}.alerts", value=None, remedy=remedy)
    if "cron" in cadences and not letter.cron:
        yield Problem(key=f"{key}.cron", value=None, remedy="is missing; give five fields, such as '30 6 * * 1-5'")
    if letter.cron and "cron" not in cadences:
        yield Problem(key=f"{key}.cron", value=letter.cron, remedy="belongs to cadence = 'cron'")
    if letter.timezone == READERS and letter.first_wave.recipients:
        remedy = "a first wave needs one hour for all readers: take it out, or name a time zone"
        yield Problem(key=f"{key}.first_wave", value=None, remedy=remedy)
    for cadence in sorted(cadences):
        if letter.timezone == READERS and not slots.on_dates(cadence):
            remedy = f"goes with daily, weekdays, weekly and monthly editions, not with '{cadence}'"
            yield Problem(key=f"{key}.timezone", value=READERS, remedy=remedy)


def _fallbacks(settings: Settings) -> Iterator[Problem]:
    kinds = {mailer.name: mailer.kind for mailer in settings.mailers}
    for mailer in settings.mailers:
        key, second = f"mailers[{mailer.name}].fallback", mailer.fallback
        if second and second not in kinds:
            yield _unknown(key, second, "mailers", set(kinds))
        elif second == mailer.name:
            yield Problem(key=key, value=second, remedy="is this mailer itself; name another one")
        elif second and kinds[second] == "maildir" != mailer.kind:
            yield Problem(key=key, value=second, remedy="reaches nobody: a folder cannot take over from a mailer")


def _bucket(folder: FolderSettings) -> Iterator[Problem]:
    if folder.kind == "s3" and not folder.url:
        yield Problem(key="folder.url", value=None, remedy="is missing; give a bucket, such as 's3://gazette/feeds'")
    if folder.kind == "s3" and folder.compressed:
        remedy = "a bucket serves each file in one form; take this out and let what stands before it compress"
        yield Problem(key="folder.compressed", value=None, remedy=remedy)
    if folder.kind == "local" and folder.url:
        yield Problem(key="folder.url", value=folder.url, remedy="belongs to kind = 's3'")


def _repeated(section: str, names: list[str]) -> Iterator[Problem]:
    for name, count in Counter(names).items():
        if count > 1:
            yield Problem(key=section, value=name, remedy="stands there more than once; every name is used once")


def _unknown(key: str, value: str, section: str, known: set[str]) -> Problem:
    choice = ", ".join(sorted(known)) or "none yet"
    return Problem(key=key, value=value, remedy=f"is not one of the {section} in this file ({choice})")


def _weak(settings: Settings, environment: Mapping[str, str]) -> Iterator[Problem]:
    """Secrets of ours that somebody could find by trying."""
    for source in settings.sources:
        variable = source.webhook_secret_env
        if variable and 0 < len(environment.get(variable, "")) < signatures.SHORTEST:
            remedy = f"the secret in it is too short: take {signatures.SHORTEST} characters or more, at random"
            yield Problem(key=f"sources[{source.slug}].webhook_secret_env", value=variable, remedy=remedy)


def _variables(settings: Settings, environment: Mapping[str, str]) -> Iterator[Problem]:
    """Environment variables that are named and not set. Their values are never shown."""
    named: list[tuple[str, str]] = [("store.password_env", settings.store.password_env)]
    for source in settings.sources:
        variables = [field for field in type(source).model_fields if field.endswith("_env")]
        named += [(f"sources[{source.slug}].{field}", getattr(source, field)) for field in variables]
    for mailer in settings.mailers:
        variables = [field for field in type(mailer).model_fields if field.endswith("_env")]
        named += [(f"mailers[{mailer.name}].{field}", getattr(mailer, field)) for field in variables]
    if settings.folder.kind == "s3":
        named += [(f"folder.{field}", getattr(settings.folder, field)) for field in ("key_id_env", "secret_env")]
    named.append(("bounces.password_env", getattr(settings.bounces, "password_env", "")))
    for key, variable in named:
        if variable and not environment.get(variable):
            yield Problem(key=key, value=variable, remedy=f"set the environment variable {variable}")
    yield from _weak(settings, environment)
    if settings.store.url.startswith("postgresql") and urlsplit(settings.store.url).password:
        yield Problem(
            key="store.url", value=None, remedy="take the password out and name a variable in store.password_env"
        )
