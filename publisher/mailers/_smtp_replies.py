"""What an SMTP server answers (RFC 5321 section 4.2.1)."""

from __future__ import annotations

import re
import smtplib

Reply = tuple[int, bytes]

#: What a reply answers, in the order of a letter's commands.
MAIL, RCPT, DATA, DOT = range(4)

ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")  # RFC 3463
_SYSTEM = re.compile(rb"4\.[34]\.\d")  # RFC 3463 sections 3.4 and 3.5: the mail system, the network
_THIS_SYSTEM = re.compile(rb"4\.3\.[12](?!\d)")  # it is full, or takes no mail at all just now

#: About the reader or their mailbox (RFC 3463 sections 3.2 and 3.3), whatever else is said; about our rights (3.8).
_OF_READER, _OF_RIGHTS = re.compile(r"5\.[12]\."), re.compile(r"5\.7\.")
_ADDRESSES = re.compile(r"<[^>]*>|\S+@\S+")
_RELAY = re.compile(r"(?<![\w.-])relay(?:ing|ed)?(?!-|\.?\w)", re.IGNORECASE)  # and no part of a host's name
#: Of Postfix, Exim, Sendmail and Exchange, as they say it without an enhanced status (2026-11).
_NO_RELAY = re.compile(
    r"\brelay(?:ing|ed)?\s+(?:access\s+|is\s+)?(?:denied|not\s+permitted|prohibited|not\s+allowed)|"
    r"\b(?:not|cannot|unable\s+to|don't)\s+(?:be\s+)?(?:(?:permitted|allowed)\s+to\s+)?relay|"
    r"\bauthentication\s+(?:is\s+)?required",
    re.IGNORECASE,
)

_LONGEST = 8192  # octets of a line; RFC 5321 section 4.5.3.1.5 asks for 512


def next_reply(connection: smtplib.SMTP) -> Reply:
    """As `smtplib` reads it, in a fifth of the time, which counts four times a letter. Code -1 where there is none.
    Raises SMTPException or OSError."""
    if connection.file is None:
        raise smtplib.SMTPServerDisconnected("closed")
    said = []
    while True:
        line = connection.file.readline(_LONGEST + 1)
        if len(line) > _LONGEST:
            raise smtplib.SMTPServerDisconnected("it says more in a line than is heard")
        if not line:
            raise smtplib.SMTPServerDisconnected("it hung up")
        code = line[:3]
        said.append(line[4:].strip())
        if line[3:4] != b"-" or not code.isdigit():
            return int(code) if code.isdigit() else -1, b"\n".join(said)


def is_shared(step: int, reply: Reply) -> bool:
    """Whether a refusal for now would have met any other letter: whatever is said to MAIL, and what its code says of
    the server (RFC 5321 section 4.2.3). Once a reader was named it may be about them, or a system behind the server
    that is theirs alone, unless it says otherwise; and whoever greylists (4.7.x) wants each of them to come again."""
    code, words = reply
    if step == MAIL or code == 421 or not 400 <= code < 500:
        return True
    if ENHANCED.match(words[:12].decode("ascii", "replace")):
        return bool((_THIS_SYSTEM if step == RCPT else _SYSTEM).match(words))
    return code == 452 or (code == 451 and step != RCPT)


def refuses_to_relay(reply: Reply) -> bool:
    """Whether a refusal of a reader says that this server sends nothing on for us. It may quote their address, and what
    it looks them up in may be called "relay recipient table"."""
    words = reply[1].decode("ascii", "replace")
    if _OF_READER.match(words):
        return False
    said = _ADDRESSES.sub("", words)
    return bool((_RELAY if _OF_RIGHTS.match(words) else _NO_RELAY).search(said))
