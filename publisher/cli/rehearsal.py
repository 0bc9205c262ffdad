"""`publisher send --dry-run`: every message that would go out, as a file; nothing is stored and nobody is mailed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from publisher.cli import console, shown
from publisher.cli.preview import what_would_go
from publisher.cli.words import count

if TYPE_CHECKING:
    from publisher.app import App
    from publisher.model import Edition, Newsletter, Prepared, Slot, Variant


def rehearse(app: App, newsletter: Newsletter, slot: Slot, *, json: bool) -> None:
    """Write what a send would hand to the mailer right now, below var/dry-run."""
    from publisher import deliver, pipeline

    edition, variant = _would_be(app, newsletter, slot)
    parts = app.parts
    number, excluded = pipeline.readers(parts, edition, newsletter, variant) if variant else (0, {})
    folder = app.root / "var" / "dry-run" / shown.file_name(edition.key)
    files = 0
    if variant:
        _empty(folder)
        mailer = parts.mailers[newsletter.mailer]
        with (
            pipeline.selection(parts, edition, variant, "held") as choose,
            console.progress("writing messages", number, shown=not json) as advance,
        ):
            calls = deliver.rehearse(parts.store, edition, newsletter, choose, mailer, site=parts.site, keys=parts.keys)
            for call, prepared in enumerate(calls):
                files += _write(folder, call, prepared)
                advance(len(prepared.letters))
    if json:
        report = {"id": edition.key, "subject": edition.subject, "reason": edition.reason, "folder": folder}
        console.dump({**report, "readers": number, "excluded": dict(excluded), "files": files})
    elif variant:
        console.say(f"“{edition.subject}” would go to {count(number, 'reader')} through {newsletter.mailer}.")
        console.say(f"{count(files, 'file')} in {folder}. Nobody was mailed.")
    else:
        console.say(f"No edition of {newsletter.slug} would go out: {edition.reason}.")


def _would_be(app: App, newsletter: Newsletter, slot: Slot) -> tuple[Edition, Variant | None]:
    """The edition of the slot as it waits, or as it would be made and approved now. Raises TemplateError."""
    from publisher import editions

    there = editions.find(app.parts.store, f"{newsletter.slug}/{slot.name}")
    if there is not None and there.finished_at is not None:
        return replace(there, reason="it has already gone out"), None
    edition, _, variant = what_would_go(app.parts, newsletter, slot)
    return replace(edition, approved_at=edition.approved_at or app.parts.clock.now()), variant


def _empty(folder: Path) -> None:
    """An empty folder that only its owner may look into; an earlier rehearsal is forgotten."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for path in (*folder.glob("*.eml"), *folder.glob("*.json")):
        path.unlink()


def _write(folder: Path, call: int, prepared: Prepared) -> int:
    """The payloads of one call, each exactly as the mailer would hand it over. How many."""
    for number, payload in enumerate(prepared.payloads):
        ending = "json" if payload[:1] in (b"{", b"[") else "eml"
        path = folder / f"{call:05}-{number:04}.{ending}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(payload)
    return len(prepared.payloads)
