"""One message as it would leave, for eyes that look before anybody is mailed."""

from __future__ import annotations

import re

from publisher.deliver.letters import mailing
from publisher.kit import message
from publisher.model import Batch, Candidate, Edition, Letterhead, Rendered, Run
from publisher.ports import Keys, Mailer

#: A payload that is a message (RFC 5322) begins with a header; calls of an API do not.
_MESSAGE = re.compile(rb"[A-Za-z][A-Za-z-]*:[ \t]")


def specimen(
    edition: Edition, head: Letterhead, rendered: Rendered, *, person: Candidate, mailer: Mailer | None, keys: Keys
) -> bytes:
    """The final bytes of one reader's message. Where a mailer hands over parts of messages to an API, those that it
    would hand over if it took messages: the same headers and bodies."""
    run = Run(variant=0, subscribers=(person.subscriber,))
    batch = Batch(edition=edition.id, sequence=0, chunk=0, runs=(run,), mailer=edition.mailer, key="specimen")
    people = {person.subscriber: person}
    made = mailing(batch, edition, head, people=people, skipped=frozenset(), variants={0: rendered}, keys=keys)
    payload = mailer.prepare(made).payloads[0] if mailer else b""
    if _MESSAGE.match(payload):
        return payload
    mould = message.mould(rendered, sender=made.sender, reply_to=made.reply_to, list_id=made.list_id, date=made.date)
    return message.fill(mould, made.letters[0])
