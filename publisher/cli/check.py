"""`publisher check`: what is wrong with the settings, all at once, and whether everything they name works."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from publisher import errors
from publisher.cli import console, shown
from publisher.cli.door import Door, door
from publisher.cli.errors import together, words

if TYPE_CHECKING:
    from publisher.app import App
    from publisher.model import Newsletter
    from publisher.ports import Parts


@dataclass(slots=True)
class _Report:
    """What was tried; lines are said as they come, unless everything is wanted as JSON."""

    json: bool
    problems: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def add(self, name: str, detail: str, failure: BaseException | None = None) -> None:
        self.checks.append({"name": name, "ok": failure is None, "detail": detail})
        if failure is not None:
            self.failures.append(failure)
        if not self.json:
            console.tell(console.mark(failure is None), f"{name}: {detail}")


def check(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Find what is wrong with the settings, and try what they name."""
    report = _Report(json)
    try:
        _try_all(door(context), report)
    except errors.SettingsError as error:
        _unusable(report, error)
    except errors.StoreError as error:
        report.add("store", words(error), error)
    if json:
        console.dump({"ok": not report.failures, "problems": report.problems, "checks": report.checks})
    elif not report.failures:
        console.say(f"\nAll is well. Next: {shown.command(door(context).root)} run --once")
    raise typer.Exit(together(report.failures))


def _unusable(report: _Report, error: errors.SettingsError) -> None:
    report.failures.append(error)
    report.problems += [
        {"key": problem.key, "value": problem.value, "remedy": problem.remedy} for problem in error.problems
    ]
    if not report.json:
        console.warn(str(error))


def _try_all(here: Door, report: _Report) -> None:
    with here.looked_at() as app:
        report.add("settings", f"{here.root / 'settings.toml'}, nothing wrong")
        for name, call in _calls(app):
            try:
                with console.progress(f"trying {name}", shown=not report.json):
                    detail = call()
            except (errors.PublisherError, OSError) as error:
                report.add(name, words(error), error)
            else:
                report.add(name, detail)


def _calls(app: App) -> Iterator[tuple[str, Callable[[], str]]]:
    from publisher.app import checks

    parts = app.parts
    yield from checks(app)
    for newsletter in parts.newsletters:
        yield f"newsletter {newsletter.slug}", partial(_may_leave, parts, newsletter)
        yield f"template {newsletter.template}", partial(_renders, parts, newsletter)
    if parts.site.alarms:
        yield "template notice/alarm", partial(_alarms, parts)


def _may_leave(parts: Parts, newsletter: Newsletter) -> str:
    """Whether the rules of delivery let this newsletter's mail out."""
    from publisher import deliver

    reason = deliver.refuses(parts.site, parts.mailers[newsletter.mailer].capability)
    if reason:
        raise errors.MailerMisconfigured(f"mail through {newsletter.mailer!r} would not leave: {reason}")
    zone = "by each reader's clock" if newsletter.by_readers else newsletter.timezone
    return f"leaves through {newsletter.mailer}, {', '.join(newsletter.offered)} at {newsletter.at:%H:%M} {zone}"


def _renders(parts: Parts, newsletter: Newsletter) -> str:
    """Render a made-up article, so that a mistake in a template shows before the newsletter's hour."""
    from publisher import compose, pipeline
    from publisher.model import Article, Author, Item, Revision

    now = parts.clock.now()
    revision = Revision(
        article=1,
        number=1,
        title="A headline",
        standfirst="What the story says, in one sentence.",
        content_html="<p>The story begins.</p>",
        authors=(Author(name="An author", biography="A line about the author."),),
        categories=("A section",),
        language=newsletter.language,
        published_at=now - timedelta(hours=1),
        updated_at=now,
        content_hash="",
    )
    article = Article(id=1, source="", native_id="1", story="1", entry_id="", first_seen_at=now, revision=revision)
    items = (Item(article=1, revision=1, position=0, section="A section"),)
    slot = pipeline.today(parts, newsletter)
    rendered = compose.render(
        newsletter, slot, items, {1: article}, site=parts.site, templates=parts.templates, now=now
    )
    return f"renders, {len(rendered.html.encode()):,} bytes of HTML for one article"


def _alarms(parts: Parts) -> str:
    from publisher import notices

    shown = {"title": "A title", "text": "A text.", "at": parts.clock.now()}
    notices.render("alarm", shown, site=parts.site, templates=parts.templates)
    return f"renders, for {', '.join(parts.site.alarms)}"
