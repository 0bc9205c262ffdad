"""What the fakes of mailing APIs have in common: a journal, faults by plan, and answers that come to harm.

All that a fake accepts is a line of its journal, so one that is started again on the same folder remembers it; a line
that was being written when it was killed was promised to nobody. Faults are planned, one for each sending call:

    accept_then_drop   takes the call, then closes the connection       drop_before   the reverse: takes nothing
    accept_then_500    takes the call, then says that it failed         hang          takes the call, never answers
    truncated          takes the call, answers half of its answer       html          takes nothing, answers 200 HTML
    slow               waits for `release()` and then takes the call    redirect      takes nothing, sends elsewhere

and those in which a provider refuses in words of its own (`Connection.refusal`). One with a word in front, such as
"get 500", is for the other calls of that kind.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Self

_KNOWN = {"", "drop_before", "accept_then_drop", "accept_then_500", "hang", "truncated", "fewer"}


@dataclass(frozen=True, slots=True)
class Call:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Refused(Exception):
    """What a provider says instead of accepting. Each has fields of its own besides the status."""

    def __init__(self, status: int, message: str) -> None:
        self.status, self.message = status, message
        super().__init__(message)


class Provider:
    """A stateful server on loopback. `clock` tells when things happen. `waiting` is set while a slow call is being
    worked on. A subclass says how its `connection` talks, and what a line of its journal means (`remember`)."""

    connection: ClassVar[type[Connection]]

    def __init__(self, journal: Path, clock: Callable[[], datetime] | None = None, port: int = 0) -> None:
        self.journal = journal
        self.clock = clock or (lambda: datetime.now(UTC))
        self.calls: list[Call] = []
        self.waiting = threading.Event()
        self.lock = threading.RLock()
        self._port = port
        self._faults: list[str] = []
        self._released, self._stopped = threading.Event(), threading.Event()

    def __enter__(self) -> Self:
        for entry in self._kept():
            self.remember(entry)
        self._server = _Server(("127.0.0.1", self._port), type("Handler", (self.connection,), {"fake": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    # ---------------------------------------------------------------- the journal

    def write(self, entry: dict[str, Any]) -> None:
        with self.lock:
            with self.journal.open("a") as file:
                file.write(json.dumps(entry) + "\n")
            self.remember(entry)

    def remember(self, entry: dict[str, Any]) -> None:
        raise NotImplementedError

    def _kept(self) -> list[dict[str, Any]]:
        lines = self.journal.read_bytes().splitlines(keepends=True) if self.journal.exists() else []
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()
            self.journal.write_bytes(b"".join(lines))
        return [json.loads(line) for line in lines]

    # ---------------------------------------------------------------- faults

    def plan(self, *faults: str) -> None:
        with self.lock:
            self._faults += faults

    def next_fault(self, about: str = "") -> str:
        """The fault of a call, "" for none (one may be planned as such); a slow one is told by `wait_if_slow`."""
        with self.lock:
            if not self._faults or self._faults[0] == "slow":
                return ""
            word, _, fault = self._faults[0].rpartition(" ")
            if word != about:
                return ""
            self._faults.pop(0)
            return fault

    def wait_if_slow(self) -> None:
        with self.lock:
            if self._faults[:1] != ["slow"]:
                return
            self._faults.pop(0)
        self.waiting.set()
        assert self._released.wait(30)

    def release(self) -> None:
        self._released.set()

    def hang(self) -> None:
        self._stopped.wait(60)


class Connection(BaseHTTPRequestHandler):
    """One connection, for one call. A subclass answers it (`respond`), says how refusals look (`refuse`), and which
    fault is refused with which words (`refusal`)."""

    fake: Provider
    largest: ClassVar[int]
    #: What it says after it has taken a call, when it is to say that it failed.
    failed: ClassVar[Refused]

    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # an answer leaves in one piece

    def respond(self, length: int, body: bytes) -> None:
        raise NotImplementedError

    def refuse(self, refused: Any, headers: Mapping[str, str]) -> None:
        raise NotImplementedError

    def refusal(self, fault: str) -> Refused | None:
        raise NotImplementedError

    def wait(self, fault: str) -> str:
        """Retry-After: in seconds, as a date, and as no standard has it (RFC 9110 section 10.2.3)."""
        return {
            "429": "7",
            "429-hour": "3600",
            "429-date": format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True),
            "429-garbage": "soon",
        }.get(fault, "")

    def do_GET(self) -> None:
        self.close_connection = True
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(min(length, self.largest + 1))
        self.seen(Call(self.command, self.path, dict(self.headers.items()), body))
        try:
            self.respond(length, body)
        except Refused as refused:
            self.refuse(refused, {})

    do_POST = do_PUT = do_DELETE = do_GET

    def seen(self, call: Call) -> None:
        self.fake.calls.append(call)

    def log_message(self, *_: object) -> None:
        pass

    def untouched(self, fault: str) -> bool:
        """Whether this fault is one in which nothing is accepted; it then is answered."""
        if refused := self.refusal(fault):
            self.refuse(refused, {"Retry-After": wait} if (wait := self.wait(fault)) else {})
        elif fault == "html":
            self.send(200, b"<!doctype html><title>Harbour WiFi</title>", "text/html")
        elif fault == "redirect":
            self.send(307, b"", "text/plain", {"Location": f"{self.fake.url}{self.path}"})
        else:
            assert fault in _KNOWN, f"no such fault: {fault}"
            return fault == "drop_before"
        return True

    def accepted(self, fault: str, answer: object) -> None:
        """Answer a call that was taken, if its fault lets the answer come."""
        if fault == "accept_then_500":
            raise self.failed
        if fault == "hang":
            self.fake.hang()
        elif fault == "truncated":
            self.send(200, json.dumps(answer).encode()[:25], "application/json", missing=100)
        elif fault != "accept_then_drop":
            self.answer(200, answer)

    def answer(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        self.send(status, json.dumps(body).encode(), "application/json", headers)

    def send(
        self, status: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None, *, missing: int = 0
    ) -> None:
        """`missing` bytes are promised and never come."""
        self.send_response(status)
        about = {"Content-Type": kind, "Content-Length": str(len(body) + missing), "Connection": "close"}
        for name, value in (about | dict(headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = False
