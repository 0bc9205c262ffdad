from __future__ import annotations

import ipaddress
import resource
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from publisher.errors import SourceError, SourceInvalid, SourceUnavailable
from publisher.kit.http_session import Limits, fresh_for, get, is_private, open_session, retry_after, serves_keys, shown
from tests.fakes import newsroom
from tests.fakes.newsroom import Newsroom

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PUBLIC = "93.184.216.34"
NOT_PUBLIC = """
    127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 100.100.100.200 0.0.0.0 224.0.0.1
    240.0.0.1 255.255.255.255 168.63.129.16 192.0.0.192 198.18.0.1 192.0.2.1 ::1 :: fe80::1%eth0 fc00::1
    fd00:ec2::254 ff02::1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1 2002:7f00:1:: 2002:a00:1::
    64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 2001:0:1::1 2001:db8::1 fec0::1
    ::ffff:0:7f00:1 5f00::1 3fff::1
"""


@pytest.fixture
def site() -> Iterator[Newsroom]:
    with Newsroom() as site:
        yield site


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with open_session(allow_private=True) as session:
        yield session


class Elsewhere(socket.socket):
    """A connection to loopback whose other end says it is a public address."""

    def getpeername(self) -> tuple[str, int]:
        return PUBLIC, 80


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network in which every name under .example is a public address (served from loopback)."""

    def connect(address: tuple[str, int], timeout: float, **_: object) -> socket.socket:
        sock = Elsewhere() if address[0].endswith(".example") else socket.socket()
        sock.settimeout(timeout)
        sock.connect(("127.0.0.1", address[1]))
        return sock

    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)


# ---------------------------------------------------------------- what it reads


def test_an_answer_comes_whole_with_an_honest_name(site: Newsroom, session: requests.Session) -> None:
    site.answer("/a", b"hello", type="text/plain", ETag='"1"')
    reply = get(session, site.origin + "/a", headers={"If-None-Match": '"0"'})
    assert (reply.status, reply.body, reply.headers["etag"]) == (200, b"hello", '"1"')
    assert site.seen_headers[-1]["user-agent"].startswith("Publisher/")
    assert site.seen_headers[-1]["if-none-match"] == '"0"'


def test_a_user_agent_of_the_site_is_sent(site: Newsroom) -> None:
    site.answer("/a")
    get(open_session(allow_private=True, user_agent="Publisher/1 (+https://gazette.example)"), site.origin + "/a")
    assert site.seen_headers[-1]["user-agent"] == "Publisher/1 (+https://gazette.example)"


def test_redirects_are_followed_and_the_last_address_told(site: Newsroom, session: requests.Session) -> None:
    site.answer("/old", status=301, Location="/in%20between?a=1")
    site.answer("/in%20between", status=302, Location=f"{site.origin}/new")
    site.answer("/new", b"here")
    reply = get(session, site.origin + "/old")
    assert (reply.url, reply.body) == (site.origin + "/new", b"here")


def test_not_modified_and_accepted_statuses_are_answers(site: Newsroom, session: requests.Session) -> None:
    site.answer("/same", status=304)
    site.answer("/no", b'{"code":"x"}', status=400)
    assert get(session, site.origin + "/same").status == 304
    assert get(session, site.origin + "/no", accept=(400,)).body == b'{"code":"x"}'


# ---------------------------------------------------------------- what it refuses


@pytest.mark.parametrize("address", NOT_PUBLIC.split())
def test_addresses_that_are_not_public_are_known(address: str) -> None:
    assert is_private(address)


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_not_refused(address: str) -> None:
    assert not is_private(address)


@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "168.63.129.16"])
def test_where_clouds_keep_keys_is_known(address: str) -> None:
    assert serves_keys(address)
    assert not serves_keys("192.168.1.1")


def test_a_private_address_is_allowed_for_the_host_that_was_asked_for(
    site: Newsroom, session: requests.Session
) -> None:
    """A redirect that a stranger wrote leads no further into the network."""
    elsewhere = site.origin.replace("127.0.0.1", "localhost")
    site.answer("/feed", b"fine")
    site.answer("/moved", status=302, Location=f"{elsewhere}/feed")
    assert get(session, f"{elsewhere}/feed").body == b"fine"
    with open_session(allow_private=True) as other, pytest.raises(SourceInvalid, match="where the redirect leads"):
        get(other, f"{site.origin}/moved")


def test_of_many_addresses_a_few_are_tried(monkeypatch: pytest.MonkeyPatch, session: requests.Session) -> None:
    asked: list[str] = []
    real = socket.getaddrinfo

    def lookup(host: str, *rest: Any, **named: Any) -> list[Any]:
        asked.append(host)
        if host != "many.example":
            return real(host, *rest, **named)
        four = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.1.{number}", 1)) for number in range(100)]
        six = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (f"::ffff:127.0.2.{number}", 1, 0, 0)) for number in range(9)
        ]
        return [*six, *four]

    monkeypatch.setattr("socket.getaddrinfo", lookup)
    with pytest.raises(SourceUnavailable, match="does not take connections"):
        get(session, "http://many.example:1/")
    assert asked == ["many.example", "::ffff:127.0.2.0", "::ffff:127.0.2.1", "127.0.1.0", "127.0.1.1"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1"])
def test_a_private_address_is_refused_before_a_byte_is_sent(site: Newsroom, host: str) -> None:
    url = site.origin.replace("127.0.0.1", host) + "/feed"
    with pytest.raises(SourceInvalid, match=r"private address.*allow_private"):
        get(open_session(), url)
    assert site.requests == []


def test_a_redirect_to_a_private_address_is_refused(site: Newsroom, internet: None) -> None:
    public = site.origin.replace("127.0.0.1", "gazette.example")
    site.answer("/feed", status=302, Location=f"{site.origin}/secret")
    site.answer("/secret", b"the safe is open")
    with pytest.raises(SourceInvalid, match=r"127\.0\.0\.1, a private address"):
        get(open_session(), f"{public}/feed")
    assert site.requests == ["GET /feed"]


def test_a_name_that_now_leads_home_is_refused_whatever_it_was_before(site: Newsroom, internet: None) -> None:
    site.answer("/feed", b"<rss/>", Connection="close")
    session, public = open_session(), site.origin.replace("127.0.0.1", "gazette.example")
    assert get(session, f"{public}/feed").body == b"<rss/>"
    with pytest.raises(SourceInvalid, match="private"):
        get(session, f"{site.origin.replace('127.0.0.1', 'rebound.test')}/feed")


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://gazette.example/", "gazette.example/feed", "http://", "http://[::1", "http://a:b"],
)
def test_an_address_that_is_none_is_told_so(session: requests.Session, url: str) -> None:
    with pytest.raises(SourceInvalid, match="address"):
        get(session, url)


def test_a_redirect_to_another_scheme_is_refused(site: Newsroom, session: requests.Session) -> None:
    site.answer("/a", status=302, Location="file:///etc/passwd")
    with pytest.raises(SourceInvalid, match="must begin with"):
        get(session, site.origin + "/a")


def test_redirects_in_a_circle_end(site: Newsroom, session: requests.Session) -> None:
    site.answer("/a", status=302, Location="/a")
    with pytest.raises(SourceInvalid, match="redirects more than 5 times"):
        get(session, site.origin + "/a")
    assert len(site.requests) == 6


# ---------------------------------------------------------------- secrets


def test_a_password_stays_with_its_origin(site: Newsroom, session: requests.Session) -> None:
    with Newsroom() as other:
        site.answer("/a", status=302, Location="/b")
        site.answer("/b", status=302, Location=f"{other.origin}/c")
        other.answer("/c", b"public")
        headers = {"Authorization": "Bearer x", "Cookie": "a=b", "Accept": "text/xml"}
        get(session, site.origin + "/a", headers=headers, auth=("nora", "s3cret"))
        assert [h.get("authorization", "")[:5] for h in site.seen_headers] == ["Basic", "Basic"]
        assert {"authorization", "cookie"}.isdisjoint(other.seen_headers[0])
        assert other.seen_headers[0]["accept"] == "text/xml"


def test_a_password_in_the_url_is_used_and_never_shown(site: Newsroom, session: requests.Session) -> None:
    url = site.origin.replace("//", "//nora:s3cret@") + "/a?token=t0ken#part"
    with pytest.raises(SourceInvalid) as caught:
        get(session, url)
    assert site.seen_headers[0]["authorization"].startswith("Basic ")
    assert not {"s3cret", "t0ken", "nora"} & set(str(caught.value).replace("=", " ").split())
    assert shown("https://nora:s3cret@gazette.example:8443/feed?key=t0ken") == "https://gazette.example:8443/feed?..."


# ---------------------------------------------------------------- statuses in words


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "password_env"), (403, "allow Publisher"), (404, "publisher init --from"), (410, "gone"), (418, "418")],
)
def test_a_refusal_says_what_to_do(site: Newsroom, session: requests.Session, status: int, words: str) -> None:
    site.answer("/a", status=status)
    with pytest.raises(SourceInvalid, match=words) as caught:
        get(session, site.origin + "/a")
    assert site.origin + "/a" in str(caught.value)
    assert caught.value.ids["status"] == status


@pytest.mark.parametrize(("status", "value", "wait"), [(503, "120", 120), (429, "9999999999", 86400), (500, "", None)])
def test_an_outage_may_say_how_long(
    site: Newsroom, session: requests.Session, status: int, value: str, wait: int | None
) -> None:
    site.answer("/a", status=status, Retry_After=value)
    with pytest.raises(SourceUnavailable) as caught:
        get(session, site.origin + "/a")
    assert caught.value.retry_after == (timedelta(seconds=wait) if wait is not None else None)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("0", timedelta(0)),
        ("Sun, 22 Nov 2026 12:10:00 GMT", timedelta(minutes=10)),
        ("Sun, 22 Nov 2026 11:00:00 GMT", timedelta(0)),
        ("Sun, 22 Nov 2099 11:00:00 GMT", timedelta(days=1)),
        ("soon", None),
        ("-5", None),
        ("٣", None),
    ],
)
def test_both_forms_of_retry_after_are_read(value: str, wait: timedelta | None) -> None:
    assert retry_after(value, NOW) == wait


# ---------------------------------------------------------------- bounds


def test_a_closed_door_and_an_unknown_host_are_unavailable(session: requests.Session) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        with pytest.raises(SourceUnavailable, match="does not take connections"):
            get(session, f"http://127.0.0.1:{taken.getsockname()[1]}/")
    with pytest.raises(SourceUnavailable, match="cannot be found"):
        get(session, "http://gazette.invalid/")


@pytest.mark.parametrize("how", [newsroom.huge, newsroom.endless])
def test_a_body_of_gigabytes_is_refused(site: Newsroom, session: requests.Session, how: newsroom.Behaviour) -> None:
    site.misbehave("/a", how)
    with pytest.raises(SourceInvalid, match="more than 1 MB"):
        get(session, site.origin + "/a", limits=Limits(bytes=1_000_000))


def test_a_gzip_bomb_is_refused_without_unpacking_it(site: Newsroom, session: requests.Session) -> None:
    site.misbehave("/a", newsroom.bomb)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SourceInvalid, match="more than 20 MB"):
        get(session, site.origin + "/a")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes


@pytest.mark.parametrize("how", [newsroom.drip, newsroom.drip_headers])
def test_a_slow_drip_ends_at_the_total(site: Newsroom, session: requests.Session, how: newsroom.Behaviour) -> None:
    site.misbehave("/a", how)
    began = time.monotonic()
    with pytest.raises(SourceUnavailable, match=r"within 0\.3 seconds"):
        get(session, site.origin + "/a", limits=Limits(total=0.3))
    assert time.monotonic() - began < 5


def test_silence_ends_at_the_read_timeout(site: Newsroom, session: requests.Session) -> None:
    site.misbehave("/a", newsroom.hang)
    with pytest.raises(SourceUnavailable, match="does not answer in time"):
        get(session, site.origin + "/a", limits=Limits(read=0.2))


@pytest.mark.parametrize("how", [newsroom.drop, newsroom.broken_off])
def test_an_answer_that_breaks_off_is_unavailable_and_not_retried(
    site: Newsroom, session: requests.Session, how: newsroom.Behaviour
) -> None:
    site.misbehave("/a", how)
    with pytest.raises(SourceUnavailable, match="broke off"):
        get(session, site.origin + "/a")
    assert len(site.requests) == 1


def test_a_body_that_is_not_what_it_says_is_unavailable(site: Newsroom, session: requests.Session) -> None:
    site.answer("/a", b"not gzip", Content_Encoding="gzip")
    with pytest.raises(SourceError):
        get(session, site.origin + "/a")


def test_the_session_goes_on_after_a_call_that_was_cut(site: Newsroom, session: requests.Session) -> None:
    site.misbehave("/slow", newsroom.drip)
    site.answer("/a", b"fine")
    with pytest.raises(SourceUnavailable):
        get(session, site.origin + "/slow", limits=Limits(total=0.1))
    assert get(session, site.origin + "/a").body == b"fine"


# ---------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody has signed but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.now(UTC)
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, today - timedelta(1), today + timedelta(1))
    signed = built.add_extension(host, critical=False).sign(key, hashes.SHA256())
    path = tmp_path_factory.mktemp("tls") / "site.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(signed.public_bytes(Encoding.PEM) + private)
    return path


@pytest.fixture
def safe_site(certificate: Path) -> Iterator[Newsroom]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Newsroom(tls=context) as site:
        yield site


def test_a_certificate_that_nobody_trusts_is_refused(safe_site: Newsroom, session: requests.Session) -> None:
    with pytest.raises(SourceUnavailable, match="no certificate that can be trusted"):
        get(session, safe_site.origin + "/a")
    assert safe_site.requests == []


def test_the_same_bounds_hold_under_tls(safe_site: Newsroom, session: requests.Session, certificate: Path) -> None:
    session.verify = str(certificate)
    safe_site.answer("/a", b"fine")
    assert get(session, safe_site.origin + "/a").body == b"fine"
    safe_site.misbehave("/slow", newsroom.drip)
    with pytest.raises(SourceUnavailable, match=r"within 0\.3 seconds"):
        get(session, safe_site.origin + "/slow", limits=Limits(total=0.3))
    with open_session() as careful, pytest.raises(SourceInvalid, match="private"):
        get(careful, safe_site.origin + "/a")


def test_a_server_that_never_agrees_on_tls_ends_at_the_total(session: requests.Session) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(SourceUnavailable, match=r"within 0\.3 seconds"):
            get(session, f"https://127.0.0.1:{silent.getsockname()[1]}/", limits=Limits(connect=20, total=0.3))
        assert time.monotonic() - began < 10


def test_mailers_post_through_the_same_session(site: Newsroom, session: requests.Session) -> None:
    answer = session.post(site.origin + "/api", json={}, timeout=(1, 1))
    assert answer.status_code == 501  # this site takes no posts


# ---------------------------------------------------------------- redirects that are meant to hurt


@pytest.mark.parametrize("location", ["http://[gazette", "//[::1", "http://gazette.example:port/", "http://:80/"])
def test_a_redirect_to_no_address_is_told(site: Newsroom, session: requests.Session, location: str) -> None:
    site.answer("/a", status=302, Location=location)
    with pytest.raises(SourceInvalid, match="address"):
        get(session, site.origin + "/a")


def test_the_body_of_a_redirect_is_not_read(site: Newsroom, session: requests.Session) -> None:
    def endless_redirect(request: newsroom.Request) -> None:
        request.wfile.write(b"HTTP/1.1 302 Found\r\nLocation: /new\r\n\r\n")
        request.close_connection = True
        newsroom.pour(request)

    site.misbehave("/old", endless_redirect)
    site.answer("/new", b"here")
    assert get(session, site.origin + "/old", limits=Limits(total=1)).body == b"here"


def test_control_characters_in_an_address_are_escaped(site: Newsroom, session: requests.Session) -> None:
    site.answer("/a", status=302, Location="/b\0\x1b[2J")
    with pytest.raises(SourceInvalid, match=r"/b%00%1B\[2J has nothing at this address"):
        get(session, site.origin + "/a")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Cache-Control": "public, max-age=600"}, 600),
        ({"Cache-Control": 'max-age="600"', "Age": "100"}, 500),
        ({"Cache-Control": "max-age=600", "Age": "700"}, None),
        ({"Cache-Control": "s-maxage=600"}, None),  # meant for caches that many share
        ({"Cache-Control": "no-store, max-age=600"}, None),
        ({"Cache-Control": "max-age=999999999"}, 86_400),
        ({"Date": "Fri, 20 Nov 2026 09:00:00 GMT", "Expires": "Fri, 20 Nov 2026 09:20:00 GMT"}, 1200),
        ({"Date": "Fri, 20 Nov 2026 09:00:00 GMT", "Expires": "0"}, None),
        ({"Date": "x", "Expires": "Fri, 20 Nov 2026 09:20:00 GMT"}, None),
        ({}, None),
    ],
)
def test_how_long_an_answer_stays_fresh(headers: dict[str, str], seconds: int | None) -> None:
    assert fresh_for(headers) == (timedelta(seconds=seconds) if seconds else None)
