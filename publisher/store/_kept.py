"""Events between values and rows, and those that wait."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.model import EventKind, MailEvent
from publisher.store.tables import mail_event

#: Not merged yet; in the words of the partial index.
WAITING = mail_event.c.processed_at.is_(None)

#: Characters of a text that are kept.
_LONGEST = 500

_KINDS = {kind.value: kind for kind in EventKind}


def waiting_for(connection: Connection, key: str) -> Iterator[MailEvent]:
    """Events of a batch that are not merged yet. There is no index to find them by, but what waits is not much."""
    columns = (mail_event.c.event_id, mail_event.c.body)
    if connection.dialect.name == "sqlite":
        holds = sa.func.instr(mail_event.c.body, key.encode()) > 0
    else:
        holds = sa.func.strpos(sa.func.encode(mail_event.c.body, "escape"), key) > 0
    for event_id, body in connection.execute(sa.select(*columns).where(WAITING, holds)):
        event = event_from(event_id, body)
        if event.batch == key:
            yield event


def id_of(event: MailEvent) -> str:
    """As it came, or its hash when it is too long to be an id."""
    plain = _plain(event.event_id)
    return plain if len(plain) <= _LONGEST else sha256(plain.encode()).hexdigest()


def body_of(event: MailEvent) -> bytes:
    return orjson.dumps(
        {
            "kind": event.kind.value,
            "at": event.at.isoformat(),
            "recipient": _text(event.recipient),
            "batch": _text(event.batch),
            "position": event.position,
            "message_id": _text(event.message_id),
            "code": _text(event.code),
            "detail": _text(event.detail),
        }
    )


def is_of(kind: EventKind) -> sa.ColumnElement[bool]:
    """Whether a body is of such an event, as `body_of` begins it."""
    begins = orjson.dumps({"kind": kind.value})[:-1]
    start: sa.ColumnElement[bytes] = sa.func.substr(mail_event.c.body, 1, len(begins), type_=mail_event.c.body.type)
    return start == begins


def _text(said: str) -> str:
    return _plain(said[:_LONGEST])


def _plain(said: str) -> str:
    """Without what UTF-8 or PostgreSQL's text cannot hold: halves of surrogate pairs, and NUL."""
    if said.isascii() and "\0" not in said:
        return said
    return said.encode("utf-8", "replace").decode().replace("\0", "")


def event_from(event_id: str, body: bytes) -> MailEvent:
    said = orjson.loads(body)
    return MailEvent(
        event_id,
        _KINDS[said["kind"]],
        datetime.fromisoformat(said["at"]),
        said["recipient"],
        said["batch"],
        said["position"],
        said["message_id"],
        said["code"],
        said["detail"],
    )
