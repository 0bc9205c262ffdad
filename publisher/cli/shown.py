"""Editions, their files, and readers as commands show them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from publisher.cli import words

if TYPE_CHECKING:
    from publisher.app import App
    from publisher.model import Edition, Rendered, Site, Subscriber, Subscription, Sums
    from publisher.ports import Parts


def edition(parts: Parts, there: Edition) -> dict[str, Any]:
    """An edition for programs. `id` is its key."""
    return {
        "id": there.key,
        "newsletter": there.newsletter,
        "slot": there.slot,
        "state": there.state,
        "reason": there.reason,
        "subject": there.subject,
        "items": len(there.items),
        "due_at": there.due_at,
        "approved_at": there.approved_at,
        "approved_by": there.approved_by,
        "undo_until": there.undo_until,
        "finished_at": there.finished_at,
        "mailer": there.mailer,
        "carried": dict(parts.store.outbox.carried(there.id)),
        "sums": sums(parts.store.outbox.sums(there.id)),
        "possible_duplicates": parts.store.outbox.possible_duplicates(there.id),
    }


def sums(there: Sums) -> dict[str, Any]:
    numbers = ("candidates", "planned", "accepted", "rejected", "skipped", "unknown", "cancelled", "waiting")
    return {**{name: getattr(there, name) for name in numbers}, "excluded": dict(there.excluded)}


def reader(there: Subscriber, subscriptions: tuple[Subscription, ...]) -> dict[str, Any]:
    """A reader for programs."""
    return {
        "email": there.email,
        "name": there.name,
        "language": there.language,
        "newsletters": {s.newsletter: str(s.status) for s in subscriptions},
        "choices": {s.newsletter: choices(s) for s in subscriptions},
        "since": there.created_at,
    }


def choices(there: Subscription) -> dict[str, Any]:
    """What a reader wants of a newsletter, for programs. No topics are everything, "" is the newsletter's cadence."""
    return {"topics": list(there.topics), "cadence": there.cadence, "alerts": there.alerts}


def line(parts: Parts, there: Edition) -> str:
    """An edition for people: what it is, and what became of it."""
    from publisher.model import EditionState

    if there.state in (EditionState.SKIPPED, EditionState.MERGED, EditionState.DRAFT, EditionState.WAITING):
        reason = f": {there.reason}" if there.reason else ""
        return f"{there.key} is {there.state}{reason}"
    became = "nobody has been mailed yet"  # who reads it is known when it is planned
    if there.state is not EditionState.APPROVED:
        became = words.sums(parts.store.outbox.sums(there.id)) + _carried(parts, there) + _twice(parts, there)
    waits = first_wave(parts, there)
    return f"“{there.subject}” ({there.key}), {there.state}: {became}" + (f"; {waits}" if waits else "")


def first_wave(parts: Parts, there: Edition) -> str:
    """What waits for the first wave of an edition that is being sent, and until when at least, or ""."""
    from publisher.model import EditionState

    wave = parts.store.outbox.first_wave(there.id) if there.state is EditionState.SENDING else None
    if wave is None:
        return ""
    rest = parts.store.outbox.sums(there.id).waiting - wave.sums.waiting
    said = f"{rest:,} wait to see how the first wave of {wave.sums.planned:,} fares"
    newsletter = next((known for known in parts.newsletters if known.slug == there.newsletter), None)
    if newsletter is None or wave.ended_at is None:
        return said
    return f"{said}, until {words.when(wave.ended_at + newsletter.first_wave.wait, newsletter.timezone)}"


def _carried(parts: Parts, there: Edition) -> str:
    """Who carried it besides its own mailer: "; 200 through ses"."""
    others = sorted(parts.store.outbox.carried(there.id).items())
    return "".join(f"; {readers:,} through {mailer}" for mailer, readers in others if mailer != there.mailer)


def _twice(parts: Parts, there: Edition) -> str:
    """Who was mailed again on a person's word: "; 2 may get it twice"."""
    again = parts.store.outbox.possible_duplicates(there.id)
    return f"; {again:,} may get it twice" if again else ""


def filled(rendered: Rendered, site: Site) -> Rendered:
    """An edition as one reader would see it, with a link to unsubscribe that belongs to nobody."""
    from publisher.kit import message
    from publisher.model import Letter

    return message.personal(
        rendered,
        Letter(
            position=0,
            email="",
            name="",
            variant=0,
            message_id="",
            unsubscribe_url=f"{site.links_url}/u/preview",
        ),
    )


def file_name(key: str) -> str:
    """An edition's key as a path below a folder, on any file system: "daily/daily-2026-11-22"."""
    return key.replace(":", "-")


def write(folder: Path, rendered: Rendered) -> dict[str, Path]:
    """Subject, HTML and text as three files, for a browser and an editor's eye."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "subject": (folder / "subject.txt", rendered.subject + "\n"),
        "html": (folder / "body.html", rendered.html),
        "text": (folder / "body.txt", rendered.text),
    }
    for path, text in files.values():
        path.write_text(text, encoding="utf-8")
    return {name: path for name, (path, _) in files.items()}


def previewed(app: App, there: Edition) -> Path | None:
    """An edition's HTML as a file to open in a browser; None when it has not been rendered."""
    variants = app.parts.store.editions.variants(there.id)
    if not variants:
        return None
    folder = app.root / "var" / "preview" / file_name(there.key)
    return write(folder, filled(variants[0].rendered, app.parts.site))["html"]


def newest_message(app: App) -> Path | None:
    """The newest message in the folders of mailers that write to this machine."""
    from publisher.settings import MaildirSettings

    folders = [app.root / mailer.path / "new" for mailer in app.settings.mailers if isinstance(mailer, MaildirSettings)]
    messages = [path for folder in folders if folder.is_dir() for path in folder.iterdir()]
    return max(messages, key=lambda path: (path.stat().st_mtime_ns, path.name), default=None)


def command(root: Path) -> str:
    """How to call Publisher for this site from here: what a next command begins with."""
    return "publisher" if root.resolve() == Path.cwd() else f"publisher --site {shlex.quote(str(root))}"
