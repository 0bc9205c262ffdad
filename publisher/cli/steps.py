"""Each step as a command of its own: `collect`, `syndicate`, `compose`, `deliver`. What is due is asked of the store,
so a command by hand, the schedule and a second process may do the same thing at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from publisher import errors
from publisher.cli import console, shown
from publisher.cli.door import door, finishing
from publisher.cli.errors import together
from publisher.cli.words import count, when

if TYPE_CHECKING:
    from publisher.app import App
    from publisher.collect import Tally
    from publisher.model import Edition, Newsletter
    from publisher.ports import Parts

Cadence = Annotated[str, typer.Option("--cadence", metavar="WORD", help="One of its cadences; its own, if none.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]


def collect(
    context: typer.Context,
    sources: Annotated[list[str] | None, typer.Argument(metavar="[SOURCE]...", help="All, if none is named.")] = None,
    believe: Annotated[
        bool, typer.Option("--believe-removals", help="What is not there any more was removed, however much it is.")
    ] = False,
    json: Json = False,
) -> None:
    """Look at sources now, and keep what is new or changed."""
    from publisher import pipeline

    results: list[dict[str, Any]] = []
    problems: list[BaseException] = []
    with door(context).opened() as app:
        slugs = _known("source", sources, [source.slug for source in app.parts.sources])
        with console.progress("looking at sources", len(slugs), shown=not json) as advance:
            for slug, result in pipeline.collect_all(app.parts, slugs, believe_removals=believe):
                if isinstance(result, errors.SourceError):
                    problems.append(result)
                    results.append({"source": slug, "error": str(result)})
                    console.warn(f"{slug}: {result}")
                elif isinstance(result, Exception):
                    raise result
                else:
                    results.append({"source": slug, "error": "", **counts(result)})
                    done("collect", source=slug, **counts(result))
                    _say_tally(slug, result, shown=not json)
                advance(1)
        released = pipeline.release(app.parts)
    if json:
        console.dump({"sources": results, "released": released})
    elif released:
        console.say(f"{count(released, 'held article')} went live")
    raise typer.Exit(together(problems))


def syndicate(
    context: typer.Context,
    feeds: Annotated[list[str] | None, typer.Argument(metavar="[FEED]...", help="Those that changed, if none.")] = None,
    all: Annotated[bool, typer.Option("--all", help="Build every feed, changed or not.")] = False,
    json: Json = False,
) -> None:
    """Build the feeds that changed, and check them."""
    from publisher import pipeline

    results: list[dict[str, Any]] = []
    problems: list[BaseException] = []
    with door(context).opened() as app:
        everything = [feed.slug for feed in app.parts.store.feeds.all()]
        wanted = (
            _known("feed", feeds or None, everything)
            if feeds or all
            else app.parts.store.feeds.due(app.parts.clock.now())
        )
        with console.progress("building feeds", len(wanted), shown=not json) as advance:
            for slug in wanted:
                try:
                    published = pipeline.syndicate(app.parts, slug, everything=all)
                except (errors.GateError, errors.FolderError, errors.TemplateError) as error:
                    problems.append(error)
                    results.append({"feed": slug, "written": [], "unchanged": [], "error": str(error)})
                    console.warn(f"{slug}: {error}")
                else:
                    results.append({"feed": slug, **feed_counts(published)})
                    done("syndicate", feed=slug, written=len(published.written))
                    if not json:
                        _say_feed(slug, published)
                advance(1)
        try:
            pipeline.tidy(app.parts)
        except (errors.TemplateError, errors.FolderError) as error:
            problems.append(error)
            console.warn(f"pages beside the feeds: {error}")
    if json:
        console.dump({"feeds": results})
    elif not results:
        console.say("No feed has changed. `publisher syndicate --all` builds them all the same.")
    raise typer.Exit(together(problems))


def compose(
    context: typer.Context,
    newsletter: Annotated[str, typer.Argument(metavar="NEWSLETTER", help="Its slug in the settings.")],
    cadence: Cadence = "",
    json: Json = False,
) -> None:
    """Make the edition whose hour has come, as the schedule would."""
    from publisher import pipeline

    with door(context).opened() as app:
        parts = app.parts
        there = pipeline.newsletter_of(parts, newsletter)
        slot = pipeline.come(parts, there, offered(there, cadence))
        if slot is None or slot.due_at < parts.store.editions.born(there.slug):
            following = pipeline.following(parts, there, cadence)
            if json:
                console.dump({"edition": None, "next": following.due_at if following else None})
                return
            moment = when(following.due_at, there.timezone) if following else "there is enough that is new"
            console.say(f"No edition of {there.slug} is due before {moment}.")
            which = f" --cadence {cadence}" if cadence else ""
            console.say(f"To send one now: publisher send {there.slug} --now{which}")
            return
        edition = pipeline.compose_slot(parts, there, slot)
        done("compose", edition=edition.key, state=edition.state)
        if json:
            console.dump({"edition": shown.edition(parts, edition)})
        else:
            console.say(shown.line(parts, edition))


def offered(newsletter: Newsletter, cadence: str) -> str:
    """The cadence that was named. Raises BadParameter when readers cannot choose it."""
    if cadence and cadence not in newsletter.offered:
        raise typer.BadParameter(f"choose one of {', '.join(newsletter.offered)}", param_hint="--cadence")
    return cadence


def under_way(parts: Parts) -> tuple[Edition, ...]:
    from publisher.model import EditionState

    return parts.store.editions.in_state(EditionState.APPROVED, EditionState.PLANNING, EditionState.SENDING)


def hand_over_all(app: App, mailers: list[str] | None, *, shown: bool) -> list[BaseException]:
    """Plan, deliver and notify what is due, through the mailers named or all of them. What one refuses does not
    keep back the others' mail. Raises NotFound for a mailer that is not there."""
    from publisher import pipeline

    names = _known("mailer", mailers, list(app.parts.mailers))
    problems: list[BaseException] = []
    with finishing(app) as good_place:
        for kind in ("sweep", "plan", "deliver", "notify"):
            for work in [work for work in pipeline.due(app.parts) if work.kind == kind]:
                good_place()
                if kind == "deliver" and work.key not in names:
                    continue
                try:
                    hand_over(app, work.key, shown=shown) if kind == "deliver" else pipeline.work(
                        app.parts, kind, work.key
                    )
                except (errors.DeliveryError, errors.TemplateError) as error:
                    problems.append(error)
                    console.warn(str(error))
    return problems


def hand_over(app: App, mailer: str, *, shown: bool) -> None:
    """Deliver what is due for one mailer, with a bar. Raises DeliveryError."""
    from publisher import pipeline

    with console.progress(f"delivering through {mailer}", waiting(app, mailer), shown=shown) as advance:
        tally = pipeline.deliver(app.parts, mailer, progress=advance)
    done("deliver", mailer=mailer, batches=tally.batches, **{str(name): n for name, n in tally.outcomes.items()})


def waiting(app: App, mailer: str = "") -> int:
    """How many readers wait for an edition, of one mailer or of all."""
    return sum(
        app.parts.store.outbox.sums(edition.id).waiting
        for edition in under_way(app.parts)
        if mailer in ("", edition.mailer)
    )


# ---------------------------------------------------------------- in words


def done(step: str, **values: object) -> None:
    """Log that a step is done; shown with -v."""
    import structlog

    structlog.get_logger("publisher").info(f"{step}.done", **values)


def counts(tally: Tally) -> dict[str, int]:
    return {
        "new": tally.new,
        "changed": tally.changed,
        "removed": tally.removed,
        "returned": tally.returned,
        "refused": len(tally.refused),
    }


def tally_words(tally: Tally) -> str:
    """ "6 new, 1 changed", or "nothing new"."""
    parts = [f"{number:,} {name}" for name, number in counts(tally).items() if number]
    return ", ".join(parts) or "nothing new"


def _say_tally(slug: str, tally: Tally, *, shown: bool) -> None:
    if shown:
        console.say(f"{slug}: {tally_words(tally)}")
    for refusal in tally.refused:
        console.warn(f"{slug}: left out {refusal.item}: {refusal.reason}")


def feed_counts(published: Any) -> dict[str, Any]:
    return {
        "written": list(published.written),
        "unchanged": list(published.unchanged),
        "error": "; ".join(f"left out {left_out}" for left_out in published.left_out),
    }


def _say_feed(slug: str, published: Any) -> None:
    told = ", ".join(published.written) + " written" if published.written else "unchanged"
    console.say(f"{slug}: {told}")
    for left_out in published.left_out:
        console.warn(f"{slug}: left out {left_out}")


def _known(noun: str, wanted: list[str] | None, there: Sequence[str]) -> Sequence[str]:
    """What was named, or everything. Raises NotFound for a name that is not there."""
    for name in wanted or ():
        if name not in there:
            raise errors.NotFound(f"there is no {noun} {name!r} here; there is {', '.join(there) or 'none yet'}")
    return wanted or there
