"""What we add to uvicorn's HTTP/1.1. It bounds what it reads of a body, and of a head neither size nor time; and an
answer that is ready needs no task of its own."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from publisher.web.application import Entrance

#: Bytes of request line and headers. Browsers send some hundred; a token has about fifty.
LARGEST_HEAD = 32_768
#: Seconds from its first byte, or from the opened connection, to its end.
SLOWEST_HEAD = 20.0


class BoundedHead(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, which hangs up on a head without end and on one that never comes."""

    _timer: asyncio.TimerHandle | None = None  # there while a head is waited for
    _awaited = True
    _read = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._awaited = True
        self._wait_no_more()  # for the opened connection's: this head has time of its own
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._awaited = False
        self._wait_no_more()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._awaited or self.transport.is_closing():  # most heads come in one piece, and need no timer
            return
        if not self._timer:
            self._wait()
        self._read += len(data.rpartition(b"\r\n\r\n")[2])  # whole requests may stand before it
        if self._read > LARGEST_HEAD:
            self.send_400_response("These headers are too long.")

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Called when it is this request's turn. What is ready goes out at once; not between requests that queue,
        nor to a reader that does not keep up: there uvicorn knows the order and when to wait."""
        free = isinstance(app, Entrance) and not self.pipeline and not self.flow.write_paused
        answer = app.ready(cycle.scope) if free else None
        if answer is None:
            super()._start_asgi_task(cycle, app)
            return
        ours = b"".join(b"%s: %s\r\n" % header for header in self.server_state.default_headers)
        close = b"" if cycle.keep_alive else b"connection: close\r\n"
        self.transport.write(b"".join((answer.head, ours, close, b"\r\n")))
        if answer.body:
            self.transport.write(answer.body)
        cycle.response_started = cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _wait(self) -> None:
        self._read = 0
        self._timer = self.loop.call_later(SLOWEST_HEAD, self._hang_up)

    def _wait_no_more(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _hang_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
