"""Whole sites for tests of the pipeline and the doors: a folder with settings, articles and readers, opened."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from publisher import pipeline
from publisher.app import App, open_app
from publisher.audience import Importer

SETTINGS = """
[site]
name = "The Harbour Gazette"
url = "https://harbour-gazette.example"
timezone = "Europe/Dublin"
tag_authority = "harbour-gazette.example,2026"
postal_address = "1 Quay Street, Kilmarnagh"
public_url = "https://news.harbour-gazette.example"

[[sources]]
slug = "newsroom"
kind = "folder"
path = "articles"
categories = "folders"

[[feeds]]
slug = "all"
title = "The Harbour Gazette"

[[feeds]]
slug = "section"
each = "category"
title = "The Harbour Gazette: {name}"

[[newsletters]]
slug = "daily"
name = "The Daily"
sender = "The Gazette <daily@harbour-gazette.example>"

[[mailers]]
name = "maildir"
kind = "maildir"

[alarms]
addresses = ["editor@harbour-gazette.example"]
"""

FERRY = """The ferry returns after forty years

The island service starts again on Friday.

The boat is called Brigid and carries sixty people, two cars and the post.

Author: Niamh Casey
Niamh Casey reports on the harbour.
"""

LANTERNS = """Lantern night moves indoors

The storm is to blame, and the fire brigade.

Four hundred paper fish will hang in the old rope works instead.

Author: Tomas Reid
Tomas Reid writes about what people do in the evening.
"""


@dataclass(slots=True)
class TestClock:
    """A clock that stands still until a test moves it or waits, or goes on by `tick` whenever it is read."""

    __test__ = False

    at: datetime
    tick: timedelta = timedelta(0)
    stopping: threading.Event = field(default_factory=threading.Event)

    def now(self) -> datetime:
        self.at += self.tick
        return self.at

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float) -> bool:
        self.move(seconds=seconds)
        return self.stopping.is_set()

    def move(self, **span: float) -> None:
        self.at += timedelta(**span)


def lay_out(root: Path, settings: str = SETTINGS, articles: dict[str, str] | None = None) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "settings.toml").write_text(settings)
    (root / "articles").mkdir(exist_ok=True)
    for name, text in (articles if articles is not None else {"news/ferry.txt": FERRY}).items():
        write(root, name, text)
    return root


def write(root: Path, name: str, text: str) -> None:
    path = root / "articles" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time.time() - 60, time.time() - 60))  # whole, as everybody can see: nobody need wait for it


def open_site(root: Path, clock: TestClock, environment: dict[str, str] | None = None) -> App:
    app = open_app(root, environment or {}, clock)
    pipeline.adopt(app.parts)
    return app


def add_readers(app: App, *emails: str, status: str = "confirmed") -> None:
    importer = Importer(
        store=app.parts.store,
        keys=app.parts.keys,
        newsletters=["daily"],
        default=("daily",),
        origin="test",
        now=app.parts.clock.now(),
    )
    lines = ["email,status\n", *(f"{email},{status}\n" for email in emails)]
    importer.run(lines, lambda refusal: (_ for _ in ()).throw(AssertionError(refusal)))


def run_due(app: App, rounds: int = 4) -> list[Exception]:
    """Do what is due until nothing but sweeping is, as the engine would. Errors are returned, as it would log them."""
    errors: list[Exception] = []
    for _ in range(rounds):
        for work in list(pipeline.due(app.parts)):
            try:
                pipeline.work(app.parts, work.kind, work.key)
            except Exception as error:
                errors.append(error)
    return errors


def mailbox(root: Path, folder: str = "var/maildir") -> list[EmailMessage]:
    """The messages of a Maildir, parsed."""
    paths = sorted((root / folder / "new").glob("*")) if (root / folder).exists() else []
    return [BytesParser(policy=policy.default).parsebytes(path.read_bytes()) for path in paths]  # type: ignore[misc]


def addressees(root: Path) -> list[str]:
    return sorted(str(message["To"]).strip("<>") for message in mailbox(root))
