"""What every mailer needs."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256

import orjson

from publisher.errors import Failure, WebhookRejected
from publisher.kit.message import address, addresses, mailbox
from publisher.model import Letter, MailEvent, Mailing, Outcome, Prepared, Question, Result

_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
#: Where a server refused the sender, by policy or for security (RFC 3463 section 3.8); no part of an address.
SENDERS_FAULT = re.compile(r"(?<![\d.])5\.7\.\d{1,3}(?!\.?\d)")
#: How providers say that the account may send no more for now, and that they will not have us as a sender.
_QUOTA = re.compile(r"quota|\bcredits?\b|\blimit (?:is |was )?(?:exceeded|reached)|\b[45]\.4\.5\b", re.IGNORECASE)
_REPUTATION = re.compile(
    r"suspend|paused|disabled|block(?:ed|list)|blacklist|\bspam|reputation|\babus|\bbanned|not approved|may not send",
    re.IGNORECASE,
)


def failure_of(said: str) -> Failure:
    """Why a mailer refuses us altogether, by its words."""
    if _QUOTA.search(said):
        return Failure.QUOTA
    return Failure.REPUTATION if _REPUTATION.search(said) else Failure.CREDENTIALS


def account_of(kind: str, *parts: str) -> str:
    """`ports.Mailer.account`, from what names the account and the place in it. A key of an API may be among the parts,
    since nobody can guess one from its hash; a password, which people choose, may not."""
    return sha256(orjson.dumps((kind, *parts))).hexdigest()[:16]


class NothingToAsk:
    """For mailers that cannot tell what became of a batch."""

    def look_up(self, question: Question, *, now: datetime) -> tuple[Result, ...]:
        return tuple(Result(position=letter.position, outcome=Outcome.UNKNOWN) for letter in question.letters)


class NoLine:
    """For mailers that keep no connection from call to call."""

    def close(self) -> None:
        return


class NoRate:
    """For mailers that do not tell what they take in a second."""

    def rate(self) -> float | None:
        return 0.0


class NoWebhook:
    """For mailers that call nobody."""

    def events(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> tuple[MailEvent, ...]:
        raise WebhookRejected("this mailer sends no events")


def prepared(mailing: Mailing, payloads: Sequence[bytes], proofs: Sequence[bytes] = ()) -> Prepared:
    """The payloads with their digest, which also covers who they are from and to, outside of their own bytes. Where
    there are `proofs` the digest is over these: each is equal only where its payload is."""
    sender = address(mailbox(mailing.sender)[1])
    envelope = (sender, *addresses([letter.email for letter in mailing.letters]))
    digest = sha256(orjson.dumps(envelope))
    for payload in proofs or payloads:
        digest.update(_size(payload))
        digest.update(payload)  # apart: a copy of a large one takes as long as its hash
    return Prepared(
        key=mailing.key,
        payloads=payloads,
        letters=mailing.letters,
        sender=sender,
        digest=digest.hexdigest(),
        largest=_largest(mailing, payloads, late=bool(proofs)),
    )


def _largest(mailing: Mailing, payloads: Sequence[bytes], *, late: bool) -> int:
    """Of letters that are made late, each again, one of each variant is as large as any."""
    if not late:
        return max(map(len, payloads), default=0)
    ones = {letter.variant: at for at, letter in enumerate(mailing.letters)}
    return max([len(payloads[at]) for at in ones.values()], default=0)


def _size(part: bytes) -> bytes:
    return len(part).to_bytes(8, "big")


def deferred(letters: Iterable[Letter], code: str, detail: str) -> list[Result]:
    """Proved: none of these has left, for no reason of their own."""
    return [
        Result(position=letter.position, outcome=Outcome.DEFERRED, code=code, detail=detail, shared=True)
        for letter in letters
    ]


def is_loopback(host: str) -> bool:
    """Whether a host of the settings is this machine, so that nothing sent there crosses a network."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def one_line(said: bytes | str, limit: int = 300) -> str:
    """What somebody else's server said, fit for an error message."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    if not (text.isascii() and text.isprintable() and "  " not in text):
        text = _BLANK.sub(" ", text)
    return text.strip()[:limit]


def one_lines(said: list[str], limit: int) -> list[str]:
    """As `one_line`, of many at once."""
    together = "".join(said)
    if together.isascii() and together.isprintable() and " " not in together:
        return [text[:limit] for text in said]
    return [one_line(text, limit) for text in said]
