"""The story of hubs: asked to tell us of news, sure of what we asked, renewed, and left.

What a hub delivers is never read. It only makes the source due, which is then read from where it always was: so its
identity, its validators and its limits stay the same, and a hub, which is somebody else, can put nothing into it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta

from publisher.errors import SourceError
from publisher.kit import signatures
from publisher.model import HubLease, HubLink, LeaseState, Source
from publisher.ports import Parts

#: How long a hub has to make sure that we want what we asked for, before it is asked again.
PATIENCE = timedelta(hours=1)
#: The first wait after a hub failed; it doubles, up to a day.
RETRY = timedelta(minutes=5)
#: What a hub may give, whatever it says.
SHORTEST_LEASE, LONGEST_LEASE = timedelta(minutes=1), timedelta(days=365)
#: How often a hub is asked to stop before its lease is just left to end.
FAREWELLS = 5

_DAY = timedelta(days=1)
_PATH = "/hooks/websub/"


def adopt_hubs(parts: Parts) -> None:
    """Leave the hubs of sources that are gone, and those that would call an address which is not ours any more."""
    kept = [source.slug for source in parts.sources if source.kind == "syndication"] if parts.site.public_url else []
    parts.store.hubs.keep(kept, callbacks=_callback(parts, ""), at=parts.clock.now())


def named(parts: Parts, source: Source, link: HubLink) -> None:
    """A source has just said which hub tells of its news; without a public address none could reach us."""
    hubs, now = parts.store.hubs, parts.clock.now()
    if not link.hub or not parts.site.public_url:
        hubs.leave(source.slug, at=now)
        return
    key = secrets.token_urlsafe(24)
    lease = HubLease(
        source=source.slug,
        topic=link.topic,
        hub=link.hub,
        key=key,
        callback=_callback(parts, key),
        secret=secrets.token_urlsafe(32),
    )
    hubs.want(lease, at=now)


def websub(parts: Parts, key: str) -> None:
    """Ask for a lease, renew it, or leave it. Raises SourceError when the hub cannot be asked; it will be again."""
    hubs, now = parts.store.hubs, parts.clock.now()
    lease = hubs.get(int(key))
    if lease is None:
        return
    leaving = lease.state is LeaseState.LEAVING
    if leaving and (lease.failures >= FAREWELLS or lease.until is None or lease.until <= now):
        hubs.drop(lease.id)  # nothing was given, or it has ended, or the hub does not hear: then it is told by a 410
        return
    wait = min(RETRY * 2**lease.failures, _DAY) if lease.failures < 10 else _DAY
    hubs.asked(lease.id, again=now + max(wait, PATIENCE), failures=lease.failures + 1, error=lease.error)
    allowed = any(source.slug == lease.source and source.allow_private for source in parts.sources)
    try:
        parts.hubs.ask(lease, "unsubscribe" if leaving else "subscribe", allow_private=allowed)
    except SourceError as error:
        hubs.asked(lease.id, again=now + wait, failures=lease.failures + 1, error=str(error))
        raise


def verify(parts: Parts, key: str, told: Mapping[str, str]) -> str | None:
    """What to answer a hub that makes sure (sections 5.2 and 5.3); None when we want nothing of the kind."""
    hubs, now = parts.store.hubs, parts.clock.now()
    lease = hubs.find(key)
    if lease is None or told.get("hub.topic") != lease.topic:
        return None
    leaving = lease.state is LeaseState.LEAVING
    match told.get("hub.mode"):
        case "denied":
            said = " ".join(told.get("hub.reason", "").split())[:200]
            hubs.asked(lease.id, again=now + _DAY, failures=lease.failures, error=f"the hub refuses: {said}")
            return ""
        case "unsubscribe" if leaving:
            hubs.drop(lease.id)
            return told.get("hub.challenge")
        case "subscribe" if not leaving and told.get("hub.challenge"):
            length = _length(told.get("hub.lease_seconds", ""))
            hubs.confirmed(lease.id, until=now + length, renew=now + length * 2 / 3)
            return told["hub.challenge"]
    return None


def told_by_hub(parts: Parts, key: str, signature: str, body: bytes) -> bool | None:
    """A hub says that there is news (section 7). True when the source is due because of it, False when the signature
    does not fit, None when no such lease is known."""
    lease = parts.store.hubs.find(key)
    if lease is None or lease.state is LeaseState.LEAVING:
        return None
    if not signatures.by_hub(signature, body, lease.secret):
        return False
    parts.store.sources.ask(lease.source, at=parts.clock.now())
    return True


def _callback(parts: Parts, key: str) -> str:
    return f"{parts.site.public_url}{_PATH}{key}" if parts.site.public_url else ""


def _length(seconds: str) -> timedelta:
    given = timedelta(seconds=int(seconds)) if seconds.isascii() and seconds.isdigit() and len(seconds) < 10 else _DAY
    return max(SHORTEST_LEASE, min(given, LONGEST_LEASE))
