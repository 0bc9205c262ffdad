"""Looks into mailboxes, on both databases."""

from __future__ import annotations

from datetime import timedelta

from publisher.model import MailboxLook
from publisher.store import Database
from tests.people import NOW

MINUTE = timedelta(minutes=1)


def test_a_mailbox_is_due_until_somebody_takes_it_and_again_when_it_is_time(store: Database) -> None:
    boxes = store.mailboxes
    assert boxes.due(["smtp", "ses"], NOW) == ("smtp", "ses")
    assert boxes.take("smtp", now=NOW, until=NOW + 5 * MINUTE)
    assert not boxes.take("smtp", now=NOW, until=NOW + 5 * MINUTE)
    assert boxes.due(["smtp", "ses"], NOW + 4 * MINUTE) == ("ses",)
    assert boxes.due(["smtp"], NOW + 5 * MINUTE) == ("smtp",)
    assert boxes.take("smtp", now=NOW + 5 * MINUTE, until=NOW + 10 * MINUTE)
    assert boxes.due([], NOW) == ()


def test_counts_add_up_and_the_last_error_stays_until_a_look_goes_well(store: Database) -> None:
    boxes = store.mailboxes
    boxes.take("smtp", now=NOW, until=NOW + MINUTE)
    assert boxes.looks() == ()
    boxes.looked(MailboxLook(mailer="smtp", at=NOW, events=3, automatic=2, unreadable=1), next_at=NOW + MINUTE)
    boxes.looked(MailboxLook(mailer="smtp", at=NOW + MINUTE, error="no answer"), next_at=NOW + 2 * MINUTE)
    (look,) = boxes.looks()
    assert (look.events, look.automatic, look.unreadable, look.error) == (3, 2, 1, "no answer")
    boxes.looked(MailboxLook(mailer="smtp", at=NOW + 2 * MINUTE, events=1), next_at=NOW + 3 * MINUTE)
    assert boxes.looks() == (MailboxLook(mailer="smtp", at=NOW + 2 * MINUTE, events=4, automatic=2, unreadable=1),)
    assert boxes.due(["smtp"], NOW + 2 * MINUTE) == ()
