"""Which failure a bounce is about, from its status codes (RFC 3463) and from the words of the server.

What is not said to be permanent is not, and what is said against the sender says nothing about the reader.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from publisher.model import EventKind

#: An enhanced status code, not within a longer number such as an address.
STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")

ACTIONS = {
    "delayed": EventKind.DEFERRED,
    "delivered": EventKind.DELIVERED,
    "relayed": EventKind.DELIVERED,
    "expanded": EventKind.DELIVERED,
}

#: Refusals for what or who we are: a bad sender, the content, its size, a policy; a 4.7 that lasted is no better.
_OF_US = re.compile(r"5\.1\.[78]|5\.2\.3|5\.3\.4|5\.6\.\d+|[45]\.7\.\d+")
#: Passing ones that lasted, a full mailbox, a loop at the receiver.
_PASSING = re.compile(r"4\.\d+\.\d+|5\.2\.2|5\.4\.(?:6|7|14)")
_FULL = re.compile(r"[45]\.2\.2")
#: No such mailbox or domain, or one that is closed.
_GONE = re.compile(r"5\.(?:1\.[1-9]\d*|2\.1|4\.310)")

_FULL_WORDS = re.compile(
    r"quota|(?:mail)?box (?:is |appears to be )?(?:\w+ )?full|full mailbox|inbox is full|out of (?:storage|space)|"
    r"insufficient (?:system )?(?:storage|disk)|exceeded (?:its |the |their )?(?:storage|mailbox)|"
    r"(?:storage|mailbox) (?:size )?(?:limit|allocation)|postfach (?:ist )?voll|überfüllt|"
    r"receiving mail (?:at a rate|too quickly)|boîte (?:aux lettres )?"
    r"(?:est )?pleine|buzón (?:está )?lleno|casella piena|not enough storage",
    re.IGNORECASE,
)
_BLOCK_WORDS = re.compile(
    r"spamhaus|spamcop|barracuda|dnsbl|\brbl\b|black ?list|block ?list|denylist|\bdmarc\b|\bdkim\b|\bspf\b|"
    r"\bspam\b|reputation|unsolicited|(?:security|content|local|sender|message|mail) polic|"
    r"policy (?:reasons|violation)|"
    r"[:(]blocked\)|administrative(?:ly)? prohibit|not authenticated|unauthenticated|relay(?:ing)? (?:access )?denied|"
    r"(?:message|mail|email|ip|client|sender|connection|you(?:r \w+)?) (?:is |was |has been |have been )?"
    r"(?:temporarily )?(?:blocked|banned)|sender (?:address )?(?:rejected|denied)|reverse dns|\bptr\b|virus|malware|"
    r"message (?:too|size|exceeds)|too (?:large|big)|(?:rate|connection) limit|too many (?:messages|connections)|"
    r"\br?dns record|client ip|invalid ip|adresse ip|\babuse\b|unwanted|access denied|forbidden|no access from|"
    r"\bbloqu[ée]|"
    r"not accepting connections|open relay",
    re.IGNORECASE,
)
#: Words that mean us even where the status says otherwise.
_SURELY_US = re.compile(
    r"spamhaus|spamcop|dnsbl|\brbl\b|black ?list|block ?list|\bdmarc\b|too many recipients|sender verif(?:y|ication)",
    re.IGNORECASE,
)
_GONE_WORDS = re.compile(
    r"(?:user|recipient|account|mailbox|address|person|addressee|empf.nger|alias)(?: name)? (?:is |was |ist )?"
    r"(?:\w+ )?(?:unknown|not (?:be )?found|(?:do|does )? ?n[o']t exist|unavailable|invalid|unbekannt|rejected|"
    r"inactive|not recogni[sz]ed|disabled|suspended|closed|deactivated|terminated|expired)|"
    r"(?:unknown|invalid|no such|nonexistent|non-existent|inactive|undefined|unbekannter?) "
    r"(?:\w+ )?(?:user|recipient|account|mailbox|address|person|alias|virtual|domain|host|empf.nger|local part)|"
    r"\bno (?:mail|in)?box here|does ?n[o']t have an? [\w.!-]+ account|unrout?e?able(?! sender)|"
    r"final delivery userid|not listed in|"
    r"(?:was|could)(?: not|n't)(?: be)? found|not our customer|no longer (?:\w+ )?(?:active|in use|available|valid|"
    r"here|employed|exist|works)|(?:host|domain)(?: or domain)?(?: name)? (?:was )?(?:not found|does ?n[o']t exist)|"
    r"has (?:been )?(?:disabled|closed|moved)|discontinued|existiert nicht|nicht (?:gefunden|bekannt)|"
    r"n'existe pas|inconnu|no existe|desconocid|non esiste|sconosciut|存在しません|見つかりません",
    re.IGNORECASE,
)
_GIVEN_UP = re.compile(
    r"(?:delivery time|retry time ?out|retry timeout|message)s? (?:\w+ )?(?:expired|exceeded)|"
    r"too long in (?:the )?queue|"
    r"giving up|given up|in the queue too long|could not be delivered for|not delivered within",
    re.IGNORECASE,
)
_STILL_TRYING = re.compile(
    r"delivery (?:is |has been |was )?(?:delayed|incomplete)|\bdelayed \d|message delayed|"
    r"\bdelay(?:ed)? (?:notif|deliver)|"
    r"will (?:be retried|retry|keep trying|continue|try again)|still (?:being )?(?:trying|retried)|"
    r"(?:this is a )?warning(?: message)? only|no action is required|do not need to (?:resend|retry)|"
    r"not (?:yet )?been delivered (?:yet|after)|could not send message for past|verzögert|retardé|"
    r"(?:temporary|transient) (?:problem|non-?fatal)",
    re.IGNORECASE,
)


def still_trying(said: str) -> bool:
    return bool(_STILL_TRYING.search(said)) and not _GIVEN_UP.search(said)


def kind_of(statuses: Sequence[str], said: str, action: str = "failed") -> EventKind:
    """`statuses` are status codes, `said` the words of the server that refused, `action` that of RFC 3464."""
    if (known := ACTIONS.get(action.lower())) is not None:
        return known
    if any(map(_OF_US.fullmatch, statuses)) or _SURELY_US.search(said):
        return EventKind.BLOCKED
    if any(map(_FULL.fullmatch, statuses)) or _FULL_WORDS.search(said):
        return EventKind.SOFT_BOUNCE
    if any(map(_PASSING.fullmatch, statuses)):
        return EventKind.BLOCKED if _by_words(said) is EventKind.BLOCKED else EventKind.SOFT_BOUNCE
    if any(map(_GONE.fullmatch, statuses)):
        return EventKind.HARD_BOUNCE
    return _by_words(said)


def refusal(said: str) -> EventKind:
    """The same of a server's answer to a recipient or to a message (RFC 5321 section 4.2)."""
    return kind_of(STATUS.findall(said), said)


def _by_words(said: str) -> EventKind:
    """Where no status says anything. A server that says both names the reader's trouble first."""
    gone, blocked = _GONE_WORDS.search(said), _BLOCK_WORDS.search(said)
    if gone and (not blocked or gone.start() < blocked.start()):
        return EventKind.HARD_BOUNCE
    return EventKind.BLOCKED if blocked else EventKind.SOFT_BOUNCE


def code_of(statuses: Sequence[str]) -> str:
    """The status that says most."""
    return next((one for one in statuses if not one.endswith(".0.0")), next(iter(statuses), ""))
