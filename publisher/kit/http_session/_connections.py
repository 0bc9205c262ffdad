"""Connections that look at their other end before a byte is sent, and that a deadline can end."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from contextlib import suppress

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from publisher import __version__
from publisher.errors import SourceInvalid

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
#: Refused although `ipaddress` calls them global: protocol assignments, relays, local NAT64, Teredo, IPv4 in
#: IPv6 of the old kind, site-local, and the address where one cloud serves a machine its own metadata.
_NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",
            "192.88.99.0/24",
            "168.63.129.16/32",
            "64:ff9b:1::/48",
            "2001::/23",
            "::/96",
            "fec0::/10",
        ),
    )
)


def open_session(*, allow_private: bool = False, user_agent: str = "") -> requests.Session:
    """A session without retries, redirects, proxies or netrc. Unless `allow_private`, a connection whose other end is a
    private address is closed before a byte is sent, and that raises SourceInvalid."""
    session = _Session()
    session.trust_env = False
    session.headers["User-Agent"] = user_agent or f"Publisher/{__version__}"
    session.headers["Accept-Encoding"] = "gzip, deflate"  # not whatever happens to be installed
    adapter = Adapter(allow_private=allow_private)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


class _Session(requests.Session):
    """Follows no redirect by itself. Even where it must not follow, `requests` reads a redirect's whole body into
    memory, without any limit, and parses where it leads."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002  # as the original has it
        return None


def is_private(address: str) -> bool:
    """Whether an IP address is anything but an ordinary public one; what it wraps is judged too."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner:
            return is_private(str(inner))
    return not ip.is_global or ip.is_multicast or any(ip in net for net in _NOT_PUBLIC if net.version == ip.version)


class Watch(threading.local):
    """The deadline of the call that this thread is making on a session."""

    deadline: Deadline | None = None


class Deadline:
    """Ends a call by shutting the socket it waits on: a read timeout alone never ends a slow drip."""

    def __init__(self, session: requests.Session, seconds: float) -> None:
        adapter = session.get_adapter("https://")
        self._watch = adapter.watch if isinstance(adapter, Adapter) else Watch()
        self._ends = time.monotonic() + seconds
        self._timer = threading.Timer(seconds, self._shut)
        self._timer.daemon = True
        self._sock: socket.socket | None = None

    def __enter__(self) -> Deadline:
        self._watch.deadline = self
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.deadline = None
        self._timer.cancel()

    @property
    def over(self) -> bool:
        return time.monotonic() >= self._ends

    def guard(self, sock: socket.socket) -> None:
        self._sock = sock
        if self.over:
            self._shut()

    def _shut(self) -> None:
        if self._sock:
            with suppress(OSError):
                # Not SSLSocket's own shutdown: it would take the TLS state from under the reading thread.
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)


class _Checked:
    """Mixed into urllib3's connections: looks at the other end before anything is said to it."""

    allow_private: bool
    watch: Watch
    sock: socket.socket | None

    def _new_conn(self) -> socket.socket:
        sock: socket.socket = super()._new_conn()  # type: ignore[misc]  # of the connection this is mixed into
        try:
            if not self.allow_private:
                _refuse_private(sock, getattr(self, "host", ""))
        except BaseException:
            sock.close()
            raise
        return sock

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]  # as above
        self._guard()

    def request(self, *args: object, **named: object) -> None:
        self._guard()
        super().request(*args, **named)  # type: ignore[misc]  # as above

    def _guard(self) -> None:
        if self.watch.deadline and self.sock:
            self.watch.deadline.guard(self.sock)


def _refuse_private(sock: socket.socket, host: str) -> None:
    there = sock.getpeername()[0]
    # A machine that reaches its own public address sees that address on both ends.
    if is_private(there) or there == sock.getsockname()[0]:
        raise SourceInvalid(
            f"{host} is at {there}, a private address: correct the url, or set allow_private = true on the source",
            host=host,
        )


class Adapter(HTTPAdapter):
    def __init__(self, *, allow_private: bool) -> None:
        self.watch = Watch()
        self._allow_private = allow_private
        super().__init__(max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **named: object) -> None:
        super().init_poolmanager(connections, maxsize, block, **named)
        mixed = {"allow_private": self._allow_private, "watch": self.watch}
        self.poolmanager.pool_classes_by_scheme = {
            "http": type(
                "_Pool", (HTTPConnectionPool,), {"ConnectionCls": type("_C", (_Checked, HTTPConnection), mixed)}
            ),
            "https": type(
                "_TLSPool", (HTTPSConnectionPool,), {"ConnectionCls": type("_T", (_Checked, HTTPSConnection), mixed)}
            ),
        }
