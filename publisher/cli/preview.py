"""`publisher preview`: what an edition would be right now. Nothing is stored and nobody is mailed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from publisher.cli import console, shown
from publisher.cli.door import door
from publisher.cli.steps import Cadence, offered
from publisher.cli.words import count

if TYPE_CHECKING:
    from publisher.compose import Choice
    from publisher.model import Edition, Newsletter, Rendered, Slot, Variant
    from publisher.ports import Parts


def preview(
    context: typer.Context,
    newsletter: Annotated[str, typer.Argument(metavar="NEWSLETTER", help="Its slug in the settings.")],
    to: Annotated[Path | None, typer.Option(metavar="DIR", help="Where to write it; else below var/preview.")] = None,
    cadence: Cadence = "",
    json: Annotated[bool, typer.Option("--json", help="For programs, with why each article is in or out.")] = False,
) -> None:
    """Write what would go out now as files to look at."""
    from publisher import pipeline

    with door(context).opened() as app:
        there = pipeline.newsletter_of(app.parts, newsletter)
        slot = pipeline.today(app.parts, there, offered(there, cadence))
        edition, choice, variant, again = what_would_look(app.parts, there, slot)
        rendered = variant.rendered if variant else None
        folder = to or app.root / "var" / "preview" / shown.file_name(edition.key)
        files = shown.write(folder, shown.filled(rendered, app.parts.site)) if rendered else {}
        if json:
            console.dump({**_as_json(app.parts, edition, choice, files), "again": again})
            return
        if not rendered:
            console.say(f"No edition of {there.slug} would go out now: {edition.reason}.")
            console.say(f"`{shown.command(app.root)} collect` looks for articles.")
        if again:
            console.say(f"No edition of {there.slug} would go out now: nothing new. The last articles look like this:")
        for name, path in files.items():
            console.say(f"{name:8} {path}")
        if rendered:
            _say_choice(rendered, choice, len(edition.items))


def what_would_go(parts: Parts, newsletter: Newsletter, slot: Slot) -> tuple[Edition, Choice | None, Variant | None]:
    """The edition of a slot as it waits or is on its way, else as it would be composed now; without a variant when
    there would be none. Raises TemplateError."""
    from publisher import editions, pipeline
    from publisher.errors import TemplateError
    from publisher.model import COMMITTED, EditionState

    there = editions.find(parts.store, f"{newsletter.slug}/{slot.name}")
    if there and there.finished_at is None and there.state in (*COMMITTED, EditionState.WAITING):
        return there, None, parts.store.editions.variants(there.id)[0]
    edition, choice, variant = pipeline.draft(parts, newsletter, slot)
    if variant is None and not choice.skip:
        raise TemplateError(edition.reason)
    return edition, choice, variant


def what_would_look(
    parts: Parts, newsletter: Newsletter, slot: Slot
) -> tuple[Edition, Choice | None, Variant | None, bool]:
    """What would go out, for the eyes only: while nothing is new, articles that went out already stand in, and the
    last value is true. So a template can be worked on at any hour. Raises TemplateError."""
    from publisher import pipeline
    from publisher.errors import TemplateError

    edition, choice, variant = what_would_go(parts, newsletter, slot)
    if variant is not None:
        return edition, choice, variant, False
    draft, last, variant = pipeline.draft(parts, newsletter, slot, again=True)
    if variant is not None:
        return draft, last, variant, True
    if not last.skip:
        raise TemplateError(draft.reason)
    return edition, choice, None, False


def _say_choice(rendered: Rendered, choice: Choice | None, items: int) -> None:
    size = len(rendered.html.encode())
    console.say(f"\n“{rendered.subject}”, {count(items, 'article')}, {size:,} bytes of HTML")
    left_out = [decision for decision in choice.decisions if not decision.included] if choice else []
    if left_out:
        console.say(f"{count(len(left_out), 'article')} left out; --json says why")


def _as_json(parts: Parts, edition: Edition, choice: Choice | None, files: dict[str, Path]) -> dict[str, Any]:
    decisions = choice.decisions if choice else ()
    articles = parts.store.articles.get([decision.article for decision in decisions])
    return {
        "id": edition.key,
        "subject": edition.subject,
        "reason": edition.reason,
        "files": {name: str(path) for name, path in files.items()},
        "articles": [
            {
                "article": d.article,
                "title": articles[d.article].revision.title,
                "revision": d.revision,
                "included": d.included,
                "rule": d.rule,
            }
            for d in decisions
        ],
    }
