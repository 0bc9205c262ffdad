"""Bounces that follow no standard, automatic answers, and how to tell them from mail of a person.

Who is meant is found by flufl.bounce, which knows two dozen mail systems, and by what it misses: the headers and
lines of those that came later. What is meant is in `_kinds`.
"""

from __future__ import annotations

import logging
import re
from email.message import Message

from publisher.kit.reports._fields import address, field, one_line, words
from publisher.kit.reports._kinds import STATUS, code_of, kind_of, still_trying
from publisher.kit.reports._standard import Told
from publisher.model import EventKind

_RECIPIENTS = 20
_WORDS = 4000  # characters of an explanation
_DAEMON = re.compile(
    r"(?:mailer-?daemon|mail-?daemon|mdaemon|postmaster|mail(?:er)?[._-]?(?:delivery|system)|no-?reply|bounces?|"
    r"(?:mail)?delivery|symantec|microsoftexchange\w*|nobody|root|uucp|system)[^@]*@.*",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"undeliver|undelivr|not (?:be )?delivered|deliver\w* (?:status|failure|failed|problem|error|incomplete|delayed|"
    r"notification|report|has failed)|(?:failed|failure|delayed)[^a-z]* (?:mail|delivery|notice|recipient)|"
    r"(?:failure|delivery|bounce) (?:notice|notification)|returned (?:mail|to sender|e-?mail|message)|"
    r"mail (?:delivery|system|status|could not)|message (?:could not|delayed|rejected|undeliverable)|non-?delivery|"
    r"rejected (?:mail|message)|mail delayed|warning: |nondeliverable|unzustellbar|unzugestellt|zustellung|"
    r"nicht zugestellt|non remis|échec de|no se (?:ha )?pu(?:do|ede) entregar|devuelto|mancata consegna|"
    r"non recapitabile|配信|配送",
    re.IGNORECASE,
)
_AWAY = re.compile(
    r"^\W*(?:automatic(?:al)? (?:reply|response|antwort)|auto(?:mated|-?)? ?(?:reply|response|responder|matisch)|"
    r"out of (?:the )?office|ooo\b|i am (?:away|out)|on (?:vacation|holiday|leave)|vacation|away from|"
    r"abwesenheit|automatische antwort|réponse automatique|absence du bureau|respuesta automática|fuera de la oficina|"
    r"risposta automatica|autosvar|automatiskt svar|automatisch antwoord|不在)",
    re.IGNORECASE,
)
_CHALLENGE = re.compile(
    r"(?:confirm|verify|authenticate|approve|release) (?:that )?(?:your|you|the) (?:message|e-?mail|mail|sent|are)|"
    r"(?:your )?(?:message|e-?mail|mail) (?:\w+ )?(?:requires|needs|awaits|is awaiting|waiting for) "
    r"(?:\w+ )?(?:confirmation|verification|approval)|boxbe|spam ?arrest|challenge/response|"
    r"sender (?:address )?verification|click (?:here|below) to (?:deliver|release|verify)",
    re.IGNORECASE,
)
_REPLIED = re.compile(r"auto-replied(?![\w-])", re.IGNORECASE)
_AUTOMATIC_FIELDS = ("X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Mail-Autoreply", "X-Vacation")
#: Where the message that came back begins.
_COPY = re.compile(
    r"^[> \t]*(?:-{2,}\s*(?:below this line|this is a copy|original (?:message|header)|forwarded|the (?:header|body)|"
    r"message (?:header|text)|urspr|included is|unsent message|returned message|transcript of mail)|"
    r"(?:original|returned|your|the|a copy of the) (?:original )?(?:message|headers?|mail)[^\n]{0,40}"
    r"(?:follows|below|headers)\b|received: from|return-path:)",
    re.IGNORECASE | re.MULTILINE,
)
_OUR_SUBJECT = re.compile(r"^[> \t]*(?:the )?(?:subject|betreff|objet|asunto|oggetto)\b[^:\n]{0,40}:.*$", re.I | re.M)
_REPLY = re.compile(r"(?<![\d.-])([45]\d\d)[ -](?:[245]\.\d{1,3}\.\d{1,3}|[#(<A-Za-z\"])")
_LINE_ADDRESS = re.compile(
    r"(?:^[> \t]*(?:to|recipient|failed recipient|final-recipient|original-recipient|rcpt to|user|e-?mail|empf.nger|"
    r"your message to|address)\W[^\n@]{0,40}?|^[ \t*>\"-]*<?|rcpt to:\s*<?|"
    r"\bto (?:the )?(?:address|recipient|user)?\s*<?)"
    r"([^\s<>;,:\"'()\[\]]+@[A-Za-z0-9.-]+)",
    re.IGNORECASE | re.MULTILINE,
)


def is_automatic(message: Message, text: str) -> bool:
    """Whether a program writes for a person: away, or asking us to prove that we are none. No bounce says so, and
    people ask to confirm something as well."""
    bounce = is_bounce(message)
    if _challenges(message, text) and (bounce or _by_machine(message)):
        return True
    if bounce:
        return False
    said = field(message, "Auto-Submitted").lower()
    return bool(_AWAY.search(words(message, "Subject"))) or said.startswith("auto-") or _says_it_answers(message)


def is_answer(message: Message, text: str) -> bool:
    """Whether automatic mail says of itself that it answers another (RFC 3834 section 5), and asks for nothing."""
    return _says_it_answers(message) and not _challenges(message, text)


def _says_it_answers(message: Message) -> bool:
    replied = _REPLIED.match(field(message, "Auto-Submitted"))
    listed = any(name in message for name in _AUTOMATIC_FIELDS)
    return bool(replied) or listed or field(message, "Precedence").lower() in ("auto_reply", "auto-reply")


def _challenges(message: Message, text: str) -> bool:
    return bool(_CHALLENGE.search(words(message, "Subject")) or _CHALLENGE.search(text[:1500]))


def _by_machine(message: Message) -> bool:
    return field(message, "Return-Path") == "<>" or "Auto-Submitted" in message


def is_bounce(message: Message) -> bool:
    """Whether a mail system speaks. A person has no such address, and sends no mail that none may answer."""
    if "X-Failed-Recipients" in message:
        return True
    subject = words(message, "Subject")
    if _AWAY.search(subject):
        return False
    spoken = bool(_DAEMON.match(address(field(message, "From"))))
    return spoken or (_by_machine(message) and bool(_SUBJECT.search(subject)))


def failures(message: Message, text: str) -> list[Told]:
    """What a bounce without a standard tells; the recipient is "" where it names none."""
    said = explanation(text)
    subject = words(message, "Subject")
    found = STATUS.findall(said)
    temporary, permanent = _flufl(message)
    kind = EventKind.DEFERRED if still_trying(said) else kind_of(found, said)
    if kind is EventKind.SOFT_BOUNCE and still_trying(subject):
        kind = EventKind.DEFERRED
    if not found and not _REPLY.search(said) and not temporary and not permanent and not _SUBJECT.search(subject):
        return []
    failed = field(message, "X-Failed-Recipients").split(",")
    people = [address(one) for one in failed if address(one)] or [*permanent, *temporary] or _named(message, said)
    code = code_of(found) or next((one[1] for one in _REPLY.finditer(said)), "")
    return [Told(who, kind, code, _reason(said)) for who in (people or [""])[:_RECIPIENTS]]


def explanation(text: str) -> str:
    """The server's own words: nothing of the message that came back, which may speak of anything."""
    copy = _COPY.search(text)
    return _OUR_SUBJECT.sub("", text[: copy.start()] if copy and copy.start() > 20 else text)[:_WORDS]


def _flufl(message: Message) -> tuple[list[str], list[str]]:
    """Its detectors raise whatever mail can make them raise."""
    from flufl.bounce import all_failures  # late: few processes read a mailbox

    try:
        temporary, permanent = all_failures(message)
    except Exception as error:  # somebody else's code, and mail from anybody
        logging.getLogger("publisher.reports").debug("flufl.bounce: %r", error)
        return [], []
    return _addresses(temporary), _addresses(permanent)


def _addresses(found: frozenset[bytes]) -> list[str]:
    texts = (one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in found)
    return sorted(filter(None, map(address, texts)))


def _named(message: Message, said: str) -> list[str]:
    ours = {address(field(message, name)).lower() for name in ("To", "Delivered-To", "From")}
    people = dict.fromkeys(found[1].rstrip(".") for found in _LINE_ADDRESS.finditer(said))
    return [one for one in people if one.lower() not in ours and not _DAEMON.match(one)]


def _reason(said: str) -> str:
    """The line with the server's answer, otherwise the beginning."""
    for line in said.split("\n"):
        if STATUS.search(line) or _REPLY.search(line):
            return one_line(line)
    return one_line(said)
