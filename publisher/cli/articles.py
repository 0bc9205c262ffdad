"""`publisher articles`: what an editor says about one article; and `publisher why`: where it is, and by which rule."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from publisher import errors
from publisher.cli import console
from publisher.cli.door import door, editor
from publisher.cli.explained import names_edition, no_edition, why_edition
from publisher.cli.words import when
from publisher.model import Arrival, ArticleState, MailPermission

if TYPE_CHECKING:
    from publisher.model import Article, Decision, Refusal
    from publisher.ports import Parts

app = typer.Typer(
    help="One article: correct, retract, restore, hold from mail, allow in mail.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Which = Annotated[list[str], typer.Argument(metavar="ARTICLE", help="Its address, its id, or words of its title.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="What readers are told.")]


@app.command()
def correct(context: typer.Context, article: Which, note: Note, json: Json = False) -> None:
    """Say that what it says now is a correction, and what was wrong."""
    from publisher import pipeline

    with door(context).opened() as site:
        said = pipeline.correct(site.parts, found_article(site.parts, article), note)
        _say(said, f"“{said.revision.title}” is marked as corrected: {said.revision.note}", json)


@app.command()
def retract(context: typer.Context, article: Which, note: Note = "", json: Json = False) -> None:
    """Withdraw it from feeds and mail, whatever its source says."""
    from publisher import pipeline

    with door(context).opened() as site:
        said = pipeline.retract(site.parts, found_article(site.parts, article), note, editor())
        _say(said, f"“{said.revision.title}” is retracted. To take that back: publisher articles restore", json)


@app.command()
def restore(context: typer.Context, article: Which, json: Json = False) -> None:
    """Take a retraction back."""
    from publisher import pipeline

    with door(context).opened() as site:
        said = pipeline.restore(site.parts, found_article(site.parts, article), editor())
        _say(said, f"“{said.revision.title}” is {said.state} again", json)


@app.command()
def hold(context: typer.Context, article: Which, json: Json = False) -> None:
    """Keep it out of mail; it stays in feeds."""
    _mail(context, article, allowed=False, json=json)


@app.command()
def allow(context: typer.Context, article: Which, json: Json = False) -> None:
    """Let it into mail, as new from now on, even if it is backdated or from an archive."""
    _mail(context, article, allowed=True, json=json)


def _mail(context: typer.Context, article: list[str], *, allowed: bool, json: bool) -> None:
    from publisher import pipeline

    with door(context).opened() as site:
        said = pipeline.mail(site.parts, found_article(site.parts, article), allowed, editor())
        _say(said, f"“{said.revision.title}” {'may be' if allowed else 'will not be'} mailed", json)


def why(
    context: typer.Context,
    article: Which,
    newsletter: Annotated[str, typer.Option(metavar="NEWSLETTER", help="Only this newsletter.")] = "",
    feed: Annotated[str, typer.Option(metavar="FEED", help="Only this feed.")] = "",
    json: Json = False,
) -> None:
    """Say of an article where it is and where not, by which rule, and since when; or of an edition, of each article
    that was considered for it."""
    from publisher import editions, pipeline

    with door(context).opened() as site:
        if "/" in article[0] and (there := editions.find(site.parts.store, article[0])):
            why_edition(site.parts, there, json=json)
            return
        left_out = _left_out(site.parts, " ".join(article))
        if left_out and not site.parts.store.articles.find(" ".join(article)):
            _say_left_out(left_out, site.parts.site.timezone, json=json)
            return
        if names_edition(site.parts, article) and not site.parts.store.articles.find(article[0]):
            raise no_edition(site.parts, article[0])
        one = found_article(site.parts, article)
        decisions = pipeline.why(site.parts, one, feed=feed, newsletter=newsletter)
        if json:
            console.dump({"article": _values(one), "decisions": [_decided(decision) for decision in decisions]})
            return
        zone = site.parts.site.timezone
        for line in _about(one, zone):
            console.say(line)
        rows = [
            (decision.output, "in" if decision.included else "out", when(decision.at, zone), decision.rule)
            for decision in decisions
        ]
        console.table(("output", "in/out", "since", "rule"), rows)


def _left_out(parts: Parts, text: str) -> list[tuple[str, Refusal]]:
    """What looks refuse, by source, and is called so."""
    words = text.strip().casefold()
    return [
        (source.slug, one)
        for source in parts.store.sources.all()
        for one in source.refused
        if words == one.id.casefold() or words in one.item.casefold()
    ]


def _say_left_out(left_out: list[tuple[str, Refusal]], zone: str, *, json: bool) -> None:
    if json:
        console.dump({"refused": [{"source": source, **asdict(one)} for source, one in left_out]})
        return
    for source, one in left_out:
        console.say(f"{one.item} ({source}) is left out since {when(one.since, zone)}: {one.reason}")


# ---------------------------------------------------------------- which, and how it is shown


def found_article(parts: Parts, words: list[str]) -> Article:
    """The one article that is meant. Raises NotFound, and Conflict that names those it could be."""
    text = " ".join(words)
    found = parts.store.articles.find(text)
    if not found:
        raise errors.NotFound(f"no article has the address or id {text!r}, or these words in its title")
    if len(found) > 1:
        names = "\n".join(f"  {one.entry_id}  {one.revision.title}" for one in found)
        raise errors.Conflict(f"{text!r} could be any of these; give the id of one:\n{names}")
    return found[0]


def _about(one: Article, zone: str) -> list[str]:
    """What it is, in a few lines."""
    revision = one.revision
    dated = f"dated {when(revision.published_at, zone)}, first seen {when(one.first_seen_at, zone)}"
    number = f"revision {revision.number} ({revision.kind}) of {when(revision.updated_at, zone)}"
    lines = [f"“{revision.title}” ({one.source})", f"  {one.entry_id}", f"  {dated}, {number}"]
    if revision.note:
        lines.append(f"  corrected: {revision.note}")
    lines.append(f"  {_state(one, zone)}; {_mailing(one, zone)}")
    return lines


def _state(one: Article, zone: str) -> str:
    if one.state is ArticleState.RETRACTED:
        who = f"by {one.retracted_by}" if one.retracted_by else "since its source does not list it any more"
        return f"retracted {when(one.retracted_at, zone)} {who}"
    if one.state is ArticleState.HELD:
        return "held until its publication time"
    return f"live, missing from {one.missing_looks} list of its source" if one.missing_looks else "live"


def _mailing(one: Article, zone: str) -> str:
    if one.mail_at:
        allowed = one.mail is MailPermission.ALLOWED
        return f"{'let into' if allowed else 'kept out of'} mail by an editor, {when(one.mail_at, zone)}"
    return {
        Arrival.NEWS: "came in as news",
        Arrival.ARCHIVE: "came in when its source was first read",
        Arrival.BACKDATED: "came in backdated: not in mail",
    }[one.arrival]


def _say(said: Article, text: str, json: bool) -> None:
    if json:
        console.dump({"article": _values(said)})
    else:
        console.say(text)


def _values(one: Article) -> dict[str, Any]:
    """An article for programs. `id` is its permanent one."""
    return {
        "id": one.entry_id,
        "source": one.source,
        "url": one.canonical_url,
        "title": one.revision.title,
        "state": one.state,
        "retracted_at": one.retracted_at,
        "retracted_by": one.retracted_by,
        "retraction_note": one.retraction_note,
        "mail": one.mail,
        "mail_at": one.mail_at,
        "arrival": one.arrival,
        "published_at": one.revision.published_at,
        "first_seen_at": one.first_seen_at,
        "revision": one.revision.number,
        "kind": one.revision.kind,
        "note": one.revision.note,
    }


def _decided(decision: Decision) -> dict[str, Any]:
    return {
        "output": decision.output,
        "included": decision.included,
        "rule": decision.rule,
        "since": decision.at,
        "revision": decision.revision,
    }
