"""`publisher deliver`: hand over what is due, stop it, go on, and decide what nobody else can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from publisher.cli import console, shown
from publisher.cli.door import door, editor
from publisher.cli.errors import together
from publisher.cli.steps import hand_over_all, under_way
from publisher.cli.words import count

if TYPE_CHECKING:
    from publisher.model import Edition
    from publisher.ports import Parts

app = typer.Typer(help="Hand over what is due; stop it, or go on.", rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="For programs.")]
Key = Annotated[str, typer.Argument(metavar="EDITION", help="Such as daily/daily:2026-11-22.")]


@app.callback(invoke_without_command=True)
def deliver(
    context: typer.Context,
    mailers: Annotated[
        list[str] | None, typer.Option("--mailer", metavar="MAILER", help="Only this one; may be repeated.")
    ] = None,
    json: Json = False,
) -> None:
    """Hand over what is due, to readers and editors."""
    if context.invoked_subcommand:
        return
    with door(context).opened() as app:
        before = under_way(app.parts)
        problems = hand_over_all(app, mailers, shown=not json)
        touched = [app.parts.store.editions.get(edition.key) for edition in before]
        if json:
            waiting = app.parts.store.notices.waiting()
            console.dump({"editions": [shown.edition(app.parts, e) for e in touched], "notices": waiting})
        for edition in touched if not json else ():
            console.say(shown.line(app.parts, edition))
        if not touched and not json:
            console.say("Nothing waits to be delivered.")
    raise typer.Exit(together(problems))


@app.command()
def pause(context: typer.Context, edition: Key, json: Json = False) -> None:
    """Stop an edition that is being sent."""
    from publisher import editions

    with door(context).opened() as site:
        there, left = editions.pause(site.parts.store, edition, editor())
        _tell(site.parts, there, json, f"At most {count(left, 'message')} can still leave.", still_leaving=left)


@app.command()
def resume(context: typer.Context, edition: Key, json: Json = False) -> None:
    """Go on where an edition was stopped."""
    from publisher import pipeline

    with door(context).opened() as site:
        there = pipeline.resume(site.parts, edition)
        _tell(site.parts, there, json, "`publisher run` goes on with it, or `publisher deliver` now.")


@app.command()
def cancel(context: typer.Context, edition: Key, json: Json = False) -> None:
    """End an edition for good; who was reached stays reached."""
    from publisher import editions

    with door(context).opened() as site:
        now = site.parts.clock.now()
        there, cancelled = editions.cancel(site.parts.store, edition, editor(), now=now)
        _tell(site.parts, there, json, f"{count(cancelled, 'reader')} will not be mailed.", cancelled=cancelled)


@app.command()
def resolve(
    context: typer.Context,
    edition: Key,
    accepted: Annotated[bool, typer.Option("--accepted", help="They were mailed: the provider's log says so.")] = False,
    resend: Annotated[bool, typer.Option("--resend", help="Mail them again; some may get it twice.")] = False,
    json: Json = False,
) -> None:
    """List readers of whom nobody can tell whether they were mailed, or decide about them."""
    from publisher import editions
    from publisher.cli import doubts

    if accepted and resend:
        raise typer.BadParameter("say one of them: --accepted, or --resend")
    if not accepted and not resend:
        with door(context).looked_at() as site:
            doubts.show(site.parts, site.parts.store.editions.get(edition), json=json)
        return
    with door(context).opened() as site:
        store, now = site.parts.store, site.parts.clock.now()
        decided = editions.resolve(store, edition, accepted=accepted, now=now)
        there = store.editions.get(edition)
        what = "counted as mailed" if accepted else "to be mailed again: `publisher deliver`"
        said = f"{count(decided, 'reader')}: {what}." if decided else "Nobody of it is held."
        _tell(site.parts, there, json, said, decided=decided)


@app.command()
def mended(
    context: typer.Context, mailer: Annotated[str, typer.Argument(metavar="MAILER")], json: Json = False
) -> None:
    """Say that a mailer is mended, so that it is used again at once."""
    from publisher import deliver as delivering
    from publisher import errors

    with door(context).opened() as site:
        if mailer not in site.parts.mailers:
            raise errors.NotFound(f"there is no mailer {mailer!r} here; there is {', '.join(site.parts.mailers)}")
        before = delivering.mend(site.parts.store, mailer)
    if json:
        console.dump({"mailer": mailer, "was": before.state, "failure": before.failure, "reason": before.reason})
        return
    was = f"It took nothing ({before.failure}): {before.reason}" if before.failure else "It was not stopped."
    console.say(f"{mailer} is used again. {was}")
    console.say("`publisher run` goes on with it, or `publisher deliver` now.")


@app.command()
def retry(context: typer.Context, edition: Key, json: Json = False) -> None:
    """Mail those again whose rejection may have passed: a full mailbox, a server in trouble."""
    from publisher import deliver

    with door(context).opened() as site:
        store = site.parts.store
        retried = deliver.retry(store, edition, now=site.parts.clock.now())
        there = store.editions.get(edition)
        if json:
            console.dump({"edition": shown.edition(site.parts, there), "again": retried.again, "left": retried.left})
            return
        console.say(shown.line(site.parts, there))
        console.say(
            f"{count(retried.again, 'reader')} to be mailed again"
            + (": `publisher deliver`." if retried.again else ".")
        )
        for reason, number in sorted(retried.left.items()):
            console.say(f"{count(number, 'reader')} not: {reason}.")


@app.command()
def trace(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="A reader's address.")],
    json: Json = False,
) -> None:
    """Tell everything that is known about the mail of one reader."""
    from publisher.cli import traced

    with door(context).opened() as site:
        told = traced.of(site.parts, address)
    if json:
        console.dump(told)
        return
    for line in traced.lines(told, site.parts.site.timezone):
        console.say(line)


def _tell(parts: Parts, edition: Edition, json: bool, said: str, **values: int) -> None:
    if json:
        console.dump({"edition": shown.edition(parts, edition), **values})
        return
    console.say(shown.line(parts, edition))
    console.say(said)
