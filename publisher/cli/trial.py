"""`publisher send --test ADDRESS`: an edition as it would look, to one address, and to nobody else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from publisher import errors
from publisher.cli import console, shown
from publisher.cli.preview import what_would_look
from publisher.cli.words import when

if TYPE_CHECKING:
    from publisher.app import App
    from publisher.model import Newsletter, Notice, Rendered, Slot


def send_test(app: App, newsletter: Newsletter, slot: Slot, address: str, *, json: bool) -> None:
    """Mail what would go out now to one address, as a notice. Raises DeliveryError when it does not leave."""
    from publisher import deliver, pipeline
    from publisher.model import NoticeState

    parts = app.parts
    address = _address(address)
    if reason := deliver.refuses(parts.site, parts.mailers[newsletter.mailer].capability):
        raise errors.MailerMisconfigured(f"the mailer {newsletter.mailer!r} does not send: {reason}")
    edition, _, variant, again = what_would_look(parts, newsletter, slot)
    if variant is None:
        raise errors.Conflict(
            f"there is nothing to test: {edition.reason}. `{shown.command(app.root)} collect` looks for articles"
        )
    if again and not json:
        console.say("Nothing is new: the test has articles that went out already.")
    filled = shown.filled(variant.rendered, parts.site)
    notice = _notice(app, newsletter, edition.key, address, replace(filled, subject=f"[Test] {filled.subject}"))
    parts.store.notices.add(notice)
    pipeline.notify(parts)
    left = parts.store.notices.by_key(notice.key) or notice
    if json:
        console.dump({"id": edition.key, "address": address, "state": left.state, "error": left.last_error})
    elif left.state is NoticeState.SENT:
        console.say(f"“{left.rendered.subject}” went to {address} through {newsletter.mailer}.")
    if left.state is NoticeState.READY:
        raise errors.DeliveryError(
            f"the test waits, and leaves by itself: {left.last_error or _waits(app, left, newsletter.timezone)}"
        )
    if left.state is not NoticeState.SENT:
        raise errors.DeliveryError(f"the test is {left.state}: {left.last_error or 'see publisher status'}")


def _waits(app: App, notice: Notice, zone: str) -> str:
    """Why nothing was tried yet."""
    outbox, name, now = app.parts.store.outbox, notice.mailer, app.parts.clock.now()
    until, reason = outbox.blocked(now).get(name, (None, ""))
    if until is not None:
        return f"the mailer {name} takes no mail before {when(until, zone)}: {reason}"
    if (granted := outbox.waits(name, now)) is not None:
        return f"the limits of the mailer {name} grant no more before {when(granted, zone)}"
    return "see publisher status"


def _notice(app: App, newsletter: Newsletter, edition: str, address: str, rendered: Rendered) -> Notice:
    """Its key holds the time: a test may be repeated, and each leaves once."""
    from publisher.model import Notice

    now = app.parts.clock.now()
    return Notice(
        kind="test",
        key=f"test:{edition}:{address}:{now.isoformat()}",
        address=address,
        rendered=rendered,
        sender=newsletter.sender,
        mailer=newsletter.mailer,
        created_at=now,
    )


def _address(text: str) -> str:
    from publisher import audience

    try:
        return audience.address(text)[0]
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: {error}", param_hint="--test") from None
