"""A folder on this machine. Every file in it is whole at every moment, whatever happens.

A file is written beside its last version under a hidden name, flushed to the disk, renamed over it, and the
folder is flushed too (POSIX rename is atomic within a file system). Hidden names that a killed process left
behind are never listed, and are removed once they are old.

No two versions of a file carry the same second: web servers tell readers when a file changed in whole seconds, and a
reader that compares them must never take one version for the other.

For other web servers, a file may have compressed copies beside it (`all.rss.gz`), and one that has ended leaves
`all.rss.gone`. A copy is there before its file is and leaves before it does.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp

from publisher.errors import FolderError
from publisher.folders._shared import GONE, MARK, NAME, checked
from publisher.kit import compression
from publisher.model import FileStamp

_UNFINISHED = ".part"
_OLD = 3600.0  # seconds: nobody takes that long to write a feed
_BESIDE = (*compression.ENDINGS.values(), GONE)
_SECOND = 1_000_000_000  # in nanoseconds
_FARTHEST = 3600 * _SECOND  # a version from farther in the future comes from a clock that went wrong
_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EFBIG: "the file would be larger than this process may write; raise that limit",
    errno.EROFS: "that file system is read-only; remount it writable, or set another [folder] path",
    errno.EACCES: "this user may not write there; change the owner or mode, or set another [folder] path",
    errno.EPERM: "this user may not write there; change the owner or mode, or set another [folder] path",
    errno.ENOTDIR: "a part of that path is a file; remove it, or set another [folder] path",
    errno.EEXIST: "a part of that path is a file; remove it, or set another [folder] path",
    errno.EISDIR: "a folder has that name; remove it",
    errno.ENAMETOOLONG: "that name is too long for the file system; shorten the slug",
}


class LocalFolder:
    """Implements `ports.Folder`. Names are relative, of a-z, 0-9, ".", "_", "-" and "/", no part hidden."""

    near = True

    def __init__(self, path: str | os.PathLike[str], *, compressed: Sequence[str] = ()) -> None:
        """`compressed` names the codings, "gzip" and "br", whose copies stand beside each file."""
        self.path = Path(path)
        self.copies = self._compressed = tuple(compressed)
        self._swept = False

    def put(self, name: str, data: bytes, media_type: str) -> bool:
        """Replace a file atomically; False when it held these bytes and was left alone. Raises FolderError."""
        return bool(self.put_all([(name, data, media_type)]))

    def put_all(self, files: Sequence[tuple[str, bytes, str]]) -> tuple[str, ...]:
        """Each file is flushed before it takes its name; the folders they are in are flushed once, at the end."""
        replaced: dict[str, Path] = {}
        targets = [(name, self._target(name), data) for name, data, _ in files]  # a file has no media type
        try:
            for name, target, data in targets:
                with _named(target):
                    if _read(target) == data:
                        self._complete(target, data)
                    else:
                        _make(target.parent)
                        self._sweep_once()
                        self._write(target, data)
                        replaced[name] = target.parent
        finally:
            for parent in dict.fromkeys(replaced.values()):
                with _named(parent):
                    _flush(parent)
        return tuple(replaced)

    def get(self, name: str) -> bytes | None:
        target = self._target(name)
        with _named(target, "read"):
            return _read(target)

    def stamp(self, name: str) -> FileStamp | None:
        try:
            found = os.stat(f"{self.path}/{checked(name, self.path)}")  # before every answer: quicker
        except OSError:
            return None
        return FileStamp(f"{found.st_ino} {found.st_mtime_ns} {found.st_size}", found.st_mtime)

    def end(self, name: str) -> None:
        target = self._target(name)
        gone = _beside(target, GONE)
        with _named(target, "removed"):
            if not target.exists():
                return
            _replace(gone, MARK, _later_than(target, gone))
            _unlink(target, but=GONE)

    def is_gone(self, name: str) -> bool:
        return _beside(self._target(name), GONE).is_file()

    def remove(self, name: str) -> None:
        """Remove a file and all beside it; nothing happens when there is none. Raises FolderError."""
        target = self._target(name)
        with _named(target, "removed"):
            _unlink(target)

    def names(self) -> Iterator[str]:
        """The names of all files, sorted; unfinished ones and what is not ours are passed over."""
        found = (path.relative_to(self.path).as_posix() for path in self.path.rglob("*") if path.is_file())
        yield from sorted(name for name in found if NAME.fullmatch(name) and not name.endswith(_BESIDE))

    def check(self) -> str:
        """Write and remove a probe. Raises FolderError."""
        probe = self.path / ".publisher-check"
        with _named(self.path):
            _make(self.path)
            self._sweep()
            _replace(probe, b"Publisher can write here.\n", time.time_ns())
            probe.unlink(missing_ok=True)
        return f"{self.path}, writable"

    def _complete(self, target: Path, data: bytes) -> None:
        """Other copies may be wanted than when the file was written; they are of the same time."""
        there = {coding for coding, ending in compression.ENDINGS.items() if _beside(target, ending).exists()}
        if len(data) >= compression.SMALLEST and there != set(self._compressed):
            self._write_copies(target, data, target.stat().st_mtime_ns)

    def _write(self, target: Path, data: bytes) -> None:
        """The copies first: who looks for one finds it with its file."""
        gone = _beside(target, GONE)
        changed_at = _later_than(target, gone)
        self._write_copies(target, data, changed_at)
        _replace(target, data, changed_at)
        gone.unlink(missing_ok=True)

    def _write_copies(self, target: Path, data: bytes, changed_at: int) -> None:
        copies = compression.copies(data) if self._compressed else {}
        for coding, ending in compression.ENDINGS.items():
            if coding in copies and coding in self._compressed:
                _replace(_beside(target, ending), copies[coding], changed_at)
            else:
                _beside(target, ending).unlink(missing_ok=True)

    def _target(self, name: str) -> Path:
        return self.path / checked(name, self.path)

    def _sweep_once(self) -> None:
        if not self._swept:
            self._swept = True
            self._sweep()

    def _sweep(self) -> None:
        """Remove what killed processes left, by age: another process may be writing right now."""
        old = time.time() - _OLD
        for path in self.path.rglob(f".*{_UNFINISHED}"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < old:
                    path.unlink()


@contextmanager
def _named(path: Path, action: str = "written") -> Iterator[None]:
    """Turn what the system says into the path and what to do."""
    try:
        yield
    except OSError as error:
        why = _REMEDIES.get(error.errno or 0, error.strerror or str(error))
        raise FolderError(f"{path} cannot be {action}: {why}", path=str(path)) from error


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _make(folder: Path) -> None:
    """Create a folder and flush every parent that got a new one."""
    if folder.is_dir():
        return
    _make(folder.parent)
    folder.mkdir(exist_ok=True)
    _flush(folder.parent)


def _beside(target: Path, ending: str) -> Path:
    return target.with_name(target.name + ending)


def _unlink(target: Path, *, but: str = "") -> None:
    """A server that prefers a copy would go on serving it: the file itself goes last."""
    there = [
        path for path in (*(_beside(target, ending) for ending in _BESIDE if ending != but), target) if path.exists()
    ]
    for path in there:
        path.unlink(missing_ok=True)
    if there:
        _flush(target.parent)


def _later_than(*last: Path) -> int:
    """Now, in nanoseconds, or a second after the last version when that was this second."""
    now = time.time_ns()
    times = [path.stat().st_mtime_ns for path in last if path.exists()]
    after = max((time // _SECOND + 1 for time in times if time < now + _FARTHEST), default=0) * _SECOND
    return max(now, after)


def _replace(target: Path, data: bytes, changed_at: int) -> None:
    """The folder is still to be flushed. `changed_at` is in nanoseconds."""
    descriptor, unfinished = mkstemp(prefix=f".{target.name[:100]}.", suffix=_UNFINISHED, dir=target.parent)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(data)
            file.flush()
            os.utime(file.fileno(), ns=(changed_at, changed_at))
            os.fsync(file.fileno())
        os.replace(unfinished, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(unfinished)
        raise


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
