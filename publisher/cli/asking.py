"""`publisher subscribers add EMAIL --ask`: double opt-in, and the way back for who left."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from publisher import errors
from publisher.cli import console, shown
from publisher.cli.door import editor
from publisher.cli.words import when
from publisher.model import NoticeState, SubscriptionStatus

if TYPE_CHECKING:
    from publisher.app import App
    from publisher.model import Newsletter, Notice, Subscriber
    from publisher.ports import Parts

#: By state: what is wrong with a mail that has not left, and what becomes of it. In any other state it is on its way.
_TROUBLE = {
    NoticeState.READY: ("could not be handed over yet", "`publisher run` tries again"),
    NoticeState.FAILED: ("could not be handed over", "they can be asked again tomorrow"),
    NoticeState.UNKNOWN: ("may have left, or not", "they can be asked again tomorrow"),
}


def ask(app: App, slug: str, reader: Subscriber, *, json: bool) -> None:
    """Ask a reader by mail whether they want a newsletter; until they say yes they are pending, or stay unsubscribed.

    Raises MailerMisconfigured and Conflict, with nothing stored, when they cannot or must not be mailed;
    DeliveryError when the mail did not leave.
    """
    from publisher import audience, pipeline

    parts = app.parts
    newsletter = pipeline.newsletter_of(parts, slug)
    _may_be_asked(parts, newsletter, reader)
    pending = audience.consent(slug, SubscriptionStatus.PENDING, {"asked": editor()}, now=parts.clock.now())
    reader, new = parts.store.audience.add(reader, pending)
    has = next(s for s in parts.store.audience.subscriptions(reader.id) if s.newsletter == slug)
    reads = has.status is SubscriptionStatus.CONFIRMED
    notice, first = (None, False) if reads else _mail(parts, newsletter, reader)
    if json:
        told = {"asked": str(notice.state), "error": notice.last_error} if notice else {"asked": "", "error": ""}
        console.dump({**shown.reader(reader, (has,)), "new": new, "suppressed": "", **told})
    if notice and notice.state in _TROUBLE:
        what, then = _TROUBLE[notice.state]
        raise errors.DeliveryError(
            f"the mail to {reader.email} {what}: {notice.last_error or 'nobody said why'}; {then}"
        )
    if not json:
        console.say(_said(parts, reader, slug, notice, first=first))


def command(app: App, reader: Subscriber, slug: str) -> str:
    """What asks this reader."""
    which = f" --newsletter {slug}" if len(app.parts.newsletters) > 1 else ""
    return f"{shown.command(app.root)} subscribers add {shlex.quote(reader.email)} --ask{which}"


def _may_be_asked(parts: Parts, newsletter: Newsletter, reader: Subscriber) -> None:
    from publisher import deliver

    if reason := deliver.refuses(parts.site, parts.mailers[newsletter.mailer].capability):
        raise errors.MailerMisconfigured(f"the mailer {newsletter.mailer!r} does not send: {reason}")
    if reason := parts.store.audience.suppressed(reader.address_key, newsletter.slug):
        raise errors.Conflict(f"{reader.email} gets no mail, and cannot be asked by mail: {reason}")


def _mail(parts: Parts, newsletter: Newsletter, reader: Subscriber) -> tuple[Notice, bool]:
    """The mail as it stands after it was handed over, and whether it is the first of today."""
    from publisher import audience, notices, pipeline

    notice, first = notices.confirmation(
        parts.store,
        reader,
        newsletter,
        audience.confirmation_link(parts.keys, reader, newsletter.slug, parts.site.links_url),
        within=audience.CONFIRM_WITHIN,
        site=parts.site,
        templates=parts.templates,
        now=parts.clock.now(),
    )
    pipeline.notify(parts)
    return parts.store.notices.by_key(notice.key) or notice, first


def _said(parts: Parts, reader: Subscriber, slug: str, notice: Notice | None, *, first: bool) -> str:
    from publisher.audience import CONFIRM_WITHIN

    if notice is None:
        return f"{reader.email} has already got {slug}"
    if not first:
        asked = when(notice.created_at, parts.site.timezone)
        return f"{reader.email} was asked on {asked}; nobody is asked twice a day"
    return f"{reader.email} has been asked: the link in their mail is good for {CONFIRM_WITHIN.days} days"
