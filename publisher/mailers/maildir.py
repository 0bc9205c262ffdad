"""Mail into a folder: real messages in a Maildir, nothing to sign up for.

A Maildir is `tmp`, `new` and `cur`; a message is written in `tmp`, made durable, and linked into `new` whole. Its name
comes from its Message-ID, so a message that is handed over twice is there once.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from publisher.errors import DeliveryError, MailerMisconfigured, OutcomeUnknown, TryLater
from publisher.kit.message import messages
from publisher.mailers._shared import NoLine, NoRate, NothingToAsk, NoWebhook, account_of, deferred, prepared
from publisher.model import Capability, Letter, Mailing, Outcome, Prepared, Result

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})


class Maildir(NothingToAsk, NoWebhook, NoLine, NoRate):
    """`ports.Mailer` for a folder on this machine. Nothing is touched before the first message or check."""

    capability = Capability(
        batch=100,
        batch_bytes=50_000_000,
        external=False,
        deduplicates=True,
        timeout=timedelta(seconds=60),
    )

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path
        self.account = account_of("maildir", os.path.realpath(path))

    def prepare(self, mailing: Mailing) -> Prepared:
        """Files have the line ends of this system, as every program that reads a Maildir expects."""
        return prepared(mailing, [message.replace(b"\r\n", b"\n") for message in messages(mailing)])

    def submit(self, prepared: Prepared) -> tuple[Result, ...]:
        """Raises TryLater (disk full) or MailerMisconfigured (not writable) when nothing was written; from then
        on the rest is deferred."""
        results: list[Result] = []
        try:
            self._lay_out()
            read = self._in_cur()
            for letter, payload in zip(prepared.letters, prepared.payloads, strict=True):
                results.append(self._keep(letter, payload, read))
        except OSError as error:
            if not results:
                raise self._why(error) from error
            rest = prepared.letters[len(results) :]
            results += deferred(rest, errno.errorcode.get(error.errno or 0, ""), str(self._why(error)))
        with self._certain():
            _sync(self.path / "new")
        return tuple(results)

    def check(self) -> str:
        try:
            self._lay_out()
            probe = self.path / "tmp" / f"check.{secrets.token_hex(8)}"
            probe.touch(mode=0o600, exist_ok=False)
            probe.unlink()
        except OSError as error:
            raise self._why(error) from error
        return f"{self.path}, writable"

    def _keep(self, letter: Letter, payload: bytes, read: frozenset[str]) -> Result:
        name = f"{sha256(letter.message_id.encode()).hexdigest()[:32]}.publisher"
        place = self.path / "new" / name
        if name not in read and not place.exists():
            beside = self.path / "tmp" / f"{name}.{secrets.token_hex(8)}"
            try:
                _write(beside, payload)
                with suppress(FileExistsError):  # another process was handed the same message
                    os.link(beside, place)
            finally:
                beside.unlink(missing_ok=True)
        return Result(position=letter.position, outcome=Outcome.ACCEPTED, reference=str(place))

    def _in_cur(self) -> frozenset[str]:
        """Messages that a mail program has moved on, without the flags it added."""
        with os.scandir(self.path / "cur") as entries:
            return frozenset(entry.name.partition(":")[0] for entry in entries)

    def _lay_out(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.path, *(self.path / name for name in ("tmp", "new", "cur"))):
            folder.mkdir(mode=0o700, exist_ok=True)

    def _why(self, error: OSError) -> DeliveryError:
        problem = f"mailer {self.name}: {self.path} cannot be written ({error.strerror or error})"
        if error.errno in _FULL:
            return TryLater(f"{problem}; make room and it goes on by itself", mailer=self.name)
        return MailerMisconfigured(f"{problem}; make it writable, or set another path", mailer=self.name)

    @contextmanager
    def _certain(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutcomeUnknown(str(self._why(error)), mailer=self.name) from error


def _write(path: Path, payload: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(payload)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
