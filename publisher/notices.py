"""Mail that is no edition: test, confirmation, alarm, witness. One row each, and each leaves at most once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from publisher.errors import DeliveryError, MailerMisconfigured, OutcomeUnknown, TryLater
from publisher.kit import message, templating
from publisher.model import (
    WITNESS,
    Letter,
    Mailing,
    Newsletter,
    Notice,
    NoticeState,
    Outcome,
    Rendered,
    Result,
    Site,
    Subscriber,
)
from publisher.ports import Clock, Mailer, Store, Templates

#: How long a notice that is refused for now is tried again, in pauses that grow: a confirmation, for one, outlasts a
#: mailer that is down for a night. A witness gives way to one to another address. It is tried so often at least.
DAY, WITNESSED, ATTEMPTS = timedelta(days=1), timedelta(minutes=30), 5
LEASE = timedelta(minutes=3)
#: How long one drain waits for tokens in all; for longer it is called again.
PATIENCE = timedelta(seconds=30)
#: Witnesses of a mailer in a day, at most.
WITNESSES = 6
#: How long a witness whose own answer was lost may still turn up.
TURNS_UP = timedelta(hours=1)
#: States in which a witness may yet be seen.
_ON_ITS_WAY = (NoticeState.READY, NoticeState.CLAIMED, NoticeState.SUBMITTING, NoticeState.SENT)


def render(kind: str, values: Mapping[str, Any], *, site: Site, templates: Templates) -> Rendered:
    """Subject, HTML and text of notice/<kind>. Raises TemplateError."""
    shown = {"site": site, **values}
    subject = templates.render(f"notice/{kind}/subject.txt", shown, language=site.language)
    return Rendered(
        subject=" ".join(subject.split()),
        html=templating.inline_css(templates.render(f"notice/{kind}/body.html", shown, language=site.language)),
        text=templates.render(f"notice/{kind}/body.txt", shown, language=site.language),
    )


class Failed(Protocol):
    """What is told of every call that failed, and decides whether the mailer is left alone for now."""

    def __call__(self, store: Store, mailer: str, error: DeliveryError, *, wait: timedelta, now: datetime) -> bool: ...


def drain(store: Store, mailers: Mapping[str, Mailer], *, clock: Clock, failed: Failed) -> int:
    """Send what waits and may leave, and wait a little for what its mailer's limits grant soon. How many left."""
    sent, over = 0, clock.now() + PATIENCE
    while not clock.wait(0):
        notice = store.notices.claim(now=clock.now(), lease=LEASE)
        if notice is not None:
            sent += _handle(store, notice, mailers.get(notice.mailer), clock, failed)
            continue
        now = clock.now()
        turn = store.notices.turn(now)
        if turn is None or turn > over or clock.wait((turn - now).total_seconds()):
            break
    return sent


def _handle(store: Store, notice: Notice, mailer: Mailer | None, clock: Clock, failed: Failed) -> bool:
    """One attempt, written down. Whether it left."""
    state, why = _send(notice, mailer, store.instance, now=clock.now())
    asked, now = why.retry_after if isinstance(why, TryLater) else None, clock.now()
    # Who refuses all mail is left alone, and as soon as nobody has to do so any more the notice leaves.
    wait = asked or _rest(1 if isinstance(why, MailerMisconfigured) else notice.attempts)
    store.notices.settle(notice.id, state, now=now, error=str(why), next_at=now + wait)
    if isinstance(why, DeliveryError):
        failed(store, notice.mailer, why, wait=asked or _rest(1), now=now)
    return state is NoticeState.SENT


def _rest(attempts: int) -> timedelta:
    """After that many: a minute, doubling, at most an hour."""
    return min(timedelta(seconds=30 << min(attempts, 10)), timedelta(hours=1))


def _send(
    notice: Notice, mailer: Mailer | None, instance: str, *, now: datetime
) -> tuple[NoticeState, str | DeliveryError]:
    """The state a notice ends in after one attempt, and why; an error when its mailer is to blame. Unknown is never
    tried again: once, or not at all."""
    patience = WITNESSED if notice.kind == WITNESS else DAY
    soon = now - notice.created_at < patience or notice.attempts < ATTEMPTS
    again = NoticeState.READY if soon else NoticeState.FAILED
    if mailer is None:
        return again, f"there is no mailer {notice.mailer!r} any more; add it again"
    try:
        result = mailer.submit(mailer.prepare(_mailing(notice, instance)))[0]
    except (TryLater, MailerMisconfigured) as error:
        return again, error
    except OutcomeUnknown as error:
        return NoticeState.UNKNOWN, error
    except (DeliveryError, ValueError) as error:
        return NoticeState.FAILED, str(error)
    if result.outcome is Outcome.DEFERRED:
        return again, _put_off(notice, result)
    state = {Outcome.ACCEPTED: NoticeState.SENT, Outcome.REJECTED: NoticeState.FAILED}
    return state.get(result.outcome, NoticeState.UNKNOWN), result.detail


def _put_off(notice: Notice, result: Result) -> str | DeliveryError:
    """What would have met any other letter is the mailer's failure, unless it meets this one again and again."""
    if result.shared and notice.attempts <= ATTEMPTS:
        return TryLater(result.detail or result.code, mailer=notice.mailer)
    return result.detail


def _mailing(notice: Notice, instance: str) -> Mailing:
    """The key of its call is nobody else's, also where two installations share an account."""
    domain = message.domain(notice.sender)
    letter = Letter(
        position=0,
        email=notice.address,
        name="",
        variant=0,
        message_id=message.message_id("notice", notice.key, notice.address.encode(), domain),
        unsubscribe_url="",
    )
    return Mailing(
        key=notice.key if notice.kind == WITNESS else str(uuid5(UUID(instance), f"notice\n{notice.key}")),
        edition="",
        sender=notice.sender,
        reply_to="",
        list_id="",
        date=notice.created_at,
        variants={0: notice.rendered},
        letters=(letter,),
    )


def confirmation(
    store: Store,
    reader: Subscriber,
    newsletter: Newsletter,
    url: str,
    *,
    within: timedelta,
    site: Site,
    templates: Templates,
    now: datetime,
) -> tuple[Notice, bool]:
    """Ask a reader whether they want a newsletter: once a day (of the newsletter's time zone), however often this is
    called. `url` is where they say yes, good for `within`. The notice, and whether it is new. Raises TemplateError."""
    values = {"newsletter": newsletter.name, "email": reader.email, "confirm_url": url, "days": within.days}
    today = now.astimezone(ZoneInfo(newsletter.timezone)).date()
    notice = Notice(
        kind="confirmation",
        key=f"confirmation:{reader.public_id.hex()}:{newsletter.origin}:{today}",
        address=reader.email,
        rendered=render("confirmation", values, site=site, templates=templates),
        sender=newsletter.sender,
        mailer=newsletter.mailer,
        created_at=now,
    )
    return notice, store.notices.add(notice)


def alarm(store: Store, key: str, title: str, text: str, *, site: Site, templates: Templates, now: datetime) -> int:
    """Tell every alarm address, once for each key. How many notices were new."""
    keys = {f"alarm:{key}:{address}": address for address in site.alarms}
    new = {name: address for name, address in keys.items() if store.notices.by_key(name) is None}
    if not new:  # whoever watches says the same with every look
        return 0
    rendered = render("alarm", {"title": title, "text": text, "at": now}, site=site, templates=templates)
    return sum(
        store.notices.add(
            Notice(
                kind="alarm",
                key=name,
                address=message.mailbox(address)[1],
                rendered=rendered,
                sender=site.alarm_sender,
                mailer=site.alarm_mailer,
                created_at=now,
            )
        )
        for name, address in new.items()
    )


def witness(
    store: Store,
    mailer: str,
    lost_at: datetime,
    over: datetime,
    id: int = 0,
    *,
    sender: str,
    site: Site,
    templates: Templates,
    now: datetime,
) -> bool:
    """Mail ourselves one message through a mailer whose answer to a call of `lost_at`, with the batch of that id, is
    missing, when that call must have ended (`over`): once the provider shows this one, what it does not show of the
    other was not sent. It goes to the alarm addresses in turn, or to its sender. False when one is on its way, or there
    were enough today."""
    day_ago = now - timedelta(days=1)
    lately = store.notices.witnesses(mailer, min(over, day_ago))
    mine = store.notices.witnesses(mailer, over, than=id)
    today = sum(one.created_at > day_ago for one in lately)
    if now <= over or today >= WITNESSES or any(_may_be_seen(one, now) for one in mine):
        return False
    addresses: Sequence[str] = (*site.alarms, sender)
    key = uuid5(UUID(store.instance), f"witness\n{mailer}\n{over.isoformat()}\n{len(mine)}")
    values = {"mailer": mailer, "at": lost_at}
    return store.notices.add(
        Notice(
            kind=WITNESS,
            key=str(key),
            address=message.mailbox(addresses[len(mine) % len(addresses)])[1],
            rendered=render(WITNESS, values, site=site, templates=templates),
            sender=sender,
            mailer=mailer,
            created_at=now,
        )
    )


def _may_be_seen(notice: Notice, now: datetime) -> bool:
    lately = notice.state is NoticeState.UNKNOWN and now - notice.created_at < TURNS_UP
    return lately or notice.state in _ON_ITS_WAY
