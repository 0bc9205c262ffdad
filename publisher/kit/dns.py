"""Questions to DNS, each within seconds. What is not answered is None, which is not the same as "nothing there"."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dns.resolver import Resolver as _Resolver

#: Seconds for one question, with all its tries.
PATIENCE: Final = 4.0


@dataclass(frozen=True)
class Resolver:
    """Asks the servers of this machine's settings, or the named ones."""

    servers: tuple[str, ...] = ()
    port: int = 53

    @cached_property
    def _resolver(self) -> _Resolver | None:
        from dns import resolver  # late: few commands ask

        try:
            made = resolver.Resolver(configure=not self.servers)
        except resolver.NoResolverConfiguration:
            return None
        if self.servers:
            made.nameservers, made.port = list(self.servers), self.port
        made.lifetime = PATIENCE
        return made

    def texts(self, name: str) -> tuple[str, ...] | None:
        """The TXT records of a name, each as one text; () when there are none, None when nobody answered."""
        return self._records(name, "TXT")

    def gone(self, host: str) -> bool:
        """Whether DNS says that there is no such name."""
        return self._records(host, "A") == () and self._records(host, "AAAA") == ()

    def _records(self, name: str, kind: str) -> tuple[str, ...] | None:
        from dns import exception, resolver

        if self._resolver is None:
            return None
        try:
            answer = self._resolver.resolve(name, kind, search=False)
        except (resolver.NXDOMAIN, resolver.NoAnswer):
            return ()
        except (exception.DNSException, OSError, ValueError):
            return None
        if kind != "TXT":
            return tuple(str(record) for record in answer)
        return tuple(b"".join(record.strings).decode("utf-8", "replace") for record in answer)


def gone(host: str) -> bool:
    """Whether DNS says that there is no such name, as far as this machine's servers know. An address is no name."""
    return host.rpartition(".")[2].isalpha() and Resolver().gone(host)
