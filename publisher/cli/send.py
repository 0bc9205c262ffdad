"""`publisher send`: an editor's manual send, its rehearsal, and a test to one address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from publisher import errors
from publisher.cli import console, shown
from publisher.cli.articles import found_article
from publisher.cli.door import door, editor, finishing
from publisher.cli.exits import Exit
from publisher.cli.rehearsal import rehearse
from publisher.cli.steps import Cadence, hand_over, offered
from publisher.cli.trial import send_test
from publisher.cli.words import count, sums, when

if TYPE_CHECKING:
    from collections.abc import Mapping

    from publisher.app import App
    from publisher.model import Edition, Newsletter, Slot, Variant

#: More readers than this are mailed only after a question.
HANDFUL = 5


def send(
    context: typer.Context,
    newsletter: Annotated[str, typer.Argument(metavar="NEWSLETTER", help="Its slug in the settings.")],
    *,
    now: Annotated[bool, typer.Option("--now", help="Send today's edition now, before or after its hour.")] = False,
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="With --now: one more edition, so named.")] = "",
    alert: Annotated[str, typer.Option(metavar="ARTICLE", help="Send this article alone, now, before all else.")] = "",
    cadence: Cadence = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write what would go out; nobody is mailed.")] = False,
    test: Annotated[str, typer.Option(metavar="ADDRESS", help="Mail the edition to this address only.")] = "",
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Send an edition by hand. Without --now: approve the one that waits for it."""
    if name and not now:
        raise typer.BadParameter("goes with --now", param_hint="--as")
    if alert and (name or cadence):
        raise typer.BadParameter("goes to the readers of all cadences, and needs no name", param_hint="--alert")
    from publisher import pipeline

    with door(context).opened() as app:
        there = pipeline.newsletter_of(app.parts, newsletter)
        slot = _urgent(app, alert) if alert else _slot(app, there, name, cadence)
        sending = _Sending(app, there, slot, yes=yes, json=json)
        if dry_run:
            rehearse(app, there, sending.slot, json=json)
        elif test:
            send_test(app, there, sending.slot, test, json=json)
        elif now or alert:
            raise typer.Exit(sending.now())
        else:
            raise typer.Exit(sending.waiting())


def _urgent(app: App, article: str) -> Slot:
    """The slot of an article's alert. Raises Conflict when it may not be mailed."""
    from publisher import pipeline

    return pipeline.urgent(app.parts, found_article(app.parts, article.split()))


def _slot(app: App, newsletter: Newsletter, name: str, cadence: str) -> Slot:
    """The open slot of today, or one made by hand under a name of its own."""
    from publisher import pipeline
    from publisher.model import Slot
    from publisher.settings import SLUG

    moment = app.parts.clock.now()
    if not name:
        return pipeline.today(app.parts, newsletter, offered(newsletter, cadence))
    if not SLUG.fullmatch(name):
        raise typer.BadParameter("use small letters, digits and hyphens, such as 'storm-extra'", param_hint="--as")
    return Slot(name=f"manual:{name}", due_at=moment)


@dataclass(frozen=True, slots=True)
class _Sending:
    """One manual send."""

    app: App
    newsletter: Newsletter
    slot: Slot
    yes: bool
    json: bool

    def now(self) -> Exit:
        """Send the edition of the slot. Its identity is the slot, so sending it twice is sending it once."""
        from publisher import editions, pipeline
        from publisher.model import EditionState

        parts, key = self.app.parts, f"{self.newsletter.slug}/{self.slot.name}"
        there = editions.find(parts.store, key)
        if there is not None and there.state is EditionState.WAITING:
            return self._approve(there)
        if there is not None and there.state not in (*editions.OPEN, EditionState.APPROVED):
            return self._again(there)
        if there is None or there.state in editions.OPEN:
            self._may_leave()
            draft, _choice, variant = pipeline.draft(parts, self.newsletter, self.slot)
            if variant is None and draft.state is EditionState.DRAFT:
                raise errors.TemplateError(draft.reason)
            if variant is None:
                return self._said(draft, f"No {self._what()} of {self.newsletter.slug} goes out: {draft.reason}.")
            number, excluded = self._ask(draft, variant)
            if not number and self._what() == "alert":
                why = _left_out({**excluded, "without alerts": self._without_alerts()}) or "it has no readers"
                return self._said(draft, f"No alert of {self.newsletter.slug} goes out, nobody would get it: {why}.")
        elif not self._in_undo(there):
            self._may_leave()
            self._ask(there)
        return self._leave(pipeline.send(parts, self.newsletter, self.slot, editor()))

    def waiting(self) -> Exit:
        """Approve the newest edition that waits for an editor; when none does, say when the newsletter goes."""
        from publisher.model import EditionState

        store = self.app.parts.store
        for edition in store.editions.newest(100, self.newsletter.slug):
            if edition.state in (EditionState.WAITING, EditionState.DRAFT) and store.editions.variants(edition.id):
                return self._approve(edition)
        return self._explain()

    def _approve(self, edition: Edition) -> Exit:
        from publisher import editions

        self._may_leave()
        self._ask(edition)
        store, now = self.app.parts.store, self.app.parts.clock.now()
        return self._leave(editions.approve(store, edition.key, editor(), undo=self.newsletter.undo, now=now))

    def _leave(self, edition: Edition) -> Exit:
        """Deliver an approved edition, unless its undo window is open: then it leaves by itself."""
        from publisher import pipeline
        from publisher.model import EditionState

        parts = self.app.parts
        if edition.state is EditionState.SKIPPED:
            return self._said(edition, f"{edition.key} does not go out: {edition.reason}.")
        if edition.undo_until and self._in_undo(edition):
            moment = when(edition.undo_until, self.newsletter.timezone)
            return self._said(edition, f"{edition.key} is approved; `publisher run` sends it from {moment}.")
        with finishing(self.app):
            if edition.state in (EditionState.APPROVED, EditionState.PLANNING):
                edition = pipeline.plan(parts, edition.key)
            hand_over(self.app, edition.mailer, shown=not self.json)
        edition = parts.store.editions.get(edition.key)
        became = parts.store.outbox.sums(edition.id)
        self._said(edition, f"“{edition.subject}” ({edition.key}): {sums(became)}")
        if waits := shown.first_wave(parts, edition):
            console.say(f"{waits}; `publisher run` or `publisher deliver` goes on with it.") if not self.json else None
            return Exit.OK
        if became.waiting or became.unknown:
            console.warn("Some of it has not gone yet; `publisher run` or `publisher deliver` goes on with it.")
            return Exit.DELIVERY
        return Exit.OK

    def _in_undo(self, edition: Edition) -> bool:
        """Whether it is approved and may still be taken back."""
        from publisher.model import EditionState

        until = edition.undo_until
        return edition.state is EditionState.APPROVED and until is not None and until > self.app.parts.clock.now()

    def _again(self, there: Edition) -> Exit:
        """The slot is taken: say by what, and mail nobody again."""
        from publisher.model import EditionState

        another = f"A second one needs a name: publisher send {self.newsletter.slug} --now --as NAME"
        if there.state in (EditionState.PLANNING, EditionState.SENDING):
            return self._leave(there)
        if there.finished_at:
            moment = when(there.finished_at, self.newsletter.timezone)
            return self._said(there, f"{there.key} has already gone out, {moment}.\n{another}")
        raise errors.Conflict(f"{there.key} is {there.state}. {another}", edition=there.key)

    def _explain(self) -> Exit:
        """No edition waits for anybody: when does the newsletter go by itself?"""
        from publisher import pipeline

        newsletter, zone = self.newsletter, self.newsletter.timezone
        slot = pipeline.following(self.app.parts, newsletter)
        if self.json:
            console.dump({"edition": None, "next": slot.due_at if slot else None})
            return Exit.OK
        moment = f"{when(slot.due_at, zone)} {zone}" if slot else "as soon as there is enough that is new"
        console.say(f"No edition of {newsletter.slug} waits for approval.")
        console.say(f"`publisher run` sends the next one by itself: {moment}.")
        console.say(f"To send today's edition now: publisher send {newsletter.slug} --now")
        return Exit.OK

    def _may_leave(self) -> None:
        """Raises MailerMisconfigured before anything is composed or asked."""
        from publisher import deliver

        if reason := deliver.refuses(self.app.parts.site, self.app.parts.mailers[self.newsletter.mailer].capability):
            raise errors.MailerMisconfigured(f"the mailer {self.newsletter.mailer!r} does not send: {reason}")

    def _without_alerts(self) -> int:
        """How many confirmed readers want none."""
        from publisher.model import SubscriptionStatus

        count, confirmed = self.app.parts.store.audience.count, SubscriptionStatus.CONFIRMED
        mine = count(self.newsletter.slug, self.newsletter.readership(self.slot.name))
        return count(self.newsletter.slug).get(confirmed, 0) - mine.get(confirmed, 0)

    def _what(self) -> str:
        from publisher.model import ALERT, cadence_of

        return ALERT if cadence_of(self.slot.name) == ALERT else "edition"

    def _ask(self, edition: Edition, variant: Variant | None = None) -> tuple[int, Mapping[str, int]]:
        """Show what is about to happen; more than a handful of readers are mailed only after a yes. How many would be,
        and how many not, by reason."""
        from publisher import pipeline

        parts = self.app.parts
        first = variant or parts.store.editions.variants(edition.id, limit=1)[0]
        number, excluded = pipeline.readers(parts, edition, self.newsletter, first)
        if not self.json:
            _show(edition.subject or first.rendered.subject, number, excluded, self.newsletter)
        if number <= HANDFUL or self.yes:
            return number, excluded
        if not console.may_ask():
            console.warn(f"This would mail {count(number, 'reader')}, and there is nobody to ask: add --yes to do it.")
            raise typer.Exit(Exit.USAGE)
        if not typer.confirm(f"Mail {count(number, 'reader')} now?", err=True):
            console.warn("Nothing was sent.")
            raise typer.Exit(Exit.FAILED)
        return number, excluded

    def _said(self, edition: Edition, text: str) -> Exit:
        if self.json:
            console.dump({"edition": shown.edition(self.app.parts, edition), "said": text})
        else:
            console.say(text)
        return Exit.OK


def _show(subject: str, number: int, excluded: Mapping[str, int], newsletter: Newsletter) -> None:
    left_out = _left_out(excluded)
    console.say(f"Subject  {subject}")
    console.say(f"Readers  {number:,}" + (f" (left out: {left_out})" if left_out else ""))
    console.say(f"Mailer   {newsletter.mailer}")


def _left_out(excluded: Mapping[str, int]) -> str:
    return ", ".join(f"{many:,} {reason}" for reason, many in sorted(excluded.items()) if many)
