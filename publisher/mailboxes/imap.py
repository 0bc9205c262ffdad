"""A mailbox on an IMAP server (RFC 3501), through the standard library.

What is done with is deleted, what nobody could make anything of moves to the folder "Unreadable"; nothing is marked as
read. A folder that people use as well is safe: of their mail nothing is deleted, it moves.
"""

from __future__ import annotations

import imaplib
import re
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import islice

from publisher.errors import MailboxError
from publisher.kit.reports import LARGEST
from publisher.mailboxes._shared import ASIDE, LONGEST, Handle, chunks, one_line

_TIMEOUT = 30.0  # seconds for each answer
_ASKED = 20_000  # messages that are asked about at once: imaplib takes no line of more than a million bytes
_PREFIX = re.compile(rb'^\(\("((?:[^"\\]|\\.)*)"')
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Imap:
    """`ports.Mailbox` for one folder. `security` is "tls" (from the first byte), "starttls" or "none"; certificates
    are verified, against `ca_file` when one is given."""

    def __init__(
        self,
        mailer: str,
        host: str,
        *,
        username: str,
        password: str,
        port: int = 993,
        security: str = "tls",
        folder: str = "INBOX",
        ca_file: str = "",
        interval: timedelta = timedelta(minutes=5),
    ) -> None:
        self.mailer = mailer
        self.host = host
        self.port = port
        self.security = security
        self.username = username
        self._password = password
        self.folder = folder
        self.ca_file = ca_file
        self.interval = interval

    def read(self, handle: Handle, *, limit: int) -> bool:
        handled, until = 0, time.monotonic() + LONGEST
        with self._opened() as (server, there):
            waiting = list(islice(self._waiting(server, there), limit + 1))
            for uids in chunks(waiting[:limit]):
                found = [(uid, data) for uid in uids if (data := self._data(server, uid)) is not None]
                decided = handle([data for _, data in found])
                for done in (True, False):
                    chosen = [uid for (uid, _), fate in zip(found, decided, strict=True) if fate is done]
                    if chosen:
                        self._delete(server, chosen) if done else self._set_aside(server, chosen)
                handled += len(uids)
                if time.monotonic() > until:
                    break
        return handled < len(waiting)

    def check(self) -> str:
        with self._opened() as (server, there):
            waiting = sum(1 for _ in self._waiting(server, there))
            return f"{self.host}:{self.port}, {self.folder}, {waiting} waiting"

    # ---------------------------------------------------------------- messages

    def _waiting(self, server: imaplib.IMAP4, there: int) -> Iterator[bytes]:
        """UIDs in the order they came, without those that a mail program has marked as deleted: asked for by the
        messages' places among the `there` in the folder, which have no gaps as UIDs have."""
        for start in range(1, there + 1, _ASKED):
            places = f"{start}:{min(start + _ASKED - 1, there)}"
            said = self._said(server.uid("SEARCH", places, "UNDELETED"), "SEARCH")
            yield from sorted(b" ".join(one for one in said if isinstance(one, bytes)).split(), key=int)

    def _data(self, server: imaplib.IMAP4, uid: bytes) -> bytes | None:
        """The beginning of a message; None when it is gone."""
        for part in self._said(server.uid("FETCH", uid.decode(), f"(BODY.PEEK[]<0.{LARGEST}>)"), "FETCH"):
            if isinstance(part, tuple):
                return bytes(part[1])
        return None

    def _delete(self, server: imaplib.IMAP4, uids: Sequence[bytes]) -> None:
        chosen = b",".join(uids).decode()
        self._said(server.uid("STORE", chosen, "+FLAGS.SILENT", r"(\Deleted)"), "STORE")
        if "UIDPLUS" in server.capabilities:  # RFC 4315: of these alone
            self._said(server.uid("EXPUNGE", chosen), "EXPUNGE")
        else:
            self._said(server.expunge(), "EXPUNGE")

    def _set_aside(self, server: imaplib.IMAP4, uids: Sequence[bytes]) -> None:
        chosen, folder = b",".join(uids).decode(), _quoted(self._prefix(server) + ASIDE)
        server.create(folder)  # says NO when it is there already
        if "MOVE" in server.capabilities:  # RFC 6851
            self._said(server.uid("MOVE", chosen, folder), f"MOVE to {folder}")
        else:
            self._said(server.uid("COPY", chosen, folder), f"COPY to {folder}")
            self._delete(server, uids)

    def _prefix(self, server: imaplib.IMAP4) -> str:
        """What the names of one's own folders begin with (RFC 2342), such as "INBOX."."""
        if "NAMESPACE" not in server.capabilities:
            return ""
        _, told = server.namespace()
        found = _PREFIX.match(told[0]) if told and isinstance(told[0], bytes) else None
        return found[1].decode("ascii", "ignore") if found else ""

    # ---------------------------------------------------------------- the connection

    @contextmanager
    def _opened(self) -> Iterator[tuple[imaplib.IMAP4, int]]:
        """A connection with the folder selected, and how many messages are there. Raises MailboxError, also for what
        happens inside."""
        if self.security == "none" and self.host.casefold() not in _LOOPBACK:
            raise self._error('the password would travel unencrypted; set security = "tls" or "starttls"')
        try:
            server = self._connected()
            try:
                self._sign_in(server)
                said = self._said(server.select(_quoted(self.folder)), f"it does not open the folder {self.folder}:")
                yield server, int(said[0]) if isinstance(said[0], bytes) and said[0].isdigit() else 0
            finally:
                with suppress(imaplib.IMAP4.error, OSError):
                    server.logout()
                with suppress(OSError):
                    server.shutdown()
        except ssl.SSLCertVerificationError as error:
            raise self._error(
                f"its certificate is not to be trusted ({error.verify_message}); set ca_file for a private authority, "
                "or the host that the certificate names"
            ) from error
        except (imaplib.IMAP4.error, OSError) as error:
            raise self._error(f"it cannot be read ({one_line(str(error))}); it is tried again") from error

    def _connected(self) -> imaplib.IMAP4:
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
        except OSError as error:
            raise self._error(f"ca_file {self.ca_file} cannot be read ({error.strerror or error})") from error
        if self.security == "tls":
            return imaplib.IMAP4_SSL(self.host, self.port, ssl_context=context, timeout=_TIMEOUT)
        server = imaplib.IMAP4(self.host, self.port, timeout=_TIMEOUT)
        if self.security == "starttls":
            if "STARTTLS" not in server.capabilities:
                server.shutdown()
                raise self._error('it does not offer STARTTLS; set security = "tls" with its port (often 993)')
            server.starttls(context)
        return server

    def _sign_in(self, server: imaplib.IMAP4) -> None:
        try:
            server.login(self.username, self._password)
        except UnicodeEncodeError:
            raise self._error("username and password must be ASCII") from None  # its text quotes them
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            said = one_line(str(error.args[0] if error.args else ""))
            raise self._error(f"it refuses username or password ({said}); correct them") from None
        told = self._said(server.capability(), "CAPABILITY")  # more is offered to who has signed in
        server.capabilities = tuple(b" ".join(one for one in told if isinstance(one, bytes)).decode().upper().split())

    def _said(self, answer: tuple[str, Sequence[object]], asked: str) -> Sequence[object]:
        status, data = answer
        if status != "OK":
            words = one_line(data[0]) if data and isinstance(data[0], bytes | str) else status
            raise self._error(f"{asked} {words}")
        return data

    def _error(self, why: str) -> MailboxError:
        return MailboxError(f"the mailbox {self.username} at {self.host}:{self.port}: {why}", mailer=self.mailer)


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
