"""Bounds on the head of a request: uvicorn bounds what it reads of a body, and of a head neither size nor time."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Bytes of request line and headers. Browsers send some hundred; a token has about fifty.
LARGEST_HEAD = 32_768
#: Seconds from its first byte, or from the opened connection, to its end.
SLOWEST_HEAD = 20.0


class BoundedHead(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, which hangs up on a head without end and on one that never comes."""

    _timer: asyncio.TimerHandle | None = None  # there while a head is awaited
    _read = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._have_head()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._await_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._have_head()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._timer:
            self._read += len(data)
            if self._read > LARGEST_HEAD and not self.transport.is_closing():
                self.send_400_response("These headers are too long.")

    def _await_head(self) -> None:
        self._have_head()
        self._read = 0
        self._timer = self.loop.call_later(SLOWEST_HEAD, self._hang_up)

    def _have_head(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _hang_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
