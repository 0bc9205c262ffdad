"""One call to a provider over HTTP: what its failing proves, and as much of the answer as is sound.

A connection is kept for the next call, when that comes at once: opening one takes a round trip, with TLS three.

Nothing here retries. Until the body's first byte is asked for, the provider cannot have the call; from then on only
an answer tells what it took.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
from urllib3.exceptions import HTTPError

from publisher.errors import DeliveryError, MailerMisconfigured, OutcomeUnknown, TryLater
from publisher.kit.http_session import Deadline, retry_after
from publisher.kit.message import address, list_headers, mailbox, unsubscribe_headers, web_address
from publisher.mailers._sessions import Sessions
from publisher.mailers._shared import failure_of, is_loopback, one_line
from publisher.model import Letter, Mailing

_CONNECT = 10.0  # seconds, and as long again for every piece that is written
_PIECE = 65_536
_SECRET = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """Where a provider is asked. `headers` go with every call and may hold secrets; `key` is the secret itself, only
    looked at for what no key has. `patience` bounds the wait for an answer to begin and `whole` everything, in
    seconds; `largest` what is read of an answer, in bytes."""

    mailer: str
    base_url: str
    key: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    patience: float
    whole: float = 150.0
    largest: int = 1_000_000
    _sessions: Sessions = field(default_factory=Sessions, repr=False, compare=False)

    def ask(self, method: str, path: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None) -> Answer:
        """Raises TryLater when the provider proves not to have the call, which one without a body never counts as
        having; OutcomeUnknown when it may have it; MailerMisconfigured before anything is said."""
        self._check()
        sent = Body(body)
        try:
            with self._sessions.one() as session, Deadline(session, self.whole) as deadline:
                response = session.request(
                    method,
                    f"{self.base_url}{path}",
                    data=sent if body else None,
                    headers={**self.headers, **(headers or {})},
                    timeout=(_CONNECT, self.patience),
                    allow_redirects=False,
                    stream=True,
                )
                with response:
                    return _read(response, self.largest, deadline)
        except (requests.RequestException, HTTPError, OSError) as error:
            why = f"{self.place}: {one_line(str(error))}"
            if sent.begun:
                raise OutcomeUnknown(f"the answer was lost from {why}", mailer=self.mailer) from error
            raise TryLater(f"cannot reach {why}", mailer=self.mailer) from error

    def close(self) -> None:
        """Hang up connections that are kept."""
        self._sessions.close()

    def error(self, answer: Answer, said: str) -> DeliveryError:
        """What an answer means that is neither success nor of this provider's own kind. `said` are its words."""
        status = answer.status
        if status in (408, 425, 429):
            return TryLater(f"{self.place} asks to wait ({said})", retry_after=answer.wait, mailer=self.mailer)
        if status == 409 or status >= 500 or status < 300:
            return OutcomeUnknown(f"{self.place} answered {said}", mailer=self.mailer)
        if status < 400:
            return self.misconfigured(f"it redirects ({said}), which is never followed; correct base_url")
        return self.misconfigured(f"it refuses us ({said})")

    def misconfigured(self, why: str) -> MailerMisconfigured:
        return MailerMisconfigured(f"{self.place}: {why}", failure=failure_of(why), mailer=self.mailer)

    @property
    def place(self) -> str:
        return f"mailer {self.mailer} ({self.base_url})"

    def _check(self) -> None:
        url = urlsplit(self.base_url)
        if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.hostname or "")):
            raise self.misconfigured("base_url must begin with https://")
        if not _SECRET.fullmatch(self.key):
            raise self.misconfigured("the key is empty, or holds a character that no key has; copy it again")


class Calling:
    """For mailers that are an HTTP API."""

    _api: Api

    def close(self) -> None:
        self._api.close()


class Body:
    """A request's body that knows whether it was ever read: before that, the server cannot have it.

    Connecting, TLS and the request's head all come earlier, so this proves more than the kind of an exception does.
    It is written in pieces, because a time limit of the socket counts for each.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.begun = False

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[bytes]:
        self.begun = True
        for start in range(0, len(self._data), _PIECE):
            yield self._data[start : start + _PIECE]


@dataclass(frozen=True, slots=True)
class Answer:
    """`said` is the JSON value of its body, None when that is torn, too large or no JSON; `text` the beginning of a
    whole body that is no JSON."""

    status: int
    headers: Mapping[str, str]
    said: Any
    at: datetime
    text: str = ""

    @property
    def body(self) -> Mapping[str, Any]:
        """Its JSON object, empty when it is none."""
        return self.said if isinstance(self.said, dict) else {}

    @property
    def wait(self) -> timedelta | None:
        return retry_after(self.headers.get("Retry-After") or self.headers.get("ratelimit-reset", ""), self.at)


def _read(response: requests.Response, largest: int, deadline: Deadline) -> Answer:
    """The answer, as much of it as is sound: a torn body says nothing, but the status line has been said."""
    data, said, text = bytearray(), None, ""
    try:
        for chunk in response.iter_content(_PIECE):
            data += chunk
            if len(data) > largest:
                break
        if len(data) <= largest and not deadline.over:
            said = orjson.loads(data)
    except orjson.JSONDecodeError:
        text = one_line(bytes(data[:1000]))
    except (requests.RequestException, HTTPError, OSError):
        said = None
    return Answer(response.status_code, response.headers, said, datetime.now(UTC), text)


# ---------------------------------------------------------------- what calls carry


def header_fields(mailing: Mailing, letter: Letter) -> list[tuple[str, str]]:
    """The headers of a letter that a provider adds as given; it folds them itself."""
    fields = [
        ("Message-ID", one_line(letter.message_id)),
        *unsubscribe_headers(web_address(letter.unsubscribe_url)),
        *list_headers(mailing.list_id),
    ]
    return [(name, value.replace("\r\n ", " ")) for name, value in fields]


def written(sender: str) -> str:
    """ "Name <address>" for a provider that encodes names itself: quoted where it must be, never encoded."""
    name, email = mailbox(sender)
    plain = re.sub(r'["\\<>]', "", name).strip()
    quoted = f'"{plain}"' if re.search(r"[(),.:;@\[\]]", plain) else plain
    return f"{quoted} <{address(email)}>" if plain else address(email)
