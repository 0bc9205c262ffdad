"""`publisher subscribers`: import, export, add, remove, list, choose."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from publisher import errors
from publisher.cli import console, shown
from publisher.cli.door import door, editor
from publisher.cli.exits import Exit
from publisher.cli.reading import meant, take, written_whole
from publisher.cli.words import count, when
from publisher.model import Refusal, SubscriptionStatus

if TYPE_CHECKING:
    from publisher.audience import Imported
    from publisher.model import Subscriber, Subscription
    from publisher.ports import Parts

#: Refused lines that are shown; `--refused FILE` gets them all.
SHOWN = 20

app = typer.Typer(
    help="Readers: import, export, add, remove, list, and what each wants.", no_args_is_help=True, rich_markup_mode=None
)

Json = Annotated[bool, typer.Option("--json", help="For programs.")]
Only = Annotated[str, typer.Option("--newsletter", metavar="NEWSLETTER", help="Only this one.")]
Into = Annotated[str, typer.Option("--newsletter", metavar="NEWSLETTER", help="Not needed when there is only one.")]


@dataclass(slots=True)
class _Refused:
    """Refused lines: the first ones to show, all of them to a file."""

    write: Callable[[tuple[str, str]], object] | None = None
    first: list[Refusal] = field(default_factory=list)

    def add(self, refusal: Refusal) -> None:
        if len(self.first) < SHOWN:
            self.first.append(refusal)
        if self.write:
            self.write((refusal.item, refusal.reason))


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="With a column email; see the guide for others.")],
    newsletter: Annotated[str, typer.Option(metavar="NEWSLETTER", help="For lines that name none.")] = "",
    refused: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every refused line there.")] = None,
    *,
    choices: Annotated[bool, typer.Option("--choices", help="Change also what known readers want.")] = False,
    json: Json = False,
) -> None:
    """Add the readers in a CSV file. Doing it again changes nothing; who unsubscribed stays so."""
    with door(context).opened() as site, ExitStack() as stack:
        report = _Refused()
        if refused:
            writer = csv.writer(stack.enter_context(written_whole(refused)))
            writer.writerow(("line", "reason"))
            report.write = writer.writerow
        result = take(site.parts, file, newsletter, report.add, shown=not json, rechoose=choices)
    _report(result, report.first, refused, json=json)
    raise typer.Exit(Exit.FAILED if result.refused else Exit.OK)


@app.command()
def export(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE.csv]", help="Standard output, if none.")] = None,
    newsletter: Only = "",
) -> None:
    """Write readers as CSV that an import reads back."""
    from publisher import audience

    with door(context).opened() as site:
        _known(site.parts, newsletter)
        if file is None:
            audience.export(site.parts.store, sys.stdout, newsletter=newsletter)
            return
        with console.progress(f"writing {file.name}"), written_whole(file) as out:
            number = audience.export(site.parts.store, out, newsletter=newsletter)
    console.say(f"{count(number, 'reader')} written to {file}")


@app.command()
def add(
    context: typer.Context,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Their address.")],
    name: Annotated[str, typer.Option(help="As it stands in the address line of their mail.")] = "",
    newsletter: Into = "",
    *,
    ask: Annotated[bool, typer.Option("--ask", help="Mail them a link first; who uses it is a reader.")] = False,
    json: Json = False,
) -> None:
    """Add one reader who has asked for it, or ask them."""
    from publisher import audience
    from publisher.cli import asking

    with door(context).opened() as site:
        parts, now = site.parts, site.parts.clock.now()
        (slug,) = meant(parts, newsletter, needed=True)
        reader = _person(parts, email, name)
        if ask:
            asking.ask(site, slug, reader, json=json)
            return
        evidence = {"added": editor()}
        reader, new = parts.store.audience.add(
            reader, audience.consent(slug, SubscriptionStatus.CONFIRMED, evidence, now=now)
        )
        has = next(s for s in parts.store.audience.subscriptions(reader.id) if s.newsletter == slug)
        if has.status is SubscriptionStatus.UNSUBSCRIBED:
            raise errors.Conflict(
                f"{reader.email} left {slug} on {when(has.changed_at, parts.site.timezone)}; only they can come back. "
                f"`{asking.command(site, reader, slug)}` asks them"
            )
        suppressed = parts.store.audience.suppressed(reader.address_key, slug)
        again = asking.command(site, reader, slug)
    if json:
        console.dump({**shown.reader(reader, (has,)), "new": new, "suppressed": suppressed})
        return
    if has.status is SubscriptionStatus.PENDING:
        console.say(f"{reader.email} has not confirmed {slug} yet; `{again}` asks them")
        return
    console.say(f"{reader.email} {'now reads' if new else 'has already got'} {slug}")
    if suppressed:
        console.warn(f"{reader.email} gets no mail all the same: {suppressed}")


@app.command()
def remove(
    context: typer.Context,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Their address.")],
    newsletter: Only = "",
    json: Json = False,
) -> None:
    """Unsubscribe one reader, from everything or from one newsletter."""
    from publisher import audience

    with door(context).opened() as site:
        parts = site.parts
        _known(parts, newsletter)
        slugs = [newsletter] if newsletter else [known.slug for known in parts.newsletters]
        try:
            left = audience.remove(parts.store, email, slugs, now=parts.clock.now(), how=editor())
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
    if json:
        console.dump({"email": email, "left": list(left)})
    else:
        console.say(f"{email} has left {', '.join(left)}" if left else f"{email} had already left")


@app.command("list")
def list_(
    context: typer.Context,
    newsletter: Only = "",
    status: Annotated[SubscriptionStatus | None, typer.Option(help="Only those.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="How many at most; 0 for all.")] = 50,
    json: Json = False,
) -> None:
    """Show readers, in the order in which they came."""
    with door(context).opened() as site:
        _known(site.parts, newsletter)
        found = _matching(site.parts, newsletter, status)
        readers = [shown.reader(*one) for one in islice(found, limit or None)]
        more = next(found, None) is not None
        sums = {known.slug: site.parts.store.audience.count(known.slug) for known in site.parts.newsletters}
    if json:
        numbers = {slug: {str(status): number for status, number in by.items()} for slug, by in sums.items()}
        console.dump({"subscribers": readers, "more": more, "newsletters": numbers})
        return
    rows = [
        [r["email"], r["name"], ", ".join(f"{s} {status}" for s, status in r["newsletters"].items())] for r in readers
    ]
    console.table(["email", "name", "newsletters"], rows)
    console.say("There are more; --limit 0 shows all." if more else count(len(readers), "reader"))


@app.command()
def choose(
    context: typer.Context,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Their address.")],
    newsletter: Into = "",
    topic: Annotated[
        list[str] | None, typer.Option(metavar="TOPIC", help="Such as category:Sport; may be repeated.")
    ] = None,
    cadence: Annotated[str, typer.Option(metavar="CADENCE", help="One that the newsletter offers.")] = "",
    *,
    everything: Annotated[bool, typer.Option("--everything", help="All topics again.")] = False,
    alerts: Annotated[bool | None, typer.Option("--alerts/--no-alerts", help="Whether they want its alerts.")] = None,
    json: Json = False,
) -> None:
    """Show what a reader wants of a newsletter, and change what is named."""
    from publisher import audience, pipeline

    with door(context).opened() as site:
        parts = site.parts
        (slug,) = meant(parts, newsletter, needed=True)
        there, reader = pipeline.newsletter_of(parts, slug), _known_person(parts, email)
        has = audience.held(parts.store, reader, slug)
        if topic or everything or cadence or alerts is not None:
            try:
                wanted = audience.choices(
                    there,
                    topics=topic or (() if everything else has.topics),
                    cadence=cadence or has.cadence,
                    alerts=has.alerts if alerts is None else alerts,
                )
            except ValueError as error:
                raise typer.BadParameter(str(error)) from None
            has = audience.choose(parts.store, reader, there, wanted)
    if json:
        console.dump({"email": reader.email, "newsletter": slug, **shown.choices(has)})
        return
    console.say(f"{reader.email} gets {', '.join(has.topics) or 'everything'} of {slug}")
    console.say(f"{has.cadence or there.cadence} editions, {'with' if has.alerts else 'without'} alerts")


# ---------------------------------------------------------------- below


def _known_person(parts: Parts, email: str) -> Subscriber:
    """Raises NotFound when nobody has that address."""
    from publisher import audience

    try:
        reader = parts.store.audience.by_email(audience.address(email)[1])
    except ValueError as error:
        raise typer.BadParameter(f"{email!r}: {error}", param_hint="EMAIL") from None
    if reader is None:
        raise errors.NotFound(f"nobody with the address {email} is known")
    return reader


def _known(parts: Parts, newsletter: str) -> None:
    from publisher import pipeline

    if newsletter:
        pipeline.newsletter_of(parts, newsletter)


def _person(parts: Parts, email: str, name: str) -> Subscriber:
    from publisher import audience

    try:
        return audience.person(email, parts.keys, name=name, now=parts.clock.now())
    except ValueError as error:
        raise typer.BadParameter(f"{email!r}: {error}", param_hint="EMAIL") from None


def _matching(
    parts: Parts, newsletter: str, status: SubscriptionStatus | None
) -> Iterator[tuple[Subscriber, tuple[Subscription, ...]]]:
    for reader, subscriptions in parts.store.audience.each(newsletter):
        if status is None or any(s.status is status and newsletter in ("", s.newsletter) for s in subscriptions):
            yield reader, subscriptions


def _report(result: Imported, first: list[Refusal], refused: Path | None, *, json: bool) -> None:
    outcomes = dict(sorted(result.outcomes.items()))
    if json:
        shown = [{"line": refusal.item, "reason": refusal.reason} for refusal in first]
        console.dump({"lines": result.lines, **outcomes, "refused": result.refused, "first_refused": shown})
        return
    told = "".join(f", {number:,} {outcome}" for outcome, number in outcomes.items())
    console.say(f"{count(result.lines, 'line')} read{told}, {result.refused:,} refused")
    if not first:
        return
    console.table(["line", "why it was refused"], [[refusal.item, refusal.reason] for refusal in first])
    if result.refused > len(first):
        console.say(
            f"... and {result.refused - len(first):,} more" + ("" if refused else "; --refused FILE writes all")
        )
    if refused:
        console.say(f"All refused lines: {refused}")
