"""Mail through an SMTP server (RFC 5321): a batch over one connection, one recipient a transaction.

SMTP has no idempotency key. Between the final dot and the answer to it nobody can tell whether the server took a
message (RFC 1047), so that one letter is unknown; every letter behind it is proved unsent, pipelined or not (see
`_smtp_talk`): at most one unknown letter a connection. Hence the full ten minutes of patience there (RFC 5321 section
4.5.3.2.6), and little anywhere else, where giving up costs nothing.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from publisher.errors import Failure, MailerMisconfigured, TryLater
from publisher.kit.dkim import Signer
from publisher.kit.message import messages
from publisher.kit.verp import ReturnPaths
from publisher.mailers._shared import (
    SENDERS_FAULT,
    NoRate,
    NothingToAsk,
    NoWebhook,
    account_of,
    deferred,
    failure_of,
    is_loopback,
    one_line,
    prepared,
)
from publisher.mailers._smtp_lines import Line, Lines
from publisher.mailers._smtp_talk import OUR_FAULT, Talk, Turn, expect, socket_of
from publisher.model import Capability, EventKind, Letter, Mailing, Outcome, Prepared, Result

_CONNECT = 30.0  # seconds
_COMMAND = 60.0
_START = 240.0  # no letter is begun later than this into a batch
_BEFORE_DOT = 360.0  # everything but the final answer ends by then
_DOT = 600.0
_NOBODY = 5  # readers of a batch


class Smtp(NothingToAsk, NoWebhook, NoRate):
    """`ports.Mailer` for one SMTP server.

    `security` is "starttls", "tls" (from the first byte) or "none". Certificates are verified, against `ca_file` when
    one is given. `patience` bounds the wait for the answer to a message, in seconds; `connections` is how many are open
    at most, for as many batches at once.

    With a `signer` every message carries its DKIM signature. With `return_paths` the envelope sender names
    the letter (see `kit.verp`), so that a bounce finds it. It is no part of a message's bytes.
    """

    # With half as many, half as many are in doubt when the process is killed, and a delivery takes a quarter longer.
    capability = Capability(batch=40, batch_bytes=20_000_000, timeout=timedelta(seconds=_BEFORE_DOT + _DOT + 60))

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
        signer: Signer | None = None,
        return_paths: ReturnPaths | None = None,
        connections: int = 1,
    ) -> None:
        self.name = name
        self.host = host
        self.port = port
        self.security = security
        self.username = username
        self.account = account_of("smtp", host.casefold(), str(port), username)
        self._password = password
        self.ca_file = ca_file
        self.patience = min(patience, _DOT)
        self.signer = signer
        self.return_paths = return_paths
        self.capability = replace(Smtp.capability, calls=connections, in_hand=connections + 1)
        self._lines = Lines()

    def prepare(self, mailing: Mailing) -> Prepared:
        made = messages(mailing)
        mailing = replace(mailing, sender=self.return_paths.base) if self.return_paths else mailing
        if self.signer:
            return prepared(mailing, [self.signer.sign(one, mailing.date) for one in made])
        return prepared(mailing, made, made.proofs())

    def submit(self, prepared: Prepared) -> tuple[Result, ...]:
        """Raises TryLater or MailerMisconfigured while no letter has been decided; later the rest is deferred."""
        began = time.monotonic()
        line = self._lines.take() or self._dial()
        talk, results = self._say(prepared, line, began)
        if line.kept and talk.lost and not results:  # the server had hung up meanwhile
            talk, results = self._say(prepared, self._dial(), began)
        if talk.refused and not results:
            raise self._misconfigured(talk.refused)
        if len(results) > 1 and len(results) == len(prepared.letters) and all(map(_blocks_us, results)):
            why = f"it refuses every letter because of us as a sender ({results[0].detail or results[0].code})"
            raise self._misconfigured(why, failure=Failure.REPUTATION)
        if talk.lost and not results:
            raise TryLater(f"{self._place}: {talk.lost}", mailer=self.name)
        rest = deferred(prepared.letters[len(results) :], "", talk.refused or talk.lost)
        return (*_believed(_weighed(results)), *rest)

    def _say(self, prepared: Prepared, line: Line, began: float) -> tuple[Talk, list[Result]]:
        """As many results as letters were decided. The connection is kept when it is of more use."""
        sender = self._envelope_sender(prepared)
        talk = Talk(line.connection, sender, patience=self.patience, ends=began + _BEFORE_DOT)
        talk.relays = bool(self.username)
        try:
            results = list(_hand_over(talk, prepared, until=began + _START))
            talk.end()
        except BaseException:
            line.connection.close()
            raise
        if talk.over:
            line.end()
        else:
            self._lines.give(line, len(results))
        return talk, results

    def close(self) -> None:
        self._lines.close()

    def _envelope_sender(self, prepared: Prepared) -> Callable[[Letter], str]:
        paths = self.return_paths
        return lambda letter: paths.of(prepared.key, letter.position) if paths else prepared.sender

    def check(self) -> str:
        line = self._dial()
        try:
            connection = line.connection
            secured = "encrypted" if self.security != "none" else "not encrypted"
            size = connection.esmtp_features.get("size", "")
        finally:
            line.end()
        return f"{self.host}:{self.port}, {secured}{', signed in' if self.username else ''}" + (
            f", up to {int(size) // 1_000_000} MB a message" if size.isdigit() and int(size) else ""
        )

    # ---------------------------------------------------------------- connecting: nothing has been sent yet

    def _dial(self) -> Line:
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
        except BaseException:
            connection.close()
            raise
        return Line(connection)

    def _open(self) -> smtplib.SMTP:
        if self.security == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=_CONNECT, context=self._context())
        return smtplib.SMTP(self.host, self.port, timeout=_CONNECT)

    def _greet(self, connection: smtplib.SMTP) -> None:
        sock = socket_of(connection)
        sock.settimeout(_COMMAND)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # the final dot travels alone, and at once
        expect(connection.ehlo())
        if self.security == "starttls":
            if not connection.has_extn("starttls"):
                raise self._misconfigured(
                    "it does not offer STARTTLS, or something between us hides it; "
                    'nothing was sent unencrypted. Set security = "tls" with its port (often 465)'
                )
            expect(connection.starttls(context=self._context()))
            expect(connection.ehlo())

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
        if code in OUR_FAULT:
            why = f"it refuses username or password ({answer}); correct them"
            return self._misconfigured(why, failure=Failure.CREDENTIALS)
        if code >= 500:
            failure = Failure.REPUTATION if SENDERS_FAULT.search(answer) else None
            return self._misconfigured(f"it refuses us ({answer})", failure=failure)
        return TryLater(f"{self._place} answers {answer}", mailer=self.name)

    def _misconfigured(self, why: str, failure: Failure | None = None) -> MailerMisconfigured:
        return MailerMisconfigured(f"{self._place}: {why}", failure=failure or failure_of(why), mailer=self.name)

    @property
    def _place(self) -> str:
        return f"mailer {self.name} ({self.host}:{self.port})"


def _blocks_us(result: Result) -> bool:
    """Refused by policy, and not for the reader's address."""
    return result.outcome is Outcome.REJECTED and bool(SENDERS_FAULT.search(result.code))


def _weighed(results: list[Result]) -> list[Result]:
    """What put a letter off, and not a later one, is no trouble of the server's."""
    last = max((at for at, result in enumerate(results) if result.outcome is Outcome.ACCEPTED), default=0)
    return [result._replace(shared=False) if result.shared else result for result in results[:last]] + results[last:]


def _believed(results: list[Result]) -> list[Result]:
    """A server that knows none of so many readers is the wrong one: nobody is suppressed for its word."""
    if len(results) < _NOBODY or any(result.kind is not EventKind.HARD_BOUNCE for result in results):
        return results
    return [result._replace(kind=None) for result in results]


def _hand_over(talk: Talk, prepared: Prepared, *, until: float) -> Iterator[Result]:
    """Letter by letter, each told which one follows, until the connection is of no more use."""
    turns = map(Turn, prepared.letters, prepared.payloads)
    turn = next(turns, None)
    while turn is not None:
        following = next(turns, None)
        if time.monotonic() > until:
            talk.lost = "the server is too slow for the whole batch"
        result = None if talk.over else talk.hand_over(turn, following)
        if result is None:
            return
        yield result
        turn = following
