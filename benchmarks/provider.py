"""A provider that only answers: `python -m benchmarks.provider` prints its port and answers until its input ends.

Every POST is read whole and answered as Mailgun, or as Resend with one id for each message of the call, would. It
keeps nothing and checks nothing: it stands for the network, so that what is measured is ours.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import uvloop

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_MAILGUN = b'{"id": "<%recipient.message_id%>", "message": "Queued. Thank you."}'
_TO = b'"to":'


class Answering(asyncio.Protocol):
    def __init__(self) -> None:
        self._head = b""
        self._left = 0
        self._messages = 0
        self._seam = b""  # the end of what came last: a word may be cut in two

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is not one by its class

    def data_received(self, data: bytes) -> None:
        if not self._left:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            found = _LENGTH.search(self._head, 0, end) if end >= 0 else None
            if not found:
                return
            data, self._head = self._head[end + 4 :], self._head[:end]
            self._left, self._messages, self._seam = int(found[1]), 0, b""
        self._messages += (self._seam + data).count(_TO)
        self._seam = data[1 - len(_TO) :]
        self._left -= len(data)
        if self._left <= 0:
            self._answer()

    def _answer(self) -> None:
        body = _MAILGUN
        if self._head.startswith(b"POST /emails"):
            body = b'{"data":[' + b",".join([b'{"id":"ae2014de-c168-4c61-8267-70d2662a1ce1"}'] * self._messages) + b"]}"
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        self._transport.write(head + body)
        self._head, self._left = b"", 0


async def answer() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


@contextmanager
def provider() -> Iterator[str]:
    """Its address, while it runs in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.provider"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()


if __name__ == "__main__":
    uvloop.run(answer())
