"""`publisher rebuild`: make an edition again from what was kept of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from publisher import errors
from publisher.cli import console, shown
from publisher.cli.door import door
from publisher.cli.exits import Exit
from publisher.cli.words import count

if TYPE_CHECKING:
    from publisher.pipeline import Rebuilt
    from publisher.ports import Parts


def rebuild(
    context: typer.Context,
    edition: Annotated[str, typer.Argument(metavar="EDITION", help="Such as daily/daily:2026-11-22.")],
    reader: Annotated[str, typer.Option(metavar="ADDRESS", help="Write the message that this reader was sent.")] = "",
    to: Annotated[Path | None, typer.Option(metavar="DIR", help="Where to write what was made again.")] = None,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Make an edition again from the articles, templates and settings of its time, and compare it byte for byte."""
    from publisher import pipeline

    with door(context).looked_at() as app:
        if reader:
            _write_message(app.parts, edition, reader, to)
            return
        made = pipeline.rebuild(app.parts, edition)
        for one in made if to else ():
            if to and one.again:
                shown.write(to / one.stored.key[:12], one.again.rendered)
    if json:
        console.dump({"edition": edition, "variants": [_as_json(one) for one in made]})
    else:
        _tell(edition, made)
    raise typer.Exit(Exit.OK if all(one.same for one in made) else Exit.FAILED)


def _write_message(parts: Parts, edition: str, reader: str, to: Path | None) -> None:
    from publisher import audience, pipeline

    try:
        email_key = audience.address(reader)[1]
    except ValueError as error:
        raise typer.BadParameter(f"{reader!r}: {error}") from None
    person = parts.store.audience.by_email(email_key)
    if person is None:
        raise errors.NotFound(f"no reader has the address {reader}")
    message = pipeline.message_again(parts, edition, person.id)
    if to is None:
        typer.echo(message, nl=False)
        return
    to.mkdir(parents=True, exist_ok=True)
    path = to / "message.eml"
    path.write_bytes(message)
    console.say(f"{path}: {count(len(message), 'byte')}")


def _as_json(one: Rebuilt) -> dict[str, Any]:
    return {
        "variant": one.stored.key,
        "subject": one.stored.rendered.subject,
        "language": one.stored.language,
        "content_hash": one.stored.content_hash,
        "again": one.again.content_hash if one.again else "",
        "same": one.same,
        "reason": one.reason,
    }


def _tell(edition: str, made: tuple[Rebuilt, ...]) -> None:
    for one in made:
        about = f"“{one.stored.rendered.subject}”, {count(len(one.stored.items), 'article')}, {one.stored.language}"
        if one.same:
            console.tell(console.mark(True), f"{about}: the same bytes again, {one.again and one.again.content_hash}")
        else:
            console.tell(console.mark(False), f"{about}: {one.reason or 'other bytes than were kept'}")
    wrong = sum(not one.same for one in made)
    total = count(len(made), "variant")
    console.say(f"{edition}: {f'{wrong:,} of {total} differ' if wrong else f'{total}, the same byte for byte'}.")
