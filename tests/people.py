"""The people, articles and outputs of "The Harbour Gazette", for everybody's tests.

Aoife Brennan edits, Ben Okafor is a confirmed reader, Carla Rossi is pending, Dmitri Volkov is suppressed.
Builders return model objects with sensible defaults; any field can be given by name.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from publisher.model import (
    Article,
    Author,
    Edition,
    EditionState,
    Feed,
    Item,
    Newsletter,
    Rendered,
    Revision,
    Site,
    Source,
    Subscriber,
    Subscription,
    SubscriptionStatus,
    Suppression,
    SuppressionReason,
    Variant,
)

#: Sunday morning in Kilmarnagh, an hour before the daily edition is due.
NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)

EDITOR = "Aoife Brennan"
EDITOR_ADDRESS = "aoife.brennan@harbour-gazette.example"


def site(**changes: Any) -> Site:
    return replace(
        Site(
            name="The Harbour Gazette",
            url="https://harbour-gazette.example",
            language="en",
            timezone="Europe/Dublin",
            public_url="https://news.harbour-gazette.example",
            tag_authority="harbour-gazette.example,2026",
            postal_address="The Harbour Gazette, 1 Quay Street, Kilmarnagh",
        ),
        **changes,
    )


def source(slug: str = "newsroom", **changes: Any) -> Source:
    return replace(
        Source(slug=slug, kind="folder", url=f"articles/{slug}", interval=timedelta(minutes=10)),
        **changes,
    )


# ---------------------------------------------------------------- articles


def revision(title: str = "The swing bridge reopens", **changes: Any) -> Revision:
    """A revision; its hashes follow its title and text unless given."""
    content = changes.pop("content_html", f"<p>{title}, the harbour master said on Saturday.</p>")
    digest = hashlib.sha256(f"{title}\n{content}".encode()).hexdigest()
    return replace(
        Revision(
            number=1,
            title=title,
            standfirst="Ferries run to the old timetable again.",
            content_html=content,
            authors=(Author(name=EDITOR, biography="Aoife Brennan covers the port."),),
            categories=("Harbour",),
            tags=("ferries",),
            language="en",
            published_at=NOW - timedelta(hours=3),
            updated_at=NOW - timedelta(hours=3),
            content_hash=digest,
            raw_hash=f"raw-{digest[:16]}",
        ),
        **changes,
    )


def article(title: str = "The swing bridge reopens", **changes: Any) -> Article:
    """An article with its revision. Fields of `Revision` (categories, published_at, ...) may be given too."""
    of_revision = {field.name for field in fields(Revision)} - {"article"}
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    text = changes.pop("revision", None) or revision(
        title, **{name: changes.pop(name) for name in list(changes) if name in of_revision}
    )
    native_id = changes.pop("native_id", slug)
    place = changes.pop("source", "newsroom")
    return replace(
        Article(
            source=place,
            native_id=native_id,
            guid=native_id,
            story=f"{place}:{native_id}",
            canonical_url=f"https://harbour-gazette.example/{slug}",
            entry_id=f"tag:harbour-gazette.example,2026:{place}/{native_id}",
            first_seen_at=NOW - timedelta(hours=2),
            revision=text,
        ),
        **changes,
    )


def feed(slug: str = "all", **changes: Any) -> Feed:
    return replace(
        Feed(slug=slug, title="The Harbour Gazette", home_url="https://harbour-gazette.example", language="en"),
        **changes,
    )


# ---------------------------------------------------------------- newsletters and editions


def newsletter(slug: str = "daily", **changes: Any) -> Newsletter:
    return replace(
        Newsletter(
            slug=slug,
            name="The Harbour Gazette Daily",
            sender="The Harbour Gazette <daily@harbour-gazette.example>",
            language="en",
            timezone="Europe/Dublin",
        ),
        **changes,
    )


def edition(slot: str = "daily:2026-11-22", **changes: Any) -> Edition:
    return replace(
        Edition(
            newsletter="daily",
            slot=slot,
            due_at=NOW + timedelta(hours=1),
            state=EditionState.DRAFT,
            subject="The swing bridge reopens",
            composed_at=NOW,
            mailer="maildir",
        ),
        **changes,
    )


def items(*articles: Article) -> tuple[Item, ...]:
    """Stored articles as the items of an edition, in that order."""
    return tuple(
        Item(article=one.id, revision=one.revision.number, position=position) for position, one in enumerate(articles)
    )


def rendered(subject: str = "The swing bridge reopens") -> Rendered:
    return Rendered(subject=subject, html=f"<h1>{subject}</h1>", text=subject)


def variant(key: str = "everything", **changes: Any) -> Variant:
    return replace(
        Variant(
            key=key,
            language="en",
            template="digest/daily",
            rendered=rendered(),
            content_hash=hashlib.sha256(key.encode()).hexdigest(),
        ),
        **changes,
    )


# ---------------------------------------------------------------- readers


def subscriber(name: str = "Ben Okafor", **changes: Any) -> Subscriber:
    """A reader; address, public id and address key follow the name unless given."""
    email = changes.pop("email", f"{name.lower().replace(' ', '.')}@mail.example")
    key = changes.pop("email_key", email.lower())
    return replace(
        Subscriber(
            public_id=hashlib.sha256(f"public {key}".encode()).digest()[:12],
            email=email,
            email_key=key,
            address_key=hashlib.sha256(f"address {key}".encode()).digest(),
            name=name,
            language="en",
            timezone="Europe/Dublin",
            created_at=NOW - timedelta(days=30),
        ),
        **changes,
    )


def subscription(
    status: SubscriptionStatus = SubscriptionStatus.CONFIRMED, newsletter: str = "daily", **changes: Any
) -> Subscription:
    return replace(
        Subscription(
            subscriber=0,
            newsletter=newsletter,
            status=status,
            evidence={"from": "form", "text": "Send me the daily."},
            changed_at=NOW - timedelta(days=30),
        ),
        **changes,
    )


def suppression(person: Subscriber | None = None, **changes: Any) -> Suppression:
    one = person or DMITRI
    return replace(
        Suppression(
            address_key=one.address_key,
            address=None,
            reason=SuppressionReason.HARD_BOUNCE,
            evidence={"code": "550 5.1.1"},
            since=NOW - timedelta(days=3),
        ),
        **changes,
    )


BEN = subscriber("Ben Okafor")
CARLA = subscriber("Carla Rossi", language="it", timezone="Europe/Rome")
DMITRI = subscriber("Dmitri Volkov")
