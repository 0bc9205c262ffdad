"""The one place where the command line turns errors into words and an exit code."""

from __future__ import annotations

import errno
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import typer
from typer.exceptions import TyperException

from publisher import errors
from publisher.cli import console
from publisher.cli.door import Terminated
from publisher.cli.exits import Exit

#: By class of error: the exit code. The most particular class of an error decides.
CODES: Mapping[type[BaseException], Exit] = {
    errors.SettingsError: Exit.SETTINGS,
    errors.NotFound: Exit.CONFLICT,
    errors.Conflict: Exit.CONFLICT,
    errors.StoreError: Exit.STORE,
    errors.SourceError: Exit.SOURCE,
    errors.DeliveryError: Exit.DELIVERY,
    errors.MailboxError: Exit.DELIVERY,
    errors.TemplateError: Exit.TEMPLATE,
    errors.PreflightError: Exit.PREFLIGHT,
    errors.FolderError: Exit.FOLDER,
    errors.GateError: Exit.FOLDER,
    errors.PublisherError: Exit.FAILED,
    OSError: Exit.FAILED,
    KeyboardInterrupt: Exit.INTERRUPTED,
    typer.Abort: Exit.INTERRUPTED,
    Terminated: Exit.TERMINATED,
}

#: What a person does about an error of the operating system.
_REMEDIES: Mapping[int, str] = {
    errno.ENOSPC: "the disk is full; free some space and do it again. Nothing that was stored is lost",
    errno.EDQUOT: "the quota of this user is used up; free some space and do it again. Nothing that was stored is lost",
    errno.EROFS: "it is on a read-only file system; mount it writable, or put the site elsewhere",
    errno.EACCES: "this user may not do that; give them the right to read and write there",
    errno.EPERM: "this user may not do that; give them the right to read and write there",
    errno.ENOENT: "there is no such file or folder",
    errno.EISDIR: "it is a folder; name a file",
    errno.ENOTDIR: "a part of this path is a file; name a folder",
    errno.EEXIST: "it is there already; name another one",
    errno.EMFILE: "too many files are open; raise the limit (ulimit -n) and do it again",
}
_PASSWORD = re.compile(r"(://[^/\s@:]*:)[^/\s@]*@")


def code(error: BaseException) -> Exit:
    """The exit code of an error; BUG when nobody foresaw it."""
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), Exit.BUG)


def together(problems: Iterable[BaseException]) -> Exit:
    """The exit code after several errors: the one they share, else FAILED; OK when there was none."""
    codes = {code(problem) for problem in problems}
    return codes.pop() if len(codes) == 1 else Exit.FAILED if codes else Exit.OK


def words(error: BaseException) -> str:
    """An error as a person reads it: the culprit and the remedy."""
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return "Interrupted. What was done is kept; the same command carries on."
    if isinstance(error, Terminated):
        return "Stopped, as asked. What was done is kept; the same command carries on."
    if isinstance(error, OSError) and not isinstance(error, errors.PublisherError):
        place = f"{error.filename}: " if error.filename else ""
        return place + _REMEDIES.get(error.errno or 0, error.strerror or str(error)) + "."
    return str(error)


@contextmanager
def in_words(root: Path, verbosity: int) -> Iterator[None]:
    """Whatever a command raises becomes words on standard error and an exit code. A person's mistake never
    shows a traceback; a bug of ours is written to a file, and shown only with -v."""
    try:
        yield
        sys.stdout.flush()
    except (typer.Exit, TyperException, SystemExit):
        raise  # typer says itself how the command is called, and exits with USAGE
    except BrokenPipeError:
        _close_output()
        raise typer.Exit(Exit.PIPE) from None
    except BaseException as error:
        found = code(error)
        console.warn(words(error) if found is not Exit.BUG else _bug(error, root, verbosity))
        raise typer.Exit(found) from None


def _bug(error: BaseException, root: Path, verbosity: int) -> str:
    report = _PASSWORD.sub(r"\1***@", "".join(traceback.format_exception(error)))
    if verbosity > 0:
        console.warn(report)
    name = f"publisher-bug-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
    for folder in (root / "var", Path(tempfile.gettempdir())):
        with suppress(OSError):
            place = folder / name
            descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(report)
            return f"This is a bug in Publisher ({type(error).__name__}). What happened is written to {place}."
    return f"This is a bug in Publisher ({type(error).__name__}):\n{report}"


def _close_output() -> None:
    """Whoever read our output has stopped reading (`| head`): nothing more can be written, also not at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError, ValueError):
        os.dup2(nowhere, sys.stdout.fileno())
