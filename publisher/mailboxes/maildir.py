"""A Maildir that a mail server on this machine delivers to: `new` and `cur` hold one file a message."""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from publisher.errors import MailboxError
from publisher.kit.reports import LARGEST
from publisher.mailboxes._shared import ASIDE, LONGEST, Handle, chunks

_FOLDERS = ("new", "cur")


class Maildir:
    """`ports.Mailbox` for a folder. What is set aside goes to its folder `.Unreadable` (Maildir++)."""

    def __init__(self, mailer: str, path: Path, *, interval: timedelta = timedelta(minutes=5)) -> None:
        self.mailer = mailer
        self.path = path
        self.interval = interval

    def read(self, handle: Handle, *, limit: int) -> bool:
        """Names begin with the time of delivery, so the oldest come first. A message that another process took in
        the meantime is none of ours any more."""
        handled, until = 0, time.monotonic() + LONGEST
        try:
            waiting = self._messages()
            for paths in chunks(waiting[:limit]):
                found = [(path, data) for path in paths if (data := _data(path)) is not None]
                for (path, _), done in zip(found, handle([data for _, data in found]), strict=True):
                    self._finish(path, done=done)
                handled += len(paths)
                if time.monotonic() > until:
                    break
        except OSError as error:
            raise self._why(error) from error
        return handled < len(waiting)

    def check(self) -> str:
        try:
            waiting = len(self._messages())
            if not all(os.access(self.path / name, os.W_OK | os.X_OK) for name in _FOLDERS):
                raise PermissionError(None, "it may be read, but not written")
        except OSError as error:
            raise self._why(error) from error
        return f"{self.path}, {waiting} waiting"

    def _messages(self) -> list[Path]:
        found = [Path(entry.path) for name in _FOLDERS for entry in os.scandir(self.path / name)]
        return sorted((path for path in found if not path.name.startswith(".")), key=lambda path: path.name)

    def _finish(self, path: Path, *, done: bool) -> None:
        with suppress(FileNotFoundError):
            if done:
                path.unlink()
            else:
                path.rename(self._aside() / path.name)

    def _aside(self) -> Path:
        folder = self.path / f".{ASIDE}"
        for name in ("", "tmp", "cur", "new"):
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        return folder / "new"

    def _why(self, error: OSError) -> MailboxError:
        remedy = "set bounces.path to a Maildir (a folder with new, cur and tmp) that this user may read and write"
        return MailboxError(f"{self.path}: {error.strerror or error}; {remedy}", mailer=self.mailer)


def _data(path: Path) -> bytes | None:
    """The beginning of a message; None when it is gone, or no file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        return file.read(LARGEST) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
