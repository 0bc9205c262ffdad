"""`publisher status`: sources, feeds, newsletters, editions, and what waits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from publisher.cli import console, shown
from publisher.cli.door import door
from publisher.cli.words import ago, ahead, count, when

if TYPE_CHECKING:
    from publisher.model import Newsletter
    from publisher.ports import Parts

#: Editions that are shown, newest first.
EDITIONS = 10
#: Letters of a reason in a table.
WIDEST = 72


def status(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show how everything stands, what comes next, what waits."""
    with door(context).opened() as app:
        now = app.parts.clock.now()
        report: dict[str, Any] = {
            "site": app.parts.site.name,
            "at": now,
            "sources": _sources(app.parts),
            "hubs": _hubs(app.parts),
            "feeds": _feeds(app.parts, now),
            "newsletters": _newsletters(app.parts),
            "editions": [shown.edition(app.parts, e) for e in app.parts.store.editions.newest(EDITIONS)],
            "bounces": _bounces(app.parts),
            "waiting": _waiting(app.parts, now),
        }
        zone = app.parts.site.timezone
    if json:
        console.dump(report)
    else:
        _show(report, now, zone)


def _sources(parts: Parts) -> list[dict[str, Any]]:
    stored = {source.slug: source for source in parts.store.sources.all()}
    articles = parts.store.articles.by_source()
    return [
        {
            "slug": source.slug,
            "kind": source.kind,
            "articles": articles.get(source.slug, 0),
            # What is pushed is looked for nowhere.
            "last_look_at": None if source.kind == "push" else stored[source.slug].fetched_at,
            "next_look_at": None if source.kind == "push" else stored[source.slug].next_fetch_at,
            "failures": stored[source.slug].failures,
            "error": stored[source.slug].last_error,
            "refused": [
                {"item": one.item, "reason": one.reason, "since": one.since} for one in stored[source.slug].refused
            ],
        }
        for source in parts.sources
    ]


def _hubs(parts: Parts) -> list[dict[str, Any]]:
    """What hubs have promised to tell of; `until` is null as long as one has not made sure that we want it."""
    return [
        {
            "source": lease.source,
            "hub": lease.hub,
            "state": lease.state,
            "until": lease.until,
            "failures": lease.failures,
            "error": lease.error,
        }
        for lease in parts.store.hubs.wanted()
    ]


def _feeds(parts: Parts, now: datetime) -> list[dict[str, Any]]:
    states, due = parts.store.feeds.states(), set(parts.store.feeds.due(now))
    return [
        {"slug": slug, "built_at": built, "articles": articles, "due": slug in due, "error": error}
        for slug, (built, error, articles) in sorted(states.items())
    ]


def _newsletters(parts: Parts) -> list[dict[str, Any]]:
    from publisher import pipeline
    from publisher.model import Readership

    def next_at(newsletter: Newsletter, cadence: str = "") -> datetime | None:
        slot = pipeline.following(parts, newsletter, cadence)
        return slot.due_at if slot else None

    def readers(newsletter: Newsletter, cadence: str = "") -> dict[str, int]:
        of = newsletter.readership(cadence) if cadence else Readership()
        return {str(status): number for status, number in parts.store.audience.count(newsletter.slug, of).items()}

    return [
        {
            "slug": newsletter.slug,
            "name": newsletter.name,
            "next_at": next_at(newsletter),
            "cadences": {cadence: next_at(newsletter, cadence) for cadence in newsletter.offered},
            "timezone": newsletter.timezone,
            "approval": newsletter.approval,
            "mailer": newsletter.mailer,
            "readers": readers(newsletter),
            "readers_by_cadence": {cadence: readers(newsletter, cadence) for cadence in newsletter.offered},
        }
        for newsletter in parts.newsletters
    ]


def _bounces(parts: Parts) -> list[dict[str, Any]]:
    return [
        {
            "mailer": look.mailer,
            "last_look_at": look.at,
            "events": look.events,
            "automatic": look.automatic,
            "unreadable": look.unreadable,
            "error": look.error,
        }
        for look in parts.store.mailboxes.looks()
        if look.mailer in parts.mailboxes
    ]


def _waiting(parts: Parts, now: datetime) -> dict[str, Any]:
    from publisher.model import EditionState

    sending = parts.store.editions.in_state(EditionState.PLANNING, EditionState.SENDING)
    return {
        "approval": [e.key for e in parts.store.editions.in_state(EditionState.WAITING)],
        "first_waves": [{"edition": e.key, "said": said} for e in sending if (said := shown.first_wave(parts, e))],
        "held": [{"edition": key, "reason": why} for key, why in _held(parts)],
        "in_doubt": [{"edition": key, "readers": n} for key, n in parts.store.outbox.held().items()],
        "batches": sum(parts.store.outbox.open(edition.id) for edition in sending),
        "notices": parts.store.notices.waiting(),
        "blocked": list(_blocked(parts, now)),
        "overdue": [{"edition": key, "reason": why} for key, why in _overdue(parts, now)],
    }


def _blocked(parts: Parts, now: datetime) -> Iterator[dict[str, Any]]:
    """Mailers that are left alone. `failure` is null for those that only asked to wait."""
    from publisher import deliver
    from publisher.model import CircuitState

    for circuit in parts.store.outbox.circuits():
        is_open = circuit.state is not CircuitState.CLOSED
        if is_open or (circuit.until is not None and circuit.until > now):
            yield {
                "mailer": circuit.mailer,
                "circuit": circuit.state,
                "failure": circuit.failure,
                "failures": circuit.failures,
                "since": circuit.opened_at,
                "until": circuit.until,
                "reason": circuit.reason,
                "remedy": deliver.remedy(circuit),
            }


def _held(parts: Parts) -> Iterator[tuple[str, str]]:
    """Editions that are made and cannot leave until somebody mends something."""
    from publisher import deliver
    from publisher.model import EditionState

    for edition in parts.store.editions.in_state(EditionState.DRAFT):
        if edition.reason:
            yield edition.key, edition.reason
    for edition in parts.store.editions.in_state(EditionState.APPROVED):
        mailer = parts.mailers.get(edition.mailer)
        if mailer is None:
            yield edition.key, f"there is no mailer {edition.mailer!r} in the settings"
        elif reason := deliver.refuses(parts.site, mailer.capability):
            yield edition.key, reason


def _overdue(parts: Parts, now: datetime) -> Iterator[tuple[str, str]]:
    """Editions that should have gone by now, and why they did not. Only looked at: nothing is made."""
    from publisher import editions, pipeline

    blocked = parts.store.outbox.blocked(now)
    for newsletter, slot in pipeline.waiting(parts):
        patience = newsletter.undo + pipeline.OVERDUE
        if now < slot.due_at + patience:
            continue
        key = f"{newsletter.slug}/{slot.name}"
        edition = editions.find(parts.store, key)
        if edition is None:
            yield key, "nobody has made it; is `publisher run` running?"
        elif why := editions.stuck(edition, blocked, patience=patience, now=now):
            yield key, why


# ---------------------------------------------------------------- for people


def _show(report: dict[str, Any], now: datetime, zone: str) -> None:
    _show_sources(report["sources"], now)
    _show_refused(report["sources"], now)
    _show_hubs(report["hubs"], now, zone)
    _show_feeds(report["feeds"], now)
    _show_newsletters(report["newsletters"], now)
    rows = [
        [e["id"], when(e["due_at"], zone), e["state"], e["subject"] or _short(e["reason"]), _mailed(e)]
        for e in report["editions"]
    ]
    console.say()
    console.table(["edition", "due", "state", "subject", "readers"], rows, title="Editions")
    _show_bounces(report["bounces"], now)
    console.say()
    for line in _waiting_lines(report["waiting"], zone) or ["Nothing waits."]:
        console.say(line)


def _show_sources(sources: list[dict[str, Any]], now: datetime) -> None:
    rows = [
        [
            s["slug"],
            s["kind"],
            f"{s['articles']:,}",
            *(("", "") if s["kind"] == "push" else (ago(s["last_look_at"], now), ahead(s["next_look_at"], now))),
            s["error"],
        ]
        for s in sources
    ]
    console.table(["source", "kind", "articles", "last look", "next look", "error"], rows, title="Sources")


def _show_refused(sources: list[dict[str, Any]], now: datetime) -> None:
    rows = [[s["slug"], one["item"], ago(one["since"], now), one["reason"]] for s in sources for one in s["refused"]]
    if rows:
        console.say()
        console.table(["source", "item", "first seen", "why it is left out"], rows, title="Left out")


def _show_hubs(hubs: list[dict[str, Any]], now: datetime, zone: str) -> None:
    if not hubs:
        return
    rows = [[h["source"], h["hub"], _promised(h["until"], now, zone), h["error"] or _unheard(h)] for h in hubs]
    console.say()
    console.table(["source", "hub", "tells of news", "error"], rows, title="Hubs")


def _promised(until: datetime | None, now: datetime, zone: str) -> str:
    if until is None:
        return "not yet"
    return f"until {when(until, zone)}" if until > now else f"no more since {when(until, zone)}"


def _unheard(hub: dict[str, Any]) -> str:
    """Every question counts as failed until the hub has answered it by calling us."""
    return f"asked {count(hub['failures'], 'time')}, has not called back" if hub["failures"] > 1 else ""


def _show_feeds(feeds: list[dict[str, Any]], now: datetime) -> None:
    rows = [
        [f["slug"], f"{f['articles']:,}", ago(f["built_at"], now), "yes" if f["due"] else "", f["error"]] for f in feeds
    ]
    console.say()
    console.table(["feed", "articles", "built", "due", "error"], rows, title="Feeds")


def _show_newsletters(newsletters: list[dict[str, Any]], now: datetime) -> None:
    rows = [
        [
            n["slug"] if len(n["cadences"]) == 1 else f"{n['slug']} ({cadence})",
            f"{when(next_at, n['timezone'])} {n['timezone']}" if next_at else "with enough news",
            ahead(next_at, now) if next_at else "",
            ", ".join(f"{number:,} {name}" for name, number in n["readers_by_cadence"][cadence].items() if number)
            or "nobody",
            n["mailer"],
        ]
        for n in newsletters
        for cadence, next_at in n["cadences"].items()
    ]
    console.say()
    console.table(["newsletter", "next edition", "in", "readers", "mailer"], rows, title="Newsletters")


def _show_bounces(bounces: list[dict[str, Any]], now: datetime) -> None:
    if not bounces:
        return
    counts = ["events", "automatic", "unreadable"]
    rows = [
        [b["mailer"], ago(b["last_look_at"], now), *(f"{b[name]:,}" for name in counts), b["error"]] for b in bounces
    ]
    console.say()
    console.table(["mailer", "last look", *counts, "error"], rows, title="Bounces")


def _short(reason: str) -> str:
    """A reason that fits a table; whole where it is told what waits, and in --json."""
    return reason if len(reason) <= WIDEST else reason[: WIDEST - 2] + " …"


def _mailed(edition: dict[str, Any]) -> str:
    sums = edition["sums"]
    doubt = f", {sums['unknown']:,} unknown" if sums["unknown"] else ""
    return f"{sums['accepted']:,} of {sums['planned']:,}{doubt}" if sums["planned"] else ""


def _waiting_lines(waiting: dict[str, Any], zone: str) -> list[str]:
    lines = [f"{key} waits for an editor: publisher send {key.partition('/')[0]}" for key in waiting["approval"]]
    lines += [f"{h['edition']} cannot leave: {h['reason']}" for h in waiting["held"]]
    lines += [f"{w['edition']}: {w['said']}" for w in waiting["first_waves"]]
    lines += [_in_doubt(one) for one in waiting["in_doubt"]]
    if waiting["batches"]:
        lines.append(f"{count(waiting['batches'], 'batch').replace('batchs', 'batches')} to deliver")
    if waiting["notices"]:
        lines.append(f"{count(waiting['notices'], 'notice')} to send")
    lines += [_left_alone(one, zone) for one in waiting["blocked"]]
    lines += [f"{o['edition']} should have gone out: {o['reason']}" for o in waiting["overdue"]]
    return lines


def _in_doubt(one: dict[str, Any]) -> str:
    who = f"{count(one['readers'], 'reader')} of {one['edition']}"
    return f"{who}: nobody can tell whether they were mailed: publisher deliver resolve {one['edition']}"


def _left_alone(blocked: dict[str, Any], zone: str) -> str:
    if not blocked["failure"]:
        return f"mailer {blocked['mailer']} is left alone until {when(blocked['until'], zone)}: {blocked['reason']}"
    since = f"mailer {blocked['mailer']} takes nothing since {when(blocked['since'], zone)} ({blocked['failure']})"
    return f"{since}: {blocked['reason']}. {blocked['remedy']} Tried again {when(blocked['until'], zone)}."
