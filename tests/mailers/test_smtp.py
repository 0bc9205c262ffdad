from __future__ import annotations

import os
import random
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from publisher.errors import Failure, MailerMisconfigured, TryLater
from publisher.kit.dkim import Signer
from publisher.kit.verp import ReturnPaths, returned
from publisher.mailers import smtp
from publisher.mailers.smtp import Smtp
from publisher.model import EventKind, Outcome, Result
from tests.contracts.mailer_cases import Got, MailerCases, letter, mailing
from tests.fakes.smtp import Certificate, Fault, SmtpServer
from tests.mailers.test_maildir import got_from

PASSWORD = "pilot-cutter"
KEYS = (b"k" * 32,)
PATHS = ReturnPaths("bounces@harbour-gazette.example", KEYS)
ACCEPTED, DEFERRED, REJECTED, UNKNOWN = Outcome.ACCEPTED, Outcome.DEFERRED, Outcome.REJECTED, Outcome.UNKNOWN


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=[False, True], ids=["one by one", "pipelining"])
def pipelining(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def server(certificate: Certificate, pipelining: bool) -> Iterator[SmtpServer]:
    with SmtpServer(tls=certificate, users={"publisher": PASSWORD}, pipelining=pipelining) as server:
        yield server


@pytest.fixture
def plain(pipelining: bool) -> Iterator[SmtpServer]:
    with SmtpServer(pipelining=pipelining) as server:
        yield server


def mailer_for(server: SmtpServer, **settings: object) -> Smtp:
    return Smtp("smtp", "127.0.0.1", **{"port": server.port, "security": "none", "patience": 5, **settings})


def send(mailer: Smtp, *letters) -> list[Outcome]:
    return [one.outcome for one in submit(mailer, *letters)]


def submit(mailer: Smtp, *letters, **changes: str) -> tuple[Result, ...]:
    try:
        return mailer.submit(mailer.prepare(mailing(*letters, **changes)))
    finally:
        mailer.close()


def unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class SmtpRig:
    def __init__(self, server: SmtpServer, certificate: Certificate) -> None:
        self.server = server
        self._settings = {
            "port": server.port,
            "username": "publisher",
            "password": PASSWORD,
            "ca_file": str(certificate.certificate),
            "patience": 5,
        }
        self.mailer = Smtp("smtp", "127.0.0.1", **self._settings)

    def got(self) -> list[Got]:
        return [got_from(one.content, one.recipient) for one in self.server.received]

    def lose_an_answer(self) -> None:
        self.server.plan(Fault("DOT", keep=True))

    def refused(self) -> Smtp:
        return Smtp("smtp", "127.0.0.1", **{**self._settings, "password": "wrong"})

    def unreachable(self) -> Smtp:
        return Smtp("smtp", "127.0.0.1", port=unused_port())


class TestSmtp(MailerCases):
    @pytest.fixture
    def rig(self, server: SmtpServer, certificate: Certificate) -> Iterator[SmtpRig]:
        rig = SmtpRig(server, certificate)
        yield rig
        rig.mailer.close()


# ---------------------------------------------------------------- a good day


def test_a_batch_travels_over_one_encrypted_signed_in_connection(server, certificate):
    results = submit(SmtpRig(server, certificate).mailer)
    assert server.connections == 1
    assert {(one.encrypted, one.user, one.sender) for one in server.received} == {
        (True, "publisher", "daily@harbour-gazette.example")
    }
    assert [(one.code, one.reference) for one in results] == [("250 2.0.0", f"{n:06X}") for n in range(1, 6)]


def test_what_arrives_is_what_was_prepared_byte_for_byte(plain):
    prepared = mailer_for(plain).prepare(mailing())
    submit(mailer_for(plain))
    assert [one.content for one in plain.received] == list(prepared.payloads)
    assert b"\r\n.\r\n" not in prepared.payloads[0]


def test_tls_from_the_first_byte(certificate):
    with SmtpServer(tls=certificate, implicit=True, users={"publisher": PASSWORD}) as server:
        mailer = mailer_for(
            server, security="tls", username="publisher", password=PASSWORD, ca_file=str(certificate.certificate)
        )
        assert mailer.check() == f"127.0.0.1:{server.port}, encrypted, signed in, up to 30 MB a message"
        assert set(send(mailer)) == {ACCEPTED}
        assert server.received[0].encrypted


def test_a_relay_on_this_machine_needs_neither_tls_nor_a_password(plain):
    assert mailer_for(plain).check() == f"127.0.0.1:{plain.port}, not encrypted, up to 30 MB a message"
    assert set(send(mailer_for(plain))) == {ACCEPTED}


def test_a_password_may_cross_this_machine_unencrypted_but_no_network():
    with SmtpServer(users={"publisher": PASSWORD}, plain_auth=True) as server:
        assert set(send(mailer_for(server, username="publisher", password=PASSWORD))) == {ACCEPTED}
    mailer = Smtp("smtp", "smtp.reader.example", security="none", username="publisher", password=PASSWORD)
    with pytest.raises(MailerMisconfigured, match='unencrypted; set security = "starttls"'):
        mailer.check()


# ---------------------------------------------------------------- refusals, letter by letter


@pytest.mark.parametrize(
    ("fault", "outcome", "code"),
    [
        (Fault("RCPT", "550 5.1.1 no such person"), REJECTED, "550 5.1.1"),
        (Fault("RCPT", "451 4.7.1 greylisted"), DEFERRED, "451 4.7.1"),
        (Fault("MAIL", "452 4.3.1 no room"), DEFERRED, "452 4.3.1"),
        (Fault("MAIL", "552 5.3.4 message too big"), REJECTED, "552 5.3.4"),
        (Fault("DATA", "451 4.3.0 try again"), DEFERRED, "451 4.3.0"),
        (Fault("DATA", "250 what"), DEFERRED, "250"),
        (Fault("DOT", "554 5.6.0 content refused"), REJECTED, "554 5.6.0"),
        (Fault("DOT", "451 4.3.0 try again"), DEFERRED, "451 4.3.0"),
        (Fault("DOT", "452"), DEFERRED, "452"),
    ],
)
def test_one_letter_is_refused_and_the_others_go(plain, fault, outcome, code):
    plain.plan(replace(fault, after=1))
    results = submit(mailer_for(plain))
    assert [one.outcome for one in results] == [ACCEPTED, outcome, ACCEPTED, ACCEPTED, ACCEPTED]
    assert results[1].code == code
    assert plain.recipients() == [f"reader{n}@reader.example" for n in (0, 2, 3, 4)]
    assert plain.connections == 1


def test_a_message_larger_than_the_server_takes_is_rejected():
    with SmtpServer(size=500) as server:
        assert send(mailer_for(server), letter(0)) == [REJECTED]


def test_an_address_beyond_ascii_goes_where_the_server_can(plain):
    orla = letter(0, email="órla@dún.example")
    assert send(mailer_for(plain), orla) == [ACCEPTED]
    assert plain.recipients() == ["órla@xn--dn-rka.example"]
    assert "SMTPUTF8" in plain.received[0].options
    with SmtpServer(smtputf8=False) as old:
        assert send(mailer_for(old), orla, letter(1)) == [REJECTED, ACCEPTED]


def test_no_address_reaches_the_server_as_two(plain):
    plain.plan(Fault("RCPT", "553 5.1.3 bad address", recipient="a@b.example>, <c@d.example"))
    send(mailer_for(plain), letter(0, email="a@b.example>\r\nRCPT TO:<c@d.example"), letter(1))
    assert not {"a@b.example", "c@d.example"} & set(plain.recipients())
    assert "reader1@reader.example" in plain.recipients()


# ---------------------------------------------------------------- lost connections


@pytest.mark.parametrize(
    "fault",
    [
        Fault("MAIL"),
        Fault("RCPT"),
        Fault("DATA"),
        Fault("MAIL", "421 4.7.0 too many messages"),
        Fault("RCPT", "421 4.3.2 shutting down"),
    ],
)
def test_a_connection_lost_before_a_message_is_complete_defers_the_rest(plain, fault):
    plain.plan(replace(fault, after=2))
    assert send(mailer_for(plain)) == [ACCEPTED, ACCEPTED, DEFERRED, DEFERRED, DEFERRED]
    plain.plan(replace(fault))
    with pytest.raises(TryLater):
        send(mailer_for(plain))
    assert plain.recipients() == ["reader0@reader.example", "reader1@reader.example"]


def test_a_connection_lost_in_the_middle_of_a_message_defers_it(plain):
    plain.plan(Fault("BODY", after=1))
    mailer = mailer_for(plain)
    prepared = mailer.prepare(mailing(letter(0), letter(1), letter(2)))
    first, second, third = prepared.payloads
    long = replace(prepared, payloads=(first, second + b"tide\r\n" * 2_000_000, third))
    assert [one.outcome for one in mailer.submit(long)] == [ACCEPTED, DEFERRED, DEFERRED]


@pytest.mark.parametrize("fault", [Fault("DOT"), Fault("DOT", keep=True), Fault("DOT", keep=True, silent=True)])
def test_after_the_final_dot_only_that_letter_is_unknown(plain, fault):
    plain.plan(replace(fault, after=2))
    assert send(mailer_for(plain, patience=0.5)) == [ACCEPTED, ACCEPTED, UNKNOWN, DEFERRED, DEFERRED]
    assert len(plain.received) == (3 if fault.keep else 2)


def test_an_answer_that_is_no_answer_leaves_the_letter_unknown(plain):
    plain.plan(Fault("DOT", "Wait, what?", keep=True))
    assert send(mailer_for(plain)) == [UNKNOWN, *[DEFERRED] * 4]


def test_after_421_to_a_message_the_connection_is_left(plain):
    plain.plan(Fault("DOT", "421 4.3.2 shutting down", after=1))
    assert send(mailer_for(plain)) == [ACCEPTED, *[DEFERRED] * 4]
    assert plain.recipients() == ["reader0@reader.example"]


# ---------------------------------------------------------------- pipelining


class Script:
    """A server that says each answer when the last thing it waits for has come, and keeps what it got until then."""

    def __init__(self, *steps: tuple[bytes, bytes]) -> None:
        self.steps = steps
        self.got: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._talk)

    def __enter__(self) -> Script:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.join(10)
        self._listener.close()

    def _talk(self) -> None:
        connection, _ = self._listener.accept()
        with connection, suppress(TimeoutError):
            connection.settimeout(1)
            connection.sendall(b"220 ready\r\n")
            for until, answer in ((b"\r\n", b"250-quay\r\n250 PIPELINING\r\n"), *self.steps):
                got = b""
                while not got.endswith(until):
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    got += piece
                self.got.append(got)
                connection.sendall(answer)


OPEN = b"250 ok\r\n250 ok\r\n354 go\r\n"
ENVELOPE = rb"MAIL FROM:<daily@\S+>\r\nRCPT TO:<reader%d@\S+>\r\nDATA\r\n"


def test_the_next_envelope_travels_with_the_final_dot_and_its_message_waits():
    with Script(
        (b"DATA\r\n", OPEN),
        (b"DATA\r\n", b"250 ok\r\n" + OPEN),
        (b"\r\n.\r\n", b"250 ok\r\n"),
        (b"quit\r\n", b"221\r\n"),
    ) as server:
        assert send(mailer_for(server), letter(0), letter(1)) == [ACCEPTED, ACCEPTED]
    _, first, second, last, quit = server.got
    assert re.fullmatch(ENVELOPE % 0, first)
    assert re.search(rb"\r\n\.\r\n" + ENVELOPE % 1 + rb"\Z", second)
    assert last.startswith(b"To: ")
    assert quit == b"quit\r\n"


def test_the_next_batch_goes_over_the_same_connection():
    with Script(
        (b"DATA\r\n", OPEN),
        (b"\r\n.\r\n", b"250 ok\r\n"),
        (b"DATA\r\n", OPEN),
        (b"\r\n.\r\n", b"250 ok\r\n"),
        (b"quit\r\n", b"221\r\n"),
    ) as server:
        mailer = mailer_for(server)
        outcomes = [mailer.submit(mailer.prepare(mailing(letter(n))))[0].outcome for n in (0, 1)]
        mailer.close()
    assert outcomes == [ACCEPTED, ACCEPTED]
    assert [re.match(ENVELOPE % n, server.got[place]) is not None for n, place in ((0, 1), (1, 3))] == [True, True]
    assert server.got[-1] == b"quit\r\n"


def test_a_server_that_hung_up_between_two_batches_is_called_again(plain):
    mailer = mailer_for(plain)
    plain.plan(Fault("MAIL", after=1))
    outcomes = [mailer.submit(mailer.prepare(mailing(letter(n))))[0].outcome for n in (0, 1)]
    mailer.close()
    assert outcomes == [ACCEPTED, ACCEPTED]
    assert sorted(plain.recipients()) == ["reader0@reader.example", "reader1@reader.example"]


def test_a_batch_of_which_something_was_taken_is_not_begun_anew(plain):
    """The connection was kept from the batch before, and is lost in the middle of this one: the server has not hung up
    on silence, and the first reader has their message."""
    mailer = mailer_for(plain)
    first = mailer.submit(mailer.prepare(mailing(letter(0))))
    plain.plan(Fault("RCPT", recipient="reader2@reader.example"))
    more = mailer.submit(mailer.prepare(mailing(letter(1), letter(2), letter(3))))
    mailer.close()
    assert [one.outcome for one in first] == [ACCEPTED]
    assert more[0].outcome in (ACCEPTED, UNKNOWN)  # unknown when the answer was lost with the connection
    assert [one.outcome for one in more[1:]] == [DEFERRED, DEFERRED]
    assert sorted(plain.recipients()) == ["reader0@reader.example", "reader1@reader.example"]


def test_a_server_that_is_too_slow_for_a_batch_gets_no_more_of_it(plain, monkeypatch):
    """What is left goes later, under another lease."""
    moments = iter([0.0, 1.0, 239.0, 241.0])
    monkeypatch.setattr(smtp, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    assert send(mailer_for(plain), *map(letter, range(4))) == [ACCEPTED, ACCEPTED, DEFERRED, DEFERRED]
    assert sorted(plain.recipients()) == ["reader0@reader.example", "reader1@reader.example"]


def test_no_word_follows_where_it_would_be_taken_for_a_message():
    with Script((b"DATA\r\n", OPEN), (b"DATA\r\n", b"421 4.3.2 bye\r\n"), (b"\r\n", b"")) as server:
        assert send(mailer_for(server), letter(0), letter(1)) == [DEFERRED, DEFERRED]
    assert len(server.got) == 3


def test_a_server_that_wants_a_message_for_a_refused_reader_gets_none():
    refused = b"250 ok\r\n550 5.1.1 nobody\r\n354 go\r\n"
    with Script(
        (b"DATA\r\n", refused),
        (b".\r\n", b"554 no recipients\r\n"),
        (b"DATA\r\n", b"250 reset\r\n" + OPEN),
        (b"\r\n.\r\n", b"250 ok\r\n"),
        (b"quit\r\n", b"221\r\n"),
    ) as server:
        assert send(mailer_for(server), letter(0), letter(1)) == [REJECTED, ACCEPTED]
    assert server.got[2] == b".\r\n"
    assert re.fullmatch(rb"RSET\r\n" + ENVELOPE % 1, server.got[3])


@pytest.mark.parametrize(
    ("answers", "outcomes"),
    [
        (b"250 ok\r\n550 5.1.1 nobody\r\n", [REJECTED, DEFERRED]),  # and hangs up
        (b"250 ok\r\n550 5.1.1 nobody\r\n421 bye\r\n", [REJECTED, DEFERRED]),
        (b"250 ok\r\n550 5.1.1 nobody\r\nHello?\r\n", [REJECTED, DEFERRED]),
    ],
)
def test_a_refusal_stands_whatever_comes_after_it(answers, outcomes):
    with Script((b"DATA\r\n", answers)) as server:
        assert send(mailer_for(server), letter(0), letter(1)) == outcomes


@pytest.mark.parametrize(
    "answers",
    [
        b"250 ok\r\nHello?\r\n250 ok\r\n354 go\r\n",
        b"452 4.3.1 no room\r\n250 ok\r\n354 go\r\n",
        b"250 ok\r\n250 ok\r\n",
    ],
)
def test_a_server_whose_answers_make_no_sense_gets_no_message(answers):
    with Script((b"DATA\r\n", answers), (b"x", b"")) as server, pytest.raises(TryLater):
        send(mailer_for(server, patience=1), letter(0), letter(1))
    assert len(server.got) == 2


@pytest.mark.parametrize("seed", range(12))
def test_every_answer_finds_its_letter_pipelined_or_not(seed):
    """The same faults on the same readers: the same results, word for word, and the same mail."""
    chance = random.Random(seed)
    letters = [letter(position) for position in range(16)]
    answers = ["550 5.1.1 nobody {}", "451 4.7.1 greylisted {}", "552 5.2.2 full {}"]
    faults = [
        Fault(at, chance.choice(answers).format(one.position), recipient=one.email)
        for one in letters
        for at in chance.choices([["RCPT"], ["DATA"], ["DOT"], []], [1, 1, 1, 2])[0]
    ]

    def outcome(pipelining: bool):
        with SmtpServer(pipelining=pipelining) as server:
            server.plan(*map(replace, faults))
            mailer = mailer_for(server)
            return submit(mailer, *letters), server.recipients(), server.connections

    assert outcome(True) == outcome(False)
    told = {int(one.detail.split()[-1]): one.position for one in outcome(True)[0] if one.outcome is not ACCEPTED}
    assert all(said == position for said, position in told.items())
    assert len(told) == len(faults)


@pytest.mark.full
@pytest.mark.skipif(not Path("/usr/sbin/smtp-sink").exists(), reason="Postfix's smtp-sink is not installed")
@pytest.mark.parametrize("options", [[], ["-p"], ["-r", "rcpt"], ["-f", "rcpt"], ["-q", "rcpt"], ["-q", "."]])
def test_postfix_agrees(options):
    port = unused_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    sink = subprocess.Popen(["/usr/sbin/smtp-sink", *user, *options, f"127.0.0.1:{port}", "16"])
    try:
        while sink.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
        mailer = Smtp("smtp", "127.0.0.1", port=port, security="none", patience=5)
        letters = [letter(position) for position in range(20)]
        if options == ["-q", "rcpt"]:
            with pytest.raises(TryLater):
                send(mailer, *letters)
        else:
            expected = {"-r": [DEFERRED] * 20, "-f": [REJECTED] * 20, "-q": [UNKNOWN, *[DEFERRED] * 19]}
            assert send(mailer, *letters) == expected.get(options[0] if options else "", [ACCEPTED] * 20)
    finally:
        sink.terminate()
        sink.wait(10)


# ---------------------------------------------------------------- signatures and return paths


def test_a_signed_letter_arrives_as_it_was_signed(plain):
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    signer = Signer.load("harbour-gazette.example", "quay", key)
    mailer = mailer_for(plain, signer=signer)
    prepared = mailer.prepare(mailing())
    assert set(send(mailer)) == {ACCEPTED}
    unsigned = mailer_for(plain).prepare(mailing())
    assert [one.content for one in plain.received] == list(prepared.payloads)
    assert list(prepared.payloads) == [signer.sign(one, mailing().date) for one in unsigned.payloads]
    assert mailer.prepare(mailing()) == prepared
    assert prepared.digest != unsigned.digest


def test_a_bounce_comes_back_to_an_address_that_names_the_letter(plain):
    mailer = mailer_for(plain, return_paths=PATHS)
    assert send(mailer, letter(0), letter(17)) == [ACCEPTED, ACCEPTED]
    assert [returned(one.sender, KEYS) for one in plain.received] == [(mailing().key, 0), (mailing().key, 17)]
    assert plain.received[0].message["From"] == "The Harbour Gazette <daily@harbour-gazette.example>"
    assert mailer.prepare(mailing()).digest != mailer_for(plain).prepare(mailing()).digest


def test_a_notice_comes_back_to_the_plain_return_path(plain):
    mailer = mailer_for(plain, return_paths=PATHS)
    submit(mailer, letter(0), key="notice-7")
    assert plain.received[0].sender == "bounces@harbour-gazette.example"


def test_a_refused_return_path_is_named(plain):
    plain.plan(Fault("MAIL", "550 5.7.1 not yours"))
    with pytest.raises(MailerMisconfigured, match=r"refuses the sender bounces\+\w+@harbour-gazette.example"):
        send(mailer_for(plain, return_paths=PATHS))


# ---------------------------------------------------------------- servers that will take nothing from us


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        (Fault("MAIL", "550 5.7.1 not your domain"), "refuses the sender daily@harbour-gazette.example .*set another"),
        (Fault("MAIL", "530 5.7.0 authentication required"), "sign in"),
        (Fault("RCPT", "554 5.7.1 relay access denied"), "does not relay for us .*set username and password"),
    ],
)
def test_a_refusal_of_us_is_for_a_person_and_no_reader_is_blamed(plain, fault, remedy):
    plain.plan(replace(fault))
    with pytest.raises(MailerMisconfigured, match=remedy):
        send(mailer_for(plain))
    plain.plan(Fault("MAIL", "550 5.7.1 not any more", after=1))
    assert send(mailer_for(plain)) == [ACCEPTED, *[DEFERRED] * 4]


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        (Fault("MAIL", "550 5.7.1 not your domain"), Failure.CREDENTIALS),
        (Fault("MAIL", "554 5.7.1 this account is suspended"), Failure.REPUTATION),
        (Fault("MAIL", "550 5.4.5 daily user sending quota exceeded"), Failure.QUOTA),
        (Fault("RCPT", "554 5.7.1 relay access denied"), Failure.CREDENTIALS),
        (Fault("DOT", "550 5.7.1 we know your kind", times=9), Failure.REPUTATION),
    ],
)
def test_a_refusal_of_us_says_whose_turn_it_is(plain, fault, failure):
    plain.plan(replace(fault))
    with pytest.raises(MailerMisconfigured) as caught:
        send(mailer_for(plain))
    assert caught.value.failure is failure
    assert plain.received == []


def test_one_reader_whose_server_blocks_us_is_no_word_about_all(plain):
    plain.plan(Fault("DOT", "550 5.7.1 we know your kind", times=4))
    assert send(mailer_for(plain)) == [*[REJECTED] * 4, ACCEPTED]


@pytest.mark.parametrize(
    "reply",
    [
        "554 5.7.1 <ann@inbox.example>: Relay access denied",  # Postfix
        "550 relay not permitted",  # Exim
        "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain",  # Exchange
        "550 5.7.1 Unable to relay",
        "550 5.7.1 <ann@inbox.example>... Relaying denied",  # Sendmail
        "551 we do not relay",
        "550 authentication required",
    ],
)
def test_a_server_that_sends_nothing_on_for_us_is_for_a_person(plain, reply):
    plain.plan(Fault("RCPT", reply))
    with pytest.raises(MailerMisconfigured, match=r"does not relay for us .*set username and password"):
        send(mailer_for(plain))
    assert plain.received == []


@pytest.mark.parametrize(
    "reply",
    [
        "550 5.1.1 <ann@inbox.example>: Recipient address rejected: User unknown in relay recipient table",
        "550 5.2.1 mailbox disabled, no relay access denied here",
        "550 <ann@relay.example>: no such person",
        "550 5.7.1 <ann@relay.example>: rejected by policy",
        "550 5.7.1 ann@relay.example is not wanted by relay.example",
        "550 User unknown in relay recipient table",
        "553 sorry, that domain isn't in my list of allowed rcpthosts",
    ],
)
def test_one_refused_reader_with_relay_in_the_words_stops_nobody_else(plain, reply):
    plain.plan(Fault("RCPT", reply))
    assert send(mailer_for(plain)) == [REJECTED, *[ACCEPTED] * 4]


@pytest.mark.parametrize(
    ("at", "reply", "kind"),
    [
        ("RCPT", "550 5.1.1 no such user", EventKind.HARD_BOUNCE),
        ("RCPT", "550 5.2.1 mailbox disabled", EventKind.HARD_BOUNCE),
        ("RCPT", "550 <ann@inbox.example>: user unknown", EventKind.HARD_BOUNCE),
        ("DOT", "554 5.1.1 no such user", EventKind.HARD_BOUNCE),
        ("RCPT", "552 5.2.2 mailbox full", EventKind.SOFT_BOUNCE),
        ("RCPT", "550 no", EventKind.SOFT_BOUNCE),
        ("RCPT", "550 5.7.26 not authenticated", EventKind.BLOCKED),
        ("RCPT", "550 Sender verify failed: unrouteable address", EventKind.BLOCKED),
        ("DOT", "552 5.3.4 message too big", EventKind.BLOCKED),
        ("MAIL", "552 5.3.4 message too big", None),
        ("DATA", "554 no", None),
        ("RCPT", "450 4.2.1 come again", None),
    ],
)
def test_a_refusal_tells_of_the_reader_what_a_bounce_with_these_words_would(plain, at, reply, kind):
    plain.plan(Fault(at, reply))
    results = submit(mailer_for(plain), *map(letter, range(3)))
    assert [one.kind for one in results] == [kind, None, None]


def test_a_relay_that_took_a_letter_is_not_doubted_for_one_address(plain):
    plain.plan(Fault("RCPT", "550 5.7.1 relay access denied", after=1))
    assert send(mailer_for(plain)) == [ACCEPTED, REJECTED, *[ACCEPTED] * 3]


def test_nothing_is_sent_when_starttls_has_been_stripped(plain):
    mailer = mailer_for(plain, security="starttls", username="publisher", password=PASSWORD)
    with pytest.raises(MailerMisconfigured, match="does not offer STARTTLS"):
        send(mailer)
    assert plain.received == []


def test_a_certificate_of_nobody_we_know_or_of_another_host_is_refused(server, certificate, tmp_path):
    with pytest.raises(MailerMisconfigured, match=r"not to be trusted .*set ca_file"):
        mailer_for(server, security="starttls").check()
    other = Certificate.make(tmp_path, "elsewhere.example")
    with SmtpServer(tls=other) as elsewhere, pytest.raises(MailerMisconfigured, match="not to be trusted"):
        mailer_for(elsewhere, security="starttls", ca_file=str(other.certificate)).check()
    with pytest.raises(MailerMisconfigured, match=r"ca_file .*gone.pem cannot be read"):
        mailer_for(server, security="starttls", ca_file="gone.pem").check()


def test_a_password_is_in_no_error(server, certificate):
    for password in ("hunter2", "pässwörd"):
        mailer = mailer_for(
            server, security="starttls", username="publisher", password=password, ca_file=str(certificate.certificate)
        )
        with pytest.raises(MailerMisconfigured, match="username") as caught:
            mailer.check()
        chain = f"{caught.value!r} {caught.value.__cause__!r} {mailer!r}"
        assert password not in chain
        assert "ä" not in chain


def test_a_server_that_offers_no_way_to_sign_in(plain):
    with pytest.raises(MailerMisconfigured, match="no way to sign in"):
        mailer_for(plain, username="publisher", password=PASSWORD).check()


# ---------------------------------------------------------------- no connection at all


def test_a_host_without_an_address_is_tried_later():
    with pytest.raises(TryLater, match=r"no-such-host.invalid:587.*cannot be reached"):
        Smtp("smtp", "no-such-host.invalid").check()


def test_a_plain_server_where_tls_was_expected_is_tried_later(plain):
    with pytest.raises(TryLater, match="cannot be reached"):
        mailer_for(plain, security="tls").check()


@pytest.mark.parametrize(
    ("greeting", "error"),
    [
        (b"421 4.3.2 too busy\r\n", TryLater),
        (b"554 5.7.1 no service for you\r\n", MailerMisconfigured),
        (b"SSH-2.0-OpenSSH_9.2\r\n", TryLater),
        (b"", TryLater),
    ],
)
def test_a_server_that_does_not_greet_us(greeting, error):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(greeting)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(error, match="mailer smtp"):
            Smtp("smtp", "127.0.0.1", port=listener.getsockname()[1], security="none").check()
        thread.join()
