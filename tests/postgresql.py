"""A PostgreSQL server for tests: the one named by PUBLISHER_TEST_POSTGRESQL, or a private one of our own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

VARIABLE = "PUBLISHER_TEST_POSTGRESQL"
MISSING = (
    f"no PostgreSQL server: install one (Debian: apt-get install postgresql) or set {VARIABLE}"
    " to the address of a server on which databases may be created"
)


@contextmanager
def server() -> Iterator[str]:
    """The address of a server's maintenance database; skips the test when there is none to be had."""
    if given := os.environ.get(VARIABLE):
        yield given
        return
    with private() as own:
        yield own.url


class Private:
    """A server of our own, that can be stopped in mid-work and started again."""

    def __init__(self, binaries: Path, folder: Path, user: str | None) -> None:
        port = _free_port()
        self.url = f"postgresql://publisher@/postgres?host={folder}&port={port}"
        self._folder, self._user = folder, user
        self._process: subprocess.Popen[bytes] | None = None
        options = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "32MB", "max_connections": "60"}
        settings = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        self._command = [binaries / "postgres", "-D", folder / "data", "-k", folder, "-p", str(port), *settings]
        self._command += ["-c", "listen_addresses=127.0.0.1"]

    @property
    def data(self) -> Path:
        return self._folder / "data"

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def said(self) -> str:
        """Its log, from the first start on."""
        return (self._folder / "log").read_text(errors="replace")

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = _start(self._command, self._folder, self._user, log.fileno())
        _wait(self.url, self._process, self._folder / "log")

    def stop(self) -> None:
        """At once: whatever is under way is cut off, as in a crash."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)


@contextmanager
def private(disk: int = 0) -> Iterator[Private]:
    """Lay out and start a server; trusted through its socket, with a password through 127.0.0.1. With `disk`, its data
    lie on a disk of their own of so many bytes, and its log of changes grows in small steps. Skips the test when there
    are no programs for that, or no right to."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip(MISSING)
    folder, user = Path(tempfile.mkdtemp(prefix="publisher-pg-", dir="/tmp")), _user()
    if user:
        shutil.chown(folder, user)
    with _disk(folder / "data", disk, user) if disk else nullcontext():
        yield from _served(binaries, folder, user, ["--wal-segsize=1"] if disk else [])


def _served(binaries: Path, folder: Path, user: str | None, layout: list[str]) -> Iterator[Private]:
    word = folder / "password"
    word.write_text("kilmarnagh\n")
    if user:
        shutil.chown(word, user)
    initdb = [binaries / "initdb", "-D", folder / "data", "-U", "publisher", "-E", "UTF8", "--locale=C", "-N"]
    initdb += ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={word}", *layout]
    own = Private(binaries, folder, user)
    try:
        _run(initdb, folder, user)
        own.start()
        yield own
    finally:
        own.stop()  # nothing here is worth a checkpoint
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _disk(folder: Path, size: int, user: str | None) -> Iterator[None]:
    """A disk of so many bytes, in memory. Skips the test where that is not allowed."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"no disk of its own can be mounted: {mounted.stderr.decode(errors='replace').strip()}")
    try:
        if user:
            shutil.chown(folder, user)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def create(server_url: str, name: str, template: str = "template0") -> str:
    """Create a database and return its address."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
    return address(server_url, name)


def drop(server_url: str, name: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def address(server_url: str, name: str) -> str:
    """The address of another database on the same server."""
    base, mark, query = server_url.partition("?")
    return f"{base.rpartition('/')[0]}/{name}{mark}{query}"


def _binaries() -> Path | None:
    """The folder that holds initdb and postgres, the newest version first."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    found = shutil.which("initdb")
    folders = [*reversed(installed), *([Path(found).resolve().parent] if found else [])]
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def _user() -> str | None:
    """PostgreSQL refuses to run as root: another user then, who owns the data."""
    if os.geteuid() != 0:
        return None
    import pwd

    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(command: list[object], folder: Path, user: str | None) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        user=user,
        group=_group(user),
        extra_groups=[] if user else None,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"initdb failed: {done.stderr.decode(errors='replace')}")


def _start(command: list[object], folder: Path, user: str | None, log: int) -> subprocess.Popen[bytes]:
    # When the tests are killed the server ends too, where the system can do that.
    guard = ["setpriv", "--pdeathsig", "QUIT"] if shutil.which("setpriv") else []
    return subprocess.Popen(
        [*guard, *(str(part) for part in command)],
        cwd=folder,
        user=user,
        group=_group(user),
        extra_groups=[] if user else None,
        stdout=log,
        stderr=log,
    )


def _group(user: str | None) -> int | None:
    if user is None:
        return None
    import pwd

    return pwd.getpwnam(user).pw_gid


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text(errors='replace')}") from None
            time.sleep(0.05)  # a starting server sends no event
