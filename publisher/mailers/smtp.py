"""Mail through an SMTP server (RFC 5321): one connection a batch, one recipient a transaction.

SMTP has no idempotency key. Between the final dot and the answer to it nobody can tell whether the server took a
message (RFC 1047), so that one letter is unknown; every letter behind it is proved unsent. Hence the full ten minutes
of patience there (RFC 5321 section 4.5.3.2.6), and little anywhere else, where giving up costs nothing.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from publisher.errors import MailerMisconfigured, TryLater
from publisher.kit.message import address, messages
from publisher.mailers._shared import NothingToAsk, NoWebhook, deferred, is_loopback, one_line, prepared
from publisher.model import Capability, Letter, Mailing, Outcome, Prepared, Result

_CONNECT = 30.0  # seconds
_COMMAND = 60.0
_START = 120.0  # no letter is begun later than this into a batch
_BEFORE_DOT = 240.0  # everything but the final answer ends by then
_DOT = 600.0
_GOODBYE = 5.0

_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")  # RFC 3463
_QUEUED = re.compile(r"(?:queued as|queued mail for delivery as|\bid=)\s*<?([\w.@+-]+)", re.IGNORECASE)
_OUR_FAULT = frozenset({530, 534, 535, 538})  # RFC 4954 section 6
_OUTCOMES = {2: Outcome.ACCEPTED, 4: Outcome.DEFERRED, 5: Outcome.REJECTED}
_Reply = tuple[int, bytes]


class Smtp(NothingToAsk, NoWebhook):
    """`ports.Mailer` for one SMTP server.

    `security` is "starttls", "tls" (from the first byte) or "none". Certificates are verified, against `ca_file` when
    one is given. `patience` bounds the wait for the answer to a message, in seconds.
    """

    capability = Capability(batch=20, batch_bytes=20_000_000, timeout=timedelta(seconds=_BEFORE_DOT + _DOT + 60))

    def __init__(
        self,
        name: str,
        host: str,
        *,
        port: int = 587,
        security: str = "starttls",
        username: str = "",
        password: str = "",
        ca_file: str = "",
        patience: float = _DOT,
    ) -> None:
        self.name = name
        self.host = host
        self.port = port
        self.security = security
        self.username = username
        self._password = password
        self.ca_file = ca_file
        self.patience = min(patience, _DOT)

    def prepare(self, mailing: Mailing) -> Prepared:
        return prepared(mailing, messages(mailing))

    def submit(self, prepared: Prepared) -> tuple[Result, ...]:
        """Raises TryLater or MailerMisconfigured while no letter has been decided; later the rest is deferred."""
        began = time.monotonic()
        results: list[Result] = []
        with self._connection() as connection:
            talk = _Talk(connection, prepared.sender, patience=self.patience, ends=began + _BEFORE_DOT)
            talk.relays = bool(self.username)
            for letter, payload in zip(prepared.letters, prepared.payloads, strict=True):
                if time.monotonic() - began > _START:
                    talk.lost = "the server is too slow for the whole batch"
                result = None if talk.over else talk.hand_over(letter, payload)
                if result is None:
                    break
                results.append(result)
        if talk.refused and not results:
            raise self._misconfigured(talk.refused)
        if talk.lost and not results:
            raise TryLater(f"{self._place}: {talk.lost}", mailer=self.name)
        return (*results, *deferred(prepared.letters[len(results) :], "", talk.refused or talk.lost))

    def check(self) -> str:
        with self._connection() as connection:
            secured = "encrypted" if self.security != "none" else "not encrypted"
            size = connection.esmtp_features.get("size", "")
        return f"{self.host}:{self.port}, {secured}{', signed in' if self.username else ''}" + (
            f", up to {int(size) // 1_000_000} MB a message" if size.isdigit() and int(size) else ""
        )

    # ---------------------------------------------------------------- connecting: nothing has been sent yet

    @contextmanager
    def _connection(self) -> Iterator[smtplib.SMTP]:
        """A connection that may send. Raises TryLater or MailerMisconfigured."""
        if self.username and self.security == "none" and not is_loopback(self.host):
            raise self._misconfigured('the password would travel unencrypted; set security = "starttls" or "tls"')
        with self._in_words():
            connection = self._open()
        try:
            with self._in_words():
                self._greet(connection)
                if self.username:
                    self._sign_in(connection)
            yield connection
            with suppress(smtplib.SMTPException, OSError):
                _socket(connection).settimeout(_GOODBYE)
                connection.quit()
        finally:
            connection.close()

    def _open(self) -> smtplib.SMTP:
        if self.security == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=_CONNECT, context=self._context())
        return smtplib.SMTP(self.host, self.port, timeout=_CONNECT)

    def _greet(self, connection: smtplib.SMTP) -> None:
        sock = _socket(connection)
        sock.settimeout(_COMMAND)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # the final dot travels alone, and at once
        _expect(connection.ehlo())
        if self.security == "starttls":
            if not connection.has_extn("starttls"):
                raise self._misconfigured(
                    "it does not offer STARTTLS, or something between us hides it; "
                    'nothing was sent unencrypted. Set security = "tls" with its port (often 465)'
                )
            _expect(connection.starttls(context=self._context()))
            _expect(connection.ehlo())

    def _sign_in(self, connection: smtplib.SMTP) -> None:
        try:
            connection.login(self.username, self._password)
        except UnicodeEncodeError:
            raise self._misconfigured("username and password must be ASCII") from None  # its text quotes them
        except smtplib.SMTPResponseException as error:
            raise self._answered(error.smtp_code, error.smtp_error) from error
        except smtplib.SMTPServerDisconnected:
            raise
        except smtplib.SMTPException as error:
            remedy = "it offers no way to sign in that we know; check port, security and username"
            raise self._misconfigured(remedy) from error

    def _context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.ca_file or None)
        except OSError as error:
            raise self._misconfigured(f"ca_file {self.ca_file} cannot be read ({error.strerror or error})") from error

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            raise self._misconfigured(
                f"its certificate is not to be trusted ({error.verify_message}); "
                "set ca_file for a private authority, or the host that the certificate names"
            ) from error
        except smtplib.SMTPResponseException as error:
            raise self._answered(error.smtp_code, error.smtp_error) from error
        except (smtplib.SMTPException, OSError) as error:
            raise TryLater(f"{self._place} cannot be reached ({one_line(str(error))})", mailer=self.name) from error

    def _answered(self, code: int, said: bytes | str) -> MailerMisconfigured | TryLater:
        answer = f"{code} {one_line(said)}"
        if code in _OUR_FAULT:
            return self._misconfigured(f"it refuses username or password ({answer}); correct them")
        if code >= 500:
            return self._misconfigured(f"it refuses us ({answer})")
        return TryLater(f"{self._place} answers {answer}", mailer=self.name)

    def _misconfigured(self, why: str) -> MailerMisconfigured:
        return MailerMisconfigured(f"{self._place}: {why}", mailer=self.name)

    @property
    def _place(self) -> str:
        return f"mailer {self.name} ({self.host}:{self.port})"


class _Talk:
    """Letters over an open connection, one after the other. `lost` says why the connection is of no more use, and
    `refused` why this server will take nothing from us; `relays` that it has shown otherwise."""

    def __init__(self, connection: smtplib.SMTP, sender: str, *, patience: float, ends: float) -> None:
        self._connection = connection
        self._sender = sender
        self._patience = patience
        self._ends = ends
        self.relays = False
        self.lost = ""
        self.refused = ""

    @property
    def over(self) -> bool:
        return bool(self.lost or self.refused)

    def hand_over(self, letter: Letter, payload: bytes) -> Result | None:
        """What became of the letter; None when it was proved unsent for a reason that is not its own."""
        to = address(letter.email)
        options = [f"SIZE={len(payload)}"] if self._connection.has_extn("size") else []
        if not (to + self._sender).isascii():
            if not self._connection.has_extn("smtputf8"):
                return self._beyond_ascii(letter)
            options += ["SMTPUTF8", "BODY=8BITMIME"]
        try:
            refusal = self._announce(to, options)
            if refusal is None:
                self._limit()
                self._connection.send(_stuffed(payload))
        except (smtplib.SMTPException, OSError) as error:
            self.lost = f"the connection was lost before a message was complete ({one_line(str(error))})"
            return None
        return self._finish(letter) if refusal is None else self._reset(letter, refusal)

    def _beyond_ascii(self, letter: Letter) -> Result | None:
        if not self._sender.isascii():
            self.refused = f"it cannot take the sender {self._sender} (no SMTPUTF8); set one in ASCII"
            return None
        return _refusal(letter, (553, b"5.6.7 the server cannot take an address beyond ASCII (no SMTPUTF8)"))

    def _announce(self, to: str, options: list[str]) -> _Reply | None:
        """MAIL, RCPT and DATA: None when the server waits for the message, else its refusal."""
        self._limit()
        reply = self._connection.mail(self._sender, options)
        if reply[0] != 250:
            if 500 <= reply[0] < 600 and reply[0] != 552:  # 552: this message is too large
                self.refused = f"it refuses the sender {self._sender} ({_said(reply)}); set another, or sign in"
            return reply
        self._limit()
        reply = self._connection.rcpt(to)
        if reply[0] not in (250, 251):
            if reply[0] in _OUR_FAULT or (reply[0] >= 550 and b"relay" in reply[1].lower() and not self.relays):
                self.refused = f"it does not relay for us ({_said(reply)}); set username and password"
            return reply
        self._limit()
        reply = self._connection.docmd("DATA")
        return None if reply[0] == 354 else reply

    def _finish(self, letter: Letter) -> Result:
        """The final dot: from its first byte to the answer nobody can tell."""
        try:
            _socket(self._connection).settimeout(self._patience)
            self._connection.send(b".\r\n")
            reply = self._connection.getreply()
        except (smtplib.SMTPException, OSError) as error:
            self.lost = f"the connection was lost while the server took a message ({one_line(str(error))})"
            return Result(position=letter.position, outcome=Outcome.UNKNOWN, detail=self.lost)
        result = _result(letter, reply, _OUTCOMES.get(reply[0] // 100, Outcome.UNKNOWN))
        if reply[0] == 421 or result.outcome is Outcome.UNKNOWN:
            self.lost = _said(reply)
        self.relays |= result.outcome is Outcome.ACCEPTED
        return result

    def _reset(self, letter: Letter, reply: _Reply) -> Result | None:
        """After a refusal: make the connection ready for the next letter."""
        if reply[0] == 421:
            self.lost = _said(reply)
        if self.over:
            return None
        try:
            self._limit()
            _expect(self._connection.rset())
        except (smtplib.SMTPException, OSError) as error:
            self.lost = f"the connection was lost after a refusal ({one_line(str(error))})"
        return _refusal(letter, reply)

    def _limit(self) -> None:
        _socket(self._connection).settimeout(max(0.1, min(_COMMAND, self._ends - time.monotonic())))


def _socket(connection: smtplib.SMTP) -> socket.socket:
    if connection.sock is None:
        raise smtplib.SMTPServerDisconnected("closed")
    return connection.sock


def _expect(reply: _Reply) -> None:
    if not 200 <= reply[0] < 300:
        raise smtplib.SMTPResponseException(*reply)


def _refusal(letter: Letter, reply: _Reply) -> Result:
    """The message was never handed over, so whatever else was said, it is not accepted."""
    return _result(letter, reply, Outcome.REJECTED if 500 <= reply[0] < 600 else Outcome.DEFERRED)


def _result(letter: Letter, reply: _Reply, outcome: Outcome) -> Result:
    code, said = reply[0], one_line(reply[1])
    enhanced = _ENHANCED.match(said)
    queued = _QUEUED.search(said)
    return Result(
        position=letter.position,
        outcome=outcome,
        code=f"{code} {enhanced[0]}" if enhanced else str(code),
        detail=said,
        reference=queued[1] if queued and outcome is Outcome.ACCEPTED else "",
    )


def _said(reply: _Reply) -> str:
    return f"{reply[0]} {one_line(reply[1])}"


def _stuffed(payload: bytes) -> bytes:
    """Dots at the start of a line are doubled (RFC 5321 section 4.5.2). A message ends with a line end."""
    return re.sub(rb"(?m)^\.", b"..", payload)
