"""A real SMTP server on loopback that keeps what it was given, and misbehaves where it is told to.

with SmtpServer(tls=certificate, users={"publisher": "pilot-cutter"}) as server:
    server.plan(Fault("RCPT", reply="550 5.1.1 no such person", recipient="gone@reader.example"))
    ...
    server.received[0].message["Subject"]
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Received:
    """One message that the server took responsibility for."""

    sender: str
    recipient: str
    content: bytes
    encrypted: bool
    user: str
    options: tuple[str, ...]

    @property
    def message(self) -> EmailMessage:
        parsed = message_from_bytes(self.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed


@dataclass(slots=True)
class Fault:
    """What goes wrong at a step: "MAIL", "RCPT", "DATA", "BODY" (in the middle of a message) or "DOT" (after it).

    Without a `reply` the connection is dropped, or left `silent`. At "DOT", `keep` takes the message first. `after`
    lets that many pass unharmed; `times` is how often it happens.
    """

    at: str
    reply: str = ""
    recipient: str = ""
    silent: bool = False
    keep: bool = False
    after: int = 0
    times: int = 1


@dataclass(frozen=True, slots=True)
class Certificate:
    """A self-signed certificate for localhost and 127.0.0.1, as files."""

    certificate: Path
    key: Path

    @classmethod
    def make(cls, folder: Path, host: str = "localhost") -> Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        names: list[x509.GeneralName] = [x509.DNSName(host)]
        if host == "localhost":
            names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(key, hashes.SHA256())
        )
        made = cls(folder / f"{host}.pem", folder / f"{host}.key")
        made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        made.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return made

    @property
    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context


class SmtpServer:
    """STARTTLS with `tls`, or TLS from the first byte with `implicit` too; AUTH with `users`, over TLS only unless
    `plain_auth`. Features of EHLO can be `hidden` by name; `pipelining` (RFC 2920) is offered where it is asked for."""

    def __init__(
        self,
        *,
        tls: Certificate | None = None,
        implicit: bool = False,
        users: Mapping[str, str] | None = None,
        plain_auth: bool = False,
        smtputf8: bool = True,
        hidden: tuple[str, ...] = (),
        pipelining: bool = False,
        size: int = 30_000_000,
    ) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self.commands: list[str] = []
        self.hidden = hidden
        self.pipelining = pipelining
        self.users = users or {}
        self.port = 0
        self._faults: list[Fault] = []
        self._implicit = tls.context if tls and implicit else None
        self._settings: dict[str, Any] = {
            "data_size_limit": size,
            "enable_SMTPUTF8": smtputf8,
            "tls_context": tls.context if tls and not implicit else None,
            "auth_required": bool(users),
            "auth_require_tls": not (plain_auth or implicit),
            "authenticator": self._authenticate,
            "hostname": "mail.harbour-gazette.example",
        }
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def plan(self, *faults: Fault) -> None:
        self._faults += faults

    def mend(self) -> None:
        """Nothing goes wrong any more."""
        self._faults.clear()

    def recipients(self) -> list[str]:
        return [one.recipient for one in self.received]

    def __enter__(self) -> SmtpServer:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        sessions: list[_Session] = []

        def session() -> _Session:
            sessions.append(_Session(self, loop=self._loop, **self._settings))
            return sessions[-1]

        server = await self._loop.create_server(session, "127.0.0.1", 0, ssl=self._implicit)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for one in sessions:  # what is left open would be found, and complained of, in some later test
            if one.transport is not None:
                one.transport.abort()
        await server.wait_closed()
        await asyncio.sleep(0)

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any
    ) -> AuthResult:
        if not isinstance(given, LoginPassword):
            return AuthResult(success=False, handled=False)
        user, password = given.login.decode(), given.password.decode()
        right = self.users.get(user) == password
        return AuthResult(success=right, handled=False, auth_data=user if right else None)

    def fault(self, at: str, recipient: str = "") -> Fault | None:
        for fault in self._faults:
            if fault.at != at or not fault.times or fault.recipient not in ("", recipient):
                continue
            if fault.after:
                fault.after -= 1
                continue
            fault.times -= 1
            return fault
        return None


class _Session(SMTP):
    def __init__(self, owner: SmtpServer, **settings: Any) -> None:
        self.owner = owner
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # signing in without TLS is what some tests are about
            super().__init__(self, **settings)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self.transport is None:  # the same connection is made again when TLS starts
            self.owner.connections += 1
        super().connection_made(transport)

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        if self.owner.pipelining:
            responses = [*responses[:-1], "250-PIPELINING", responses[-1]]
        return [line for line in responses if not line[4:].startswith(self.owner.hidden or ("\0",))]

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if answer := await self._misbehave("MAIL"):
            return answer
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 sender ok"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if answer := await self._misbehave("RCPT", address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 recipient ok"

    async def smtp_DATA(self, arg: str) -> None:
        recipient = self.envelope.rcpt_tos[0] if self.envelope and self.envelope.rcpt_tos else ""
        if answer := await self._misbehave("DATA", recipient):
            await self.push(answer)
            return
        if fault := self.owner.fault("BODY", recipient):
            await self.push("354 go ahead")
            await self._answer(fault)
        await super().smtp_DATA(arg)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        recipient = envelope.rcpt_tos[0]
        fault = self.owner.fault("DOT", recipient)
        if not fault or fault.keep:
            self._keep(session, envelope)
        if fault:
            return await self._answer(fault)
        return f"250 2.0.0 Ok: queued as {len(self.owner.received):06X}"

    def _keep(self, session: Session, envelope: Envelope) -> None:
        assert isinstance(envelope.content, bytes)
        assert envelope.mail_from
        for recipient in envelope.rcpt_tos:
            self.owner.received.append(
                Received(
                    sender=envelope.mail_from,
                    recipient=recipient,
                    content=envelope.content,
                    encrypted=session.ssl is not None or self.owner._implicit is not None,
                    user=str(session.auth_data or ""),
                    options=tuple(envelope.mail_options),
                )
            )

    async def _misbehave(self, at: str, recipient: str = "") -> str:
        fault = self.owner.fault(at, recipient)
        return await self._answer(fault) if fault else ""

    async def _answer(self, fault: Fault) -> str:
        if fault.reply:
            if fault.reply.startswith("421"):
                self._close_soon()
            return fault.reply
        if not fault.silent:
            assert isinstance(self.transport, asyncio.Transport)
            self.transport.abort()
        await asyncio.Event().wait()  # until the connection, or the server, is gone
        return ""

    def _close_soon(self) -> None:
        transport = self.transport
        assert isinstance(transport, asyncio.Transport)
        asyncio.get_running_loop().call_later(0.05, transport.close)
