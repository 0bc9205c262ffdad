"""Against a real IMAP server."""

from __future__ import annotations

import imaplib
import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from publisher.errors import MailboxError
from publisher.mailboxes.imap import Imap
from tests import dovecot
from tests.contracts.mailbox_cases import MailboxCases, Reader, mail
from tests.dovecot import PASSWORD, Dovecot

_users = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with dovecot.server() as running:
        yield running


@pytest.fixture(scope="module")
def old_server() -> Iterator[Dovecot]:
    """Without MOVE, UIDPLUS and NAMESPACE."""
    with dovecot.server(old=True) as running:
        yield running


@pytest.fixture(scope="module")
def prefixed_server() -> Iterator[Dovecot]:
    """One whose folders are all below the inbox."""
    with dovecot.server(prefix="INBOX.") as running:
        yield running


class ImapRig:
    def __init__(self, server: Dovecot, **settings: object) -> None:
        self.server = server
        self.user = f"bounces{next(_users)}"
        self._settings = {
            "username": self.user,
            "password": PASSWORD,
            "port": server.tls_port,
            "ca_file": str(server.certificate.certificate),
            **settings,
        }
        self.mailbox = self.with_()

    def with_(self, host: str = "localhost", **settings: object) -> Imap:
        return Imap("smtp", host, **{**self._settings, **settings})

    def deliver(self, *messages: bytes) -> None:
        with self.client() as client:
            for message in messages:
                assert client.append("INBOX", "", None, message)[0] == "OK"

    def client(self) -> imaplib.IMAP4:
        client = imaplib.IMAP4("127.0.0.1", self.server.port, timeout=10)
        client.login(self.user, PASSWORD)
        return client

    def waiting(self) -> int:
        return len(self.server.folder(self.user))

    def aside(self) -> list[bytes]:
        return [path.read_bytes() for path in self.server.folder(self.user, "Unreadable")]

    def broken(self) -> Imap:
        return self.with_(password="wrong")


class TestImap(MailboxCases):
    @pytest.fixture
    def rig(self, server: Dovecot) -> ImapRig:
        return ImapRig(server)


class TestOldImap(MailboxCases):
    @pytest.fixture
    def rig(self, old_server: Dovecot) -> ImapRig:
        return ImapRig(old_server)


class TestImapBelowTheInbox(MailboxCases):
    @pytest.fixture
    def rig(self, prefixed_server: Dovecot) -> ImapRig:
        return ImapRig(prefixed_server)


@pytest.fixture
def rig(server: Dovecot) -> ImapRig:
    return ImapRig(server)


def test_starttls_reads_the_same_mailbox(rig):
    rig.deliver(mail("one"))
    reader = Reader()
    rig.with_(security="starttls", port=rig.server.port).read(reader, limit=10)
    assert (reader.seen, rig.waiting()) == (["one"], 0)


def test_another_folder_may_be_named(rig):
    with rig.client() as client:
        client.create('"Bounced mail"')
        client.append('"Bounced mail"', "", None, mail("one"))
    reader = Reader()
    rig.with_(folder="Bounced mail").read(reader, limit=10)
    assert reader.seen == ["one"]


def test_what_somebody_marked_as_deleted_is_not_read(rig):
    rig.deliver(mail("one"), mail("two"))
    with rig.client() as client:
        client.select("INBOX")
        client.store("1", "+FLAGS", r"(\Deleted)")
    reader = Reader()
    rig.mailbox.read(reader, limit=10)
    assert (reader.seen, rig.waiting()) == (["two"], 1)


def test_a_folder_is_asked_about_in_parts_and_read_in_order(rig, monkeypatch):
    monkeypatch.setattr("publisher.mailboxes.imap._ASKED", 3)
    rig.deliver(*[mail(f"{number}") for number in range(10)])
    with rig.client() as client:
        client.select("INBOX")
        client.store("1:4", "+FLAGS", r"(\Deleted)")
    reader = Reader()
    assert rig.mailbox.check().endswith(" 6 waiting")
    assert rig.mailbox.read(reader, limit=4)
    assert reader.seen == ["4", "5", "6", "7"]
    assert not rig.mailbox.read(reader, limit=4)
    assert reader.seen == ["4", "5", "6", "7", "8", "9"]


def test_a_folder_that_nobody_read_for_years_can_still_be_read():
    """Its messages' numbers in one line are more than imaplib takes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_full, args=(listening, 150_000), daemon=True).start()
        port = listening.getsockname()[1]
        full = Imap("smtp", "127.0.0.1", username="u", password="p", port=port, security="none")
        assert full.check().endswith(" 150000 waiting")


def _full(listening: socket.socket, count: int) -> None:
    """A server with so many messages, whose UIDs are as long as they get."""
    sock, _ = listening.accept()
    with sock, sock.makefile("rb") as lines, suppress(OSError):
        sock.sendall(b"* OK ready\r\n")
        for line in lines:
            number, command, *rest = line.split()
            if command == b"CAPABILITY":
                sock.sendall(b"* CAPABILITY IMAP4rev1\r\n")
            if command == b"SELECT":
                sock.sendall(b"* %d EXISTS\r\n" % count)
            if command == b"UID":
                first, _, last = rest[1].partition(b":") if rest[1] != b"UNDELETED" else (b"1", b":", b"%d" % count)
                uids = b" ".join(b"%d" % (4_000_000_000 + at) for at in range(int(first), int(last) + 1))
                sock.sendall(b"* SEARCH " + uids + b"\r\n")
            sock.sendall(number + b" OK done\r\n")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"password": "wrong"}, "refuses username or password"),
        ({"password": "wröng"}, "must be ASCII"),
        ({"ca_file": ""}, "certificate is not to be trusted"),
        ({"ca_file": "/nowhere.pem"}, "ca_file /nowhere.pem cannot be read"),
        ({"folder": "Nowhere"}, "does not open the folder Nowhere"),
        ({"folder": 'INBOX" EXPUNGE "'}, "does not open the folder"),
        ({"host": "mail.example", "security": "none"}, "would travel unencrypted"),
        ({"port": 1}, "cannot be read"),
    ],
)
def test_what_is_wrong_is_named_and_no_secret(rig, settings, words):
    with pytest.raises(MailboxError, match=words) as raised:
        rig.with_(**settings).check()
    assert rig.user in str(raised.value)
    assert settings.get("password", PASSWORD) not in str(raised.value)


def test_a_certificate_for_another_host_is_refused(rig):
    with pytest.raises(MailboxError, match="certificate is not to be trusted"):
        rig.with_(host="127.0.0.2").check()


class Middle:
    """Passes a connection on, and cuts it before a command."""

    def __init__(self, server: Dovecot, before: bytes) -> None:
        self._before = before
        self._target = ("127.0.0.1", server.port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        client, _ = self._listening.accept()
        upstream = socket.create_connection(self._target)
        threading.Thread(target=self._back, args=(upstream, client), daemon=True).start()
        while data := client.recv(65536):
            if self._before in data:
                break
            upstream.sendall(data)
        for sock in (client, upstream, self._listening):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _back(self, upstream: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := upstream.recv(65536):
                client.sendall(data)


@pytest.mark.parametrize("before", [b"STORE", b"EXPUNGE", b"MOVE", b"FETCH", b"CREATE"])
def test_a_connection_that_breaks_loses_nothing_and_the_rest_comes_again(rig, before):
    rig.deliver(mail("one"), mail("two"), mail("three"))
    first, second = Reader("two"), Reader("two")
    with pytest.raises(MailboxError, match="cannot be read"):
        rig.with_(host="127.0.0.1", security="none", port=Middle(rig.server, before).port).read(first, limit=10)
    rig.mailbox.read(second, limit=10)
    assert {*first.seen, *second.seen} == {"one", "two", "three"}
    assert len(rig.aside()) == 1
    with rig.client() as client:
        client.select("INBOX")
        assert client.search(None, "UNDELETED")[1] == [b""]


def test_a_server_that_says_nothing_is_not_waited_for_long(rig, monkeypatch):
    monkeypatch.setattr("publisher.mailboxes.imap._TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for security in ("tls", "none"):
            with pytest.raises(MailboxError, match="cannot be read"):
                rig.with_(host="127.0.0.1", security=security, port=silent.getsockname()[1]).check()


def test_starttls_that_is_hidden_is_not_done_without(rig):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        told: list[bytes] = []
        threading.Thread(target=_without_starttls, args=(listening, told), daemon=True).start()
        with pytest.raises(MailboxError, match="does not offer STARTTLS"):
            rig.with_(host="127.0.0.1", security="starttls", port=listening.getsockname()[1]).check()
    assert PASSWORD.encode() not in b"".join(told)


def _without_starttls(listening: socket.socket, told: list[bytes]) -> None:
    sock, _ = listening.accept()
    with sock, suppress(OSError):
        sock.sendall(b"* OK ready\r\n")
        while data := sock.recv(1000):
            told.append(data)
            sock.sendall(b"* CAPABILITY IMAP4rev1\r\n" + data.split()[0] + b" OK done\r\n")
