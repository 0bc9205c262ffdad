"""`publisher receipt`: an edition's account, and whether it still holds."""

from __future__ import annotations

from typing import Annotated

import typer

from publisher.cli import console
from publisher.cli.door import door
from publisher.cli.exits import Exit
from publisher.cli.words import count

app = typer.Typer(help="An edition's account, and whether it still holds.", rich_markup_mode=None)

Key = Annotated[str, typer.Argument(metavar="EDITION", help="Such as daily/daily:2026-11-22.")]


@app.command()
def show(
    context: typer.Context,
    edition: Key,
    json: Annotated[bool, typer.Option("--json", help="For programs; it is JSON in any case.")] = False,  # noqa: ARG001
) -> None:
    """Write the receipt of an edition as JSON: what became of it, by whom, and the hash of every row."""
    from publisher import pipeline

    with door(context).looked_at() as site:
        _, sealed, said = pipeline.receipt(site.parts, edition)
    seal = None
    if sealed:
        seal = {"number": sealed.number, "sha256": sealed.hash, "hmac": sealed.seal, "made_at": sealed.made_at}
    console.dump({"receipt": said, "seal": seal})


@app.command()
def verify(
    context: typer.Context, edition: Key, json: Annotated[bool, typer.Option("--json", help="For programs.")] = False
) -> None:
    """Compute the account of an edition again from the store, and say what was altered since."""
    from publisher import pipeline

    with door(context).looked_at() as site:
        problems = pipeline.verify_receipt(site.parts, edition)
    if json:
        console.dump({"edition": edition, "holds": not problems, "problems": problems})
    for problem in problems if not json else ():
        console.tell(console.mark(False), problem)
    if not json:
        wrong = f"{edition} is not as its receipt says: {count(len(problems), 'difference')}, named above."
        console.say(wrong if problems else f"{edition} is as its receipt says: every row, every sum, every variant.")
    raise typer.Exit(Exit.FAILED if problems else Exit.OK)
