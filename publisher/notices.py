"""Mail that is no edition: test, confirmation, alarm. One row each, and each leaves at most once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from publisher.errors import DeliveryError, MailerMisconfigured, OutcomeUnknown, TryLater
from publisher.kit import message, templating
from publisher.model import Letter, Mailing, Newsletter, Notice, NoticeState, Outcome, Rendered, Site, Subscriber
from publisher.ports import Clock, Mailer, Store, Templates

#: A notice that was refused for now is tried again this often, then given up.
ATTEMPTS = 10
LEASE = timedelta(minutes=3)


def render(kind: str, values: Mapping[str, Any], *, site: Site, templates: Templates) -> Rendered:
    """Subject, HTML and text of notice/<kind>. Raises TemplateError."""
    shown = {"site": site, **values}
    subject = templates.render(f"notice/{kind}/subject.txt", shown, language=site.language)
    return Rendered(
        subject=" ".join(subject.split()),
        html=templating.inline_css(templates.render(f"notice/{kind}/body.html", shown, language=site.language)),
        text=templates.render(f"notice/{kind}/body.txt", shown, language=site.language),
    )


def drain(store: Store, mailers: Mapping[str, Mailer], *, clock: Clock) -> int:
    """Send what waits. How many left."""
    sent = 0
    while not clock.wait(0):
        notice = store.notices.claim(now=clock.now(), lease=LEASE)
        if notice is None:
            break
        state, error = _send(notice, mailers.get(notice.mailer))
        store.notices.settle(notice.id, state, now=clock.now(), error=error)
        sent += state is NoticeState.SENT
    return sent


def _send(notice: Notice, mailer: Mailer | None) -> tuple[NoticeState, str]:
    """The state a notice ends in after one attempt. Unknown is never tried again: once, or not at all."""
    again = NoticeState.READY if notice.attempts < ATTEMPTS else NoticeState.FAILED
    if mailer is None:
        return again, f"there is no mailer {notice.mailer!r} any more; add it again"
    try:
        results = mailer.submit(mailer.prepare(_mailing(notice)))
    except (TryLater, MailerMisconfigured) as error:
        return again, str(error)
    except OutcomeUnknown as error:
        return NoticeState.UNKNOWN, str(error)
    except (DeliveryError, ValueError) as error:
        return NoticeState.FAILED, str(error)
    result = results[0]
    if result.outcome is Outcome.DEFERRED:
        return again, result.detail
    state = {Outcome.ACCEPTED: NoticeState.SENT, Outcome.REJECTED: NoticeState.FAILED}
    return state.get(result.outcome, NoticeState.UNKNOWN), result.detail


def _mailing(notice: Notice) -> Mailing:
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
        key=f"notice-{notice.id}",
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
    if not site.alarms:
        return 0
    rendered = render("alarm", {"title": title, "text": text, "at": now}, site=site, templates=templates)
    return sum(
        store.notices.add(
            Notice(
                kind="alarm",
                key=f"alarm:{key}:{address}",
                address=message.mailbox(address)[1],
                rendered=rendered,
                sender=site.alarm_sender,
                mailer=site.alarm_mailer,
                created_at=now,
            )
        )
        for address in site.alarms
    )
