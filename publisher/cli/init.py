"""`publisher init`: lay out a new site."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from publisher import errors
from publisher.cli import console, shown

if TYPE_CHECKING:
    from publisher.app import Found
    from publisher.cli.site_file import NewSite

_TEMPLATES = """\
A template that stands here wins over the packaged one of the same name; the others stay as they are.
To change one, copy it here under its name, for example:

    digest/daily/subject.txt    the subject of the daily edition
    digest/daily/body.html      its HTML
    digest/daily/body.txt       its plain text
    mail/base.html              the frame and the colours of every mail

The packaged templates are in
    {templates}
`publisher preview NEWSLETTER` shows what a change does, before anybody is mailed.
"""
_FEEDS = "Output only: Publisher writes these files, and writes them again after they were deleted.\n"
_IGNORE = """\
# What belongs to this machine: the store, the keys, the messages; and what is made from the rest.
var/
feeds/*
!feeds/README
"""
_COLUMNS = "email,name,newsletters,status,language,timezone,topics,cadence,alerts\n"


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    origin: Annotated[str, typer.Option("--from", metavar="URL", help="Your site: its sources are looked for.")] = "",
    allow_private: Annotated[bool, typer.Option(help="Let --from lead to this machine or network.")] = False,
) -> None:
    """Lay out a new site.

    It has sample articles and readers, or, with --from, the sources found behind an address.
    """
    _refuse_occupied(folder)
    if origin:
        _from_address(folder, origin, allow_private=allow_private)
    else:
        _from_sample(folder)
    _say_next(folder, sample=not origin)


def _refuse_occupied(folder: Path) -> None:
    if folder.is_file():
        raise errors.PublisherError(f"{folder} is a file; name a new folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise errors.PublisherError(f"{folder} is not empty; name a new folder, or empty that one first")


def _from_sample(folder: Path) -> None:
    sample = _sample()
    _lay_out(folder, (sample / "settings.toml").read_text(encoding="utf-8"))
    shutil.copytree(sample / "articles", folder / "articles", dirs_exist_ok=True)
    shutil.copyfile(sample / "subscribers.csv", folder / "subscribers.csv")
    console.say(f"{folder} is a site now: a sample newsroom, with articles and readers.")


def _lay_out(folder: Path, settings: str) -> None:
    from publisher.app import packaged

    for name in ("articles", "feeds", "templates", "var"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "var").chmod(0o700)
    files = {
        "settings.toml": settings,
        ".gitignore": _IGNORE,
        "feeds/README": _FEEDS,
        "templates/README": _TEMPLATES.format(templates=packaged("templates")),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def _sample() -> Path:
    """The sample site: inside the wheel a folder of its own, in a checkout the repository itself."""
    from publisher.app import packaged

    inside = packaged("sample")
    return inside if inside.is_dir() else inside.parent


def _from_address(folder: Path, origin: str, *, allow_private: bool) -> None:
    from publisher.app import discover

    address = origin if "://" in origin else f"https://{origin}"
    try:
        with console.progress(f"looking at {address}"):
            found = discover(address, allow_private=allow_private)
    except errors.SourceInvalid as error:
        if "allow_private" not in str(error):
            raise
        raise errors.SourceInvalid(f"{address} leads to a private address; add --allow-private if it may") from error
    best, *others = found
    for one in found:
        console.say(f"found     {one.url}: {one.note}")
    new = _described(address, best, others, allow_private=allow_private)
    _lay_out(folder, new.text)
    (folder / "subscribers.csv").write_text(_COLUMNS, encoding="utf-8")
    console.say(f"{folder} is a site now: {new.name}, which collects from {best.url}.")
    if others:
        console.say("The other addresses stand in settings.toml as comments, since they may tell the same articles.")


def _described(address: str, best: Found, others: Sequence[Found], *, allow_private: bool) -> NewSite:
    from publisher.cli.site_file import NewSite, local_timezone, slugified
    from publisher.settings import LANGUAGE

    parts = urlsplit(best.url if best.kind in ("ghost", "wordpress") else address)
    host = (parts.hostname or "").removeprefix("www.")
    taken: list[str] = []
    tables: list[dict[str, object]] = []
    private = {"allow_private": True} if allow_private else {}
    for one in (best, *others):
        taken.append(slugified("website" if one is best else one.title or one.kind, taken))
        tables.append({"slug": taken[-1], "kind": one.kind, "url": one.url, **private})
    return NewSite(
        name=best.title[:100] or host,
        url=f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}",
        language=best.language if LANGUAGE.fullmatch(best.language) else "en",
        timezone=local_timezone(os.environ),
        year=datetime.now(UTC).year,
        sources=tables[:1],
        others=tables[1:],
    )


def _say_next(folder: Path, *, sample: bool) -> None:
    call = shown.command(folder)
    console.say("\nNext:")
    console.say(f"  {call} check" + " " * 12 + "tries everything the settings name")
    console.say(f"  {call} run --once" + " " * 7 + "collects, builds feeds, composes, delivers, once")
    if not sample:
        console.say(f"  {call} subscribers add EMAIL")
