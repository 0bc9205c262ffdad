"""The HTTP server: uvicorn, in the foreground for `serve`, in a thread of its own inside `run`."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import uvicorn

from publisher.errors import PublisherError
from publisher.ports import Parts
from publisher.web.application import application
from publisher.web.protocol import BoundedHead

#: Bytes that the system takes off our hands in one call: a whole feed, mostly.
SENT_AT_ONCE = 1_000_000


class Server:
    """One listening server. The address is bound at once, so that a port in use is a clear error."""

    def __init__(self, parts: Parts, host: str, port: int, wake: Callable[[], None] = lambda: None) -> None:
        """`port` 0 takes a free one; `wake` tells that something is due. Raises PublisherError when the address cannot
        be had."""
        self._socket = _bind(host, port)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            application(parts, wake),
            http=BoundedHead,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,  # who asks makes no difference to any answer
            timeout_keep_alive=30,
            timeout_graceful_shutdown=5,
            limit_concurrency=500,
        )
        self._server = uvicorn.Server(config)

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, in the main thread, or until `stop`."""
        self._server.run(sockets=[self._socket])

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self.run, name="web", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        self._server.should_exit = True


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise PublisherError(
            f"{host!r} is no address of this machine ({error.strerror}); choose another with --host or [web] host"
        ) from error
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENT_AT_ONCE)  # what it accepts inherits it
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise PublisherError(
            f"cannot listen on {host}:{port} ({error.strerror}); choose another with --port or [web] port"
        ) from error
    return listening


def serve(parts: Parts, host: str, port: int) -> None:
    Server(parts, host, port).run()
