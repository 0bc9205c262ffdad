"""What links and DNS answer: asked of real servers on this machine."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from publisher.model import LinkFact
from publisher.preflight import asking
from publisher.preflight.images import HEAVIEST

ZONE = {
    "gazette.example.": ["v=spf1 mx -all"],
    "_dmarc.gazette.example.": ["v=DMARC1; p=none"],
    "mail._domainkey.gazette.example.": ["v=DKIM1; k=ed25519; ", "p=AAAA"],
    "silent.example.": [],
}


class Answers(socketserver.BaseRequestHandler):
    """A name server with TXT records only; it never answers about "slow"."""

    def handle(self) -> None:
        data, socket = self.request
        question = dns.message.from_wire(data)
        name = str(question.question[0].name)
        if name.startswith("slow"):
            return
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.AA
        if name not in ZONE:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif texts := ZONE[name]:
            quoted = " ".join(f'"{text}"' for text in texts)
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", quoted))
        socket.sendto(answer.to_wire(), self.client_address)


class Pages(BaseHTTPRequestHandler):
    sent: ClassVar[dict[str, int]] = {}

    def do_GET(self) -> None:
        if self.path.startswith("/p/"):
            return self.picture()
        self.send_response({"/here": 200, "/gone": 410, "/secret": 403, "/broken": 500}.get(self.path, 404))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def picture(self) -> None:
        """Of four megabytes, or as many as its name says; from a server that knows ranges, or lengths, or neither."""
        _, _, kind, size = self.path.split("/")
        ranged = kind == "ranged" and self.headers["Range"] == "bytes=0-0"
        self.send_response(206 if ranged else 200)
        if ranged:
            self.send_header("Content-Range", f"bytes 0-0/{size}")
        if kind != "endless":
            self.send_header("Content-Length", "1" if ranged else size)
        self.end_headers()
        with suppress(OSError):  # nobody reads it to its end
            for _ in range(1 if ranged else int(size) // 1_000):
                self.wfile.write(b"x" if ranged else b"x" * 1_000)
                self.sent[self.path] = self.sent.get(self.path, 0) + (1 if ranged else 1_000)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def name_server() -> Iterator[int]:
    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_what_dns_has_about_a_sender(name_server: int) -> None:
    selector = "mail._domainkey.gazette.example"
    facts = asking.domain("gazette.example", [selector], servers=["127.0.0.1"], port=name_server)
    assert facts.spf == ("v=spf1 mx -all",)
    assert facts.dmarc == ("v=DMARC1; p=none",)
    assert facts.dkim == {selector: ("v=DKIM1; k=ed25519; p=AAAA",)}


def test_a_subdomain_has_the_policy_of_its_domain(name_server: int) -> None:
    facts = asking.domain("news.gazette.example", servers=["127.0.0.1"], port=name_server)
    assert (facts.spf, facts.dmarc) == ((), ("v=DMARC1; p=none",))


def test_nothing_there_is_not_the_same_as_no_answer(name_server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    there = asking.domain("silent.example", servers=["127.0.0.1"], port=name_server)
    assert (there.spf, there.dmarc) == ((), ())
    monkeypatch.setattr(asking.dns, "PATIENCE", 0.2)
    nobody = asking.domain("slow.example", ["slow.k._domainkey.example"], servers=["127.0.0.1"], port=name_server)
    assert (nobody.spf, nobody.dkim) == (None, {})


def test_names_that_nobody_has_are_not_asked() -> None:
    assert asking.domain("harbour-gazette.example") == asking.DomainFacts()
    assert not asking.links(["https://harbour-gazette.example/", "mailto:a@b.example", "#top", "https://[broken"])


def test_what_links_answer(site: str) -> None:
    urls = [f"{site}/{name}" for name in ("here", "missing", "gone", "secret", "broken")]
    facts = asking.links([*urls, f"{site}/u/ours"], but=f"{site}/u/", allow_private=True)
    assert {url.rpartition("/")[2]: fact.status for url, fact in facts.items()} == {
        "here": 200,
        "missing": 404,
        "gone": 410,
        "secret": 403,
        "broken": 500,
    }
    assert all(fact == LinkFact(status=fact.status) for fact in facts.values())


@pytest.mark.parametrize(
    ("kind", "size", "told"),
    [
        ("ranged", 4_194_304, 4_194_304),
        ("ranged", 300_000, 300_000),
        ("whole", 4_194_304, 4_194_304),
        ("whole", 300_000, 300_000),
        ("endless", 40_000_000, HEAVIEST + 1),
    ],
)
def test_how_heavy_a_picture_is_and_it_is_not_fetched_for_that(site: str, kind: str, size: int, told: int) -> None:
    url = f"{site}/p/{kind}/{size}"
    assert asking.links([], pictures=[url], allow_private=True) == {
        url: LinkFact(status=200 + 6 * (kind == "ranged"), bytes=told)
    }
    if kind == "ranged":
        assert Pages.sent[f"/p/{kind}/{size}"] == 1


def test_a_picture_that_is_gone_is_a_dead_link_of_no_weight(site: str) -> None:
    url = f"{site}/gone"
    assert asking.links([url], pictures=[url], allow_private=True) == {url: LinkFact(status=410)}


def test_private_addresses_are_not_reached(site: str) -> None:
    assert not asking.links([f"{site}/here"], pictures=[f"{site}/p/whole/300000"])
