"""Connections that look at their other end before a byte is sent, and that a deadline can end."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from publisher import __version__
from publisher.errors import SourceInvalid

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_OF_EACH_FAMILY = 2  # addresses of a host that are tried, so that one broken family leaves the other
#: Where clouds serve a machine its own keys: never read, whatever the settings allow.
_KEYS = tuple(
    map(ipaddress.ip_network, ("169.254.0.0/16", "168.63.129.16/32", "100.100.100.200/32", "fd00:ec2::254/128"))
)
#: Refused although `ipaddress` calls them global: protocol assignments, relays, local NAT64, Teredo, IPv4 in
#: IPv6 of the old kinds (RFC 4291, RFC 2765), segment routing (RFC 9602), examples
#: (RFC 9637), site-local, and one cloud's metadata.
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
            "::ffff:0:0:0/96",
            "5f00::/16",
            "3fff::/20",
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
    ip = _unwrapped(address)
    return not ip.is_global or ip.is_multicast or _is_in(_NOT_PUBLIC, ip)


def serves_keys(address: str) -> bool:
    """Whether a cloud serves a machine its own keys at an IP address, or at what it wraps."""
    return _is_in(_KEYS, _unwrapped(address))


def _unwrapped(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        return inner or ip
    return ip


def _is_in(
    networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network],
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> bool:
    return any(ip in network for network in networks if network.version == ip.version)


class Watch(threading.local):
    """The call that this thread is making on a session: its deadline, and the host that was asked for, "" for any. A
    redirect may lead to no other private address."""

    deadline: Deadline | None = None
    host: str = ""


class Deadline:
    """Ends a call by shutting the socket it waits on: a read timeout alone never ends a slow drip."""

    def __init__(self, session: requests.Session, seconds: float, *, host: str = "") -> None:
        adapter = session.get_adapter("https://")
        self._watch = adapter.watch if isinstance(adapter, Adapter) else Watch()
        self._ends = time.monotonic() + seconds
        self._timer = threading.Timer(seconds, self._shut)
        self._timer.daemon = True
        self._sock: socket.socket | None = None
        self._copy: socket.socket | None = None
        self._host = host

    def __enter__(self) -> Deadline:
        self._watch.deadline, self._watch.host = self, self._host
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.deadline, self._watch.host = None, ""
        self._timer.cancel()
        self._release()

    @property
    def over(self) -> bool:
        return time.monotonic() >= self._ends

    @property
    def left(self) -> float:
        """Seconds, never negative."""
        return max(0.0, self._ends - time.monotonic())

    def guard(self, sock: socket.socket) -> None:
        self._release()
        self._sock = sock
        if self.over:
            self._shut()

    def guard_copy(self, sock: socket.socket) -> None:
        """Until TLS is agreed on: then the socket itself is taken over by another."""
        copy = sock.dup()
        self.guard(copy)
        self._copy = copy

    def _release(self) -> None:
        if self._copy:
            self._copy.close()
            self._sock = self._copy = None

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
    host: str
    port: int
    timeout: float | None

    def _new_conn(self) -> socket.socket:
        sock = self._reached()
        try:
            asked_for = self.watch.host in ("", self.host.strip("[]").lower())
            _refuse_private(sock, self.host, allowed=self.allow_private and asked_for, asked_for=asked_for)
            if self.watch.deadline:
                self.watch.deadline.guard_copy(sock)
        except BaseException:
            sock.close()
            raise
        return sock

    def _reached(self) -> socket.socket:
        """The first of a few addresses that takes the connection, all within what is left of the time."""
        name, timeout = self.host, self.timeout
        try:
            for number, place in enumerate(places := _places(name, self.port), start=1):
                self.host, self.timeout = place, self._left(timeout)
                try:
                    return self._connected()
                except (NewConnectionError, ConnectTimeoutError):
                    if number == len(places) or (self.watch.deadline and self.watch.deadline.over):
                        raise
        finally:
            self.host, self.timeout = name, timeout
        return self._connected()  # which says that there is no such host

    def _connected(self) -> socket.socket:
        sock: socket.socket = super()._new_conn()  # type: ignore[misc]  # of the connection this is mixed into
        return sock

    def _left(self, timeout: float | None) -> float | None:
        if not self.watch.deadline:
            return timeout
        left = max(0.001, self.watch.deadline.left)
        return left if timeout is None else min(timeout, left)

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]  # as above
        self._guard()

    def request(self, *args: object, **named: object) -> None:
        self._guard()
        super().request(*args, **named)  # type: ignore[misc]  # as above

    def _guard(self) -> None:
        if self.watch.deadline and self.sock:
            self.watch.deadline.guard(self.sock)


def _places(host: str, port: int) -> list[str]:
    """A few of a host's addresses, in the system's order; none where it is not known."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    few: dict[str, int] = {}
    for family, *_, address in found:
        scope = f"%{address[3]}" if len(address) == 4 and address[3] else ""
        if sum(other == family for other in few.values()) < _OF_EACH_FAMILY:
            few.setdefault(f"{address[0]}{scope}", family)
    return list(few)


def _refuse_private(sock: socket.socket, host: str, *, allowed: bool, asked_for: bool) -> None:
    there = sock.getpeername()[0]
    if serves_keys(there):
        raise SourceInvalid(f"{host} is at {there}, where a machine's own keys are: correct the url", host=host)
    # A machine that reaches its own public address sees that address on both ends.
    if not allowed and (is_private(there) or there == sock.getsockname()[0]):
        remedy = "set allow_private = true on the source" if asked_for else "set url to where the redirect leads"
        raise SourceInvalid(f"{host} is at {there}, a private address: correct the url, or {remedy}", host=host)


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
