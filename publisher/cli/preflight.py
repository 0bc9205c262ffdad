"""`publisher preflight`: look at an edition as it would leave, and say what may go all the same."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from publisher import errors
from publisher.cli import console
from publisher.cli.door import door, editor
from publisher.cli.exits import Exit
from publisher.cli.words import count

if TYPE_CHECKING:
    from publisher.app import App
    from publisher.model import Candidate, Edition, Finding, Newsletter, Variant
    from publisher.ports import Parts

#: What an edition's variants may be named by, besides a reader's address.
_NAMES = ("largest", "strangest")


def preflight(
    context: typer.Context,
    *,
    edition: Annotated[
        str, typer.Argument(metavar="EDITION", help="Such as daily/daily:2026-11-22; or a newsletter.")
    ] = "",
    variant: Annotated[
        str, typer.Option(metavar="VARIANT", help="largest, strangest, or what this reader's ADDRESS gets; else both.")
    ] = "",
    override: Annotated[
        list[str] | None, typer.Option(metavar="RULE", help="Let it go although this rule blocks it; may be repeated.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask neither links nor DNS.")] = False,
    refresh_data: Annotated[
        str, typer.Option(metavar="FILE_OR_URL", help="Take what mail programs can show from caniemail.json.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Look at the final bytes of an edition: what would arrive broken, where, and how to mend it."""
    with door(context).opened() as app:
        if refresh_data:
            _refresh(app, refresh_data)
            return
        if not edition:
            raise typer.BadParameter("name an edition, or a newsletter", param_hint="EDITION")
        from publisher import pipeline
        from publisher import preflight as checks

        if override:
            pipeline.override(app.parts, edition, override, editor())
        there, newsletter, variants = _named(app.parts, edition)
        person = None if variant in ("", *_NAMES) else _reader(app.parts, newsletter, variant)
        chosen = _chosen(app.parts, there, variants, variant, person)
        found = pipeline.findings(app.parts, there, newsletter, chosen, network=not offline, person=person)
        _tell(there, found, json)
    raise typer.Exit(Exit.PREFLIGHT if checks.blocking(found) else Exit.OK)


def _named(parts: Parts, name: str) -> tuple[Edition, Newsletter, tuple[Variant, ...]]:
    """The edition of that key with its variants, or what would go out of a newsletter now. Raises NotFound."""
    from publisher import pipeline
    from publisher.cli.preview import what_would_go

    newsletter = pipeline.newsletter_of(parts, name.partition("/")[0])
    if "/" in name:
        there = parts.store.editions.get(name)
        return there, newsletter, parts.store.editions.variants(there.id)
    slot = pipeline.today(parts, newsletter)
    edition, _, variant = what_would_go(parts, newsletter, slot)
    if variant is None:
        raise errors.NotFound(f"no edition of {newsletter.slug} would go out now: {edition.reason}")
    return edition, newsletter, (variant,)


def _chosen(
    parts: Parts, there: Edition, variants: tuple[Variant, ...], name: str, person: Candidate | None
) -> tuple[Variant, ...]:
    from publisher import pipeline
    from publisher import preflight as checks

    if not variants:
        raise errors.NotFound(f"{there.key} has not been rendered: {there.reason or there.state}")
    if person is not None:
        return (pipeline.variant_for(parts, there, variants[0], person),)
    if not name:
        return pipeline.picked(variants)
    return (checks.largest(variants) if name == "largest" else checks.strangest(variants),)


def _reader(parts: Parts, newsletter: Newsletter, address: str) -> Candidate:
    """Raises NotFound when nobody of that address reads the newsletter."""
    from publisher import audience

    try:
        key = audience.address(address)[1]
    except ValueError as error:
        raise typer.BadParameter(f"{address!r}: {error}; or say largest, or strangest") from None
    subscriber = parts.store.audience.by_email(key)
    found = parts.store.audience.recipients(newsletter.slug, [subscriber.id]) if subscriber else {}
    if subscriber is None or subscriber.id not in found:
        raise errors.NotFound(f"no reader of {newsletter.slug} has the address {address}")
    return found[subscriber.id]


def _tell(there: Edition, found: tuple[Finding, ...], json: bool) -> None:
    from publisher.model import Level

    if json:
        overrides = [asdict(override) for override in there.overrides]
        console.dump({"edition": there.key, "overrides": overrides, "findings": [asdict(one) for one in found]})
        return
    for finding in found:
        blocks = finding.level is Level.BLOCK
        console.tell(console.colour(f"{finding.level:5}", "red" if blocks else "yellow"), str(finding))
    for given in there.overrides:
        console.say(f"{given.rule} was overridden by {given.by}.")
    stopped = sum(finding.level is Level.BLOCK for finding in found)
    if stopped:
        console.say(f"\n{there.key} does not leave: {count(stopped, 'finding')} must be mended, or overridden by name.")
    else:
        warned = f", with {count(len(found), 'warning')}." if found else ": all is well."
        console.say(f"{there.key} may leave{warned}")


def _refresh(app: App, source: str) -> None:
    """Raises PublisherError when it holds something else; what was there then stays."""
    from publisher import preflight as checks

    made = checks.refreshed(_fetched(source) if source.startswith(("https://", "http://")) else _read(source))
    place = app.root / "var" / checks.TABLE
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_suffix(".new")
    fresh.write_bytes(made)
    os.replace(fresh, place)
    table = checks.table(made)
    console.say(f"{place}: {count(len(table.features), 'feature')}, as of {table.date}.")


def _read(path: str) -> bytes:
    return Path(path).read_bytes()


def _fetched(url: str) -> bytes:
    from publisher.kit import http_session

    with http_session.open_session() as session:
        return http_session.get(session, url).body
