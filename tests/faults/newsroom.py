"""The newsroom of the fault runs: one daily, to everybody. Mail is small here, so that a hundred thousand fit into the
memory of a test."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from publisher import editions, pipeline
from publisher.app import App, open_app
from publisher.audience import Importer
from publisher.model import EditionState
from publisher.ports import Clock, Mailer
from tests.faults import posts
from tests.faults.clock import START
from tests.faults.watching import Seen, watched
from tests.sites import FERRY, TestClock, lay_out, run_due

EDITION = "daily/daily:2026-11-22"
#: Where the witnesses go that a sender mails to itself.
OURS = "daily@harbour-gazette.example"

_SETTINGS = """
[site]
name = "The Harbour Gazette"
url = "https://harbour-gazette.example"
timezone = "UTC"
tag_authority = "harbour-gazette.example,2026"
postal_address = "1 Quay Street, Kilmarnagh"
public_url = "https://news.harbour-gazette.example"

[[sources]]
slug = "newsroom"
kind = "folder"
path = "articles"
categories = "folders"

[[newsletters]]
slug = "daily"
name = "The Daily"
sender = "The Gazette <daily@harbour-gazette.example>"
mailer = "post"

[[mailers]]
name = "maildir"
kind = "maildir"
path = "var/alarms"
"""

_TEMPLATES = {
    "subject.txt": "{{ lead.title }}\n",
    "body.html": (
        "<!doctype html><html lang='en'><title>{{ subject }}</title><body><h1>{{ lead.title }}</h1>"
        "<p>{{ site.postal_address }} <a href='{{ unsubscribe_url }}'>Unsubscribe</a></p></body></html>\n"
    ),
    "body.txt": "{{ lead.title }}\n\n{{ site.postal_address }}\nUnsubscribe: {{ unsubscribe_url }}\n",
}


def reader(number: int) -> str:
    return f"reader{number}@mail.example"


def build(root: Path, kind: str, readers: int, *, database: str = "", url: str = "http://127.0.0.1:1") -> None:
    """Lay the site out, subscribe everybody, and collect the article, an hour before the edition is due."""
    store = f'\n[store]\nurl = "{database}"\n' if database else ""
    lay_out(root, _SETTINGS + posts.settings(kind, url) + store, {"news/ferry.txt": FERRY})
    for name, text in _TEMPLATES.items():
        path = root / "templates" / "digest" / "daily" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    app = enter(root, TestClock(START - timedelta(hours=1)))
    subscribe(app, [reader(number) for number in range(readers)])
    pipeline.collect(app.parts, "newsroom")
    app.close()


def subscribe(app: App, emails: list[str]) -> None:
    importer = Importer(
        store=app.parts.store,
        keys=app.parts.keys,
        newsletters=["daily"],
        default=("daily",),
        origin="test",
        now=app.parts.clock.now(),
    )
    lines = ["email,status\n", *(f"{email},confirmed\n" for email in emails)]
    importer.run(lines, lambda refusal: (_ for _ in ()).throw(AssertionError(refusal)))


def enter(root: Path, clock: Clock, mailer: Mailer | None = None, seen: Seen | None = None) -> App:
    """Open the site anew, with that mailer in the place of the settings' own, and watched."""
    app = open_app(root, {**os.environ, **posts.ENVIRONMENT}, clock)
    if mailer is not None:
        app = replace(app, parts=replace(app.parts, mailers={**app.parts.mailers, posts.NAME: mailer}))
    if seen is not None:
        app = replace(app, parts=watched(app.parts, posts.NAME, seen))
    pipeline.adopt(app.parts)
    return app


def warm_up() -> None:
    """Send an edition, so that what is imported and compiled only once is there in every fork of this process."""
    with TemporaryDirectory() as folder:
        root = Path(folder) / "site"
        build(root, "maildir", 3)
        app = enter(root, TestClock(START))
        assert run_due(app) == []
        assert finished(app)
        app.close()


def finished(app: App) -> bool:
    edition = editions.find(app.parts.store, EDITION)
    return edition is not None and edition.state is EditionState.DONE


def held(app: App) -> set[str]:
    """The readers whom `publisher deliver resolve` lists by name, for a person to decide."""
    store = app.parts.store
    return {one.email for one in store.outbox.doubts(store.editions.get(EDITION).id)}
