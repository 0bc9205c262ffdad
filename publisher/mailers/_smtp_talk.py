"""Letters over an open SMTP connection, one recipient each, and which answer belongs to which of them.

Where the server offers PIPELINING, a letter's MAIL, RCPT and DATA travel together with the final dot of the one before
(RFC 2920 section 3.1: content may begin a group, DATA must end it). The message itself waits for the 354, and answers
come in order, so the answer to the dot before has always been read: at most one dot is ever unanswered, pipelined or
not, and nothing of a letter but its envelope is sent ahead.
"""

from __future__ import annotations

import re
import smtplib
import socket
import time
from collections.abc import Callable
from typing import NamedTuple

from publisher.kit.message import address
from publisher.kit.reports import refusal
from publisher.mailers._shared import one_line
from publisher.mailers._smtp_replies import (
    DATA,
    DOT,
    ENHANCED,
    MAIL,
    RCPT,
    Reply,
    is_shared,
    next_reply,
    refuses_to_relay,
)
from publisher.model import Letter, Outcome, Result

OUR_FAULT = frozenset({530, 534, 535, 538})  # RFC 4954 section 6

_COMMAND = 60.0  # seconds
_WANTED = ((250,), (250, 251), (354,))  # in answer to MAIL, RCPT and DATA
_QUEUED = re.compile(r"(?:queued as|queued mail for delivery as|\bid=)\s*<?([\w.@+-]+)", re.IGNORECASE)
_PLAIN = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[A-Za-z0-9.-]+")
_OUTCOMES = {2: Outcome.ACCEPTED, 4: Outcome.DEFERRED, 5: Outcome.REJECTED}
_Errors = (smtplib.SMTPException, OSError)
_Envelope = tuple[bytes, bytes, bytes]


class Turn(NamedTuple):
    """One letter's turn, and its message (RFC 5322), no line of which begins with a dot (see `kit.message`)."""

    letter: Letter
    payload: bytes


class Talk:
    """`lost` says why the connection is of no more use, and `refused` why this server will take nothing from us;
    `relays` that it has shown otherwise. `sender` gives a letter's envelope sender; `ends` is when, by the monotonic
    clock, all but the answer to a final dot must have come, for which there are `patience` seconds."""

    def __init__(
        self, connection: smtplib.SMTP, sender: Callable[[Letter], str], *, patience: float, ends: float
    ) -> None:
        self._connection = connection
        self._sender = sender
        self._patience = patience
        self._ends = ends
        self._pipelines, self._sizes, self._beyond = map(connection.has_extn, ("pipelining", "size", "smtputf8"))
        self._made: tuple[Turn | None, _Envelope | None] = (None, None)
        self._waits = 0.0
        self._ahead = False  # the next letter's envelope was sent, and its answers were not read
        self.relays = False
        self.lost = ""
        self.refused = ""

    @property
    def over(self) -> bool:
        return bool(self.lost or self.refused)

    def end(self) -> None:
        """Hang up, without a word where the server may wait for a message: a QUIT would be taken for its text."""
        if self._ahead or self.lost:
            self._connection.close()

    def hand_over(self, turn: Turn, following: Turn | None) -> Result | None:
        """What became of the letter; None when it was proved unsent for a reason that is not its own. `following` is
        whose turn is next, if there is one."""
        envelope = self._envelope(turn)
        if envelope is None:
            return self._beyond_ascii(turn.letter)
        try:
            refused = self._announce(envelope)
            if refused is None:
                self._limit()
                self._connection.send(turn.payload)
        except _Errors as error:
            self.lost = f"the connection was lost before a message was complete ({one_line(str(error))})"
            return None
        return self._finish(turn, following) if refused is None else self._reset(turn, *refused, following)

    # ---------------------------------------------------------------- the envelope

    def _envelope(self, turn: Turn) -> _Envelope | None:
        """None when the server cannot take the addresses. Asked for one letter ahead, and again at its turn."""
        if self._made[0] is not turn:
            self._made = (turn, self._compose(turn))
        return self._made[1]

    def _compose(self, turn: Turn) -> _Envelope | None:
        sender, to = self._sender(turn.letter), address(turn.letter.email)
        options = f" SIZE={len(turn.payload)}" if self._sizes else ""
        if not (sender + to).isascii():
            if not self._beyond:
                return None
            options += " SMTPUTF8 BODY=8BITMIME"
        mail = f"MAIL FROM:{_path(sender)}{options}\r\n"
        return mail.encode(), f"RCPT TO:{_path(to)}\r\n".encode(), b"DATA\r\n"

    def _send_with_next(self, command: bytes, following: Turn | None) -> None:
        """A command, and behind it what of the next letter may be sent ahead."""
        envelope = self._envelope(following) if following and self._pipelines else None
        self._ahead = envelope is not None
        self._connection.send(command + b"".join(envelope or ()))

    def _beyond_ascii(self, letter: Letter) -> Result | None:
        sender = self._sender(letter)
        if not sender.isascii():
            self.refused = f"it cannot take the sender {sender} (no SMTPUTF8); set one in ASCII"
            return None
        why = b"5.6.7 the server cannot take an address beyond ASCII (no SMTPUTF8)"
        return _refusal(letter, RCPT, (553, why))._replace(kind=None)  # nobody was asked

    def _announce(self, envelope: _Envelope) -> tuple[int, Reply] | None:
        """None when the server waits for the message, else what it refused first, and how."""
        if self._pipelines and not self._ahead:
            self._send(b"".join(envelope))
        self._ahead = self._pipelines
        replies = self._replies(envelope)
        refused = next((step for step, reply in enumerate(replies) if _is_refusal(step, reply)), None)
        if len(replies) == len(envelope):
            self._ahead = False
        if refused is None:
            return None
        self._judge(refused, replies[refused], envelope)
        if len(replies) == len(envelope) and replies[DATA][0] == 354:
            self._take_back(replies[RCPT])
        return refused, replies[refused]

    def _replies(self, envelope: _Envelope) -> list[Reply]:
        """In the order of MAIL, RCPT, DATA; fewer of them after a refusal, where no more were asked for or can come."""
        replies: list[Reply] = []
        for step, command in enumerate(envelope):
            try:
                if not self._pipelines:
                    self._send(command)
                replies.append(self._read())
            except _Errors as error:
                if not any(map(_is_refusal, range(step), replies)):
                    raise
                self.lost = f"the connection was lost after a refusal ({one_line(str(error))})"
                break
            if replies[step][0] == 421:
                self.lost = said(replies[step])
                break
            if not self._pipelines and _is_refusal(step, replies[step]):
                break
        return replies

    def _judge(self, step: int, reply: Reply, envelope: _Envelope) -> None:
        """Whether a refusal is of us, and not of the letter."""
        code = reply[0]
        if step == MAIL and 500 <= code < 600 and code != 552:  # 552: this message is too large
            sender = envelope[MAIL].decode().partition("<")[2].partition(">")[0]
            self.refused = f"it refuses the sender {sender} ({said(reply)}); set another, or sign in"
        if step == RCPT and (code in OUR_FAULT or (code >= 550 and not self.relays and refuses_to_relay(reply))):
            self.refused = f"it does not relay for us ({said(reply)}); set username and password"

    def _take_back(self, to_rcpt: Reply) -> None:
        """The server refused the envelope and waits for a message all the same: it gets none (RFC 2920 section 3.1)."""
        if not _is_refusal(RCPT, to_rcpt):
            raise smtplib.SMTPException("it refused the sender, and wants a message for the reader")
        self._send(b".\r\n")
        self._read()

    # ---------------------------------------------------------------- the message

    def _finish(self, turn: Turn, following: Turn | None) -> Result:
        """The final dot: from its first byte to the answer nobody can tell."""
        letter = turn.letter
        try:
            self._wait(self._patience)
            self._send_with_next(b".\r\n", following)
            reply = next_reply(self._connection)
        except _Errors as error:
            self.lost = f"the connection was lost while the server took a message ({one_line(str(error))})"
            return Result(position=letter.position, outcome=Outcome.UNKNOWN, detail=self.lost)
        result = _result(letter, DOT, reply, _OUTCOMES.get(reply[0] // 100, Outcome.UNKNOWN))
        if reply[0] == 421 or result.outcome is Outcome.UNKNOWN:
            self.lost = said(reply)
        self.relays |= result.outcome is Outcome.ACCEPTED
        return result

    def _reset(self, turn: Turn, step: int, reply: Reply, following: Turn | None) -> Result | None:
        """After a refusal: make the connection ready for the next letter."""
        if self.refused or reply[0] == 421:
            return None
        if not self.lost:
            try:
                self._limit()
                self._send_with_next(b"RSET\r\n", following)
                expect(self._read())
            except _Errors as error:
                self.lost = f"the connection was lost after a refusal ({one_line(str(error))})"
        return _refusal(turn.letter, step, reply)

    def _send(self, commands: bytes) -> None:
        self._limit()
        self._connection.send(commands)

    def _read(self) -> Reply:
        self._limit()
        reply = next_reply(self._connection)
        if not 200 <= reply[0] < 600:  # whatever comes next, nobody can tell what it answers
            raise smtplib.SMTPException(f"no answer that SMTP knows: {said(reply)}")
        return reply

    def _limit(self) -> None:
        self._wait(max(0.1, min(_COMMAND, self._ends - time.monotonic())))

    def _wait(self, seconds: float) -> None:
        """At most so long for the next bytes. Said to the socket only when it changes: it is asked five times a letter,
        and each time is a call of the system."""
        if seconds != self._waits:
            socket_of(self._connection).settimeout(seconds)
            self._waits = seconds


def socket_of(connection: smtplib.SMTP) -> socket.socket:
    if connection.sock is None:
        raise smtplib.SMTPServerDisconnected("closed")
    return connection.sock


def expect(reply: Reply) -> None:
    if not 200 <= reply[0] < 300:
        raise smtplib.SMTPResponseException(*reply)


def said(reply: Reply) -> str:
    return f"{reply[0]} {one_line(reply[1])}"


def _path(email: str) -> str:
    return f"<{email}>" if _PLAIN.fullmatch(email) else smtplib.quoteaddr(email)


def _is_refusal(step: int, reply: Reply) -> bool:
    return reply[0] not in _WANTED[step]


def _refusal(letter: Letter, step: int, reply: Reply) -> Result:
    """The message was never handed over, so whatever else was said, it is not accepted."""
    return _result(letter, step, reply, Outcome.REJECTED if 500 <= reply[0] < 600 else Outcome.DEFERRED)


def _result(letter: Letter, step: int, reply: Reply, outcome: Outcome) -> Result:
    code, words = reply[0], one_line(reply[1])
    enhanced = ENHANCED.match(words)
    queued = _QUEUED.search(words)
    return Result(
        position=letter.position,
        outcome=outcome,
        code=f"{code} {enhanced[0]}" if enhanced else str(code),
        detail=words,
        reference=queued[1] if queued and outcome is Outcome.ACCEPTED else "",
        shared=outcome is Outcome.DEFERRED and is_shared(step, reply),
        kind=refusal(words) if outcome is Outcome.REJECTED and step in (RCPT, DOT) else None,
    )
