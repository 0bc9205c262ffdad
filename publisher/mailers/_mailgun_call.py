"""A mailing as one call to Mailgun: what all letters share, and variables for what they do not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from html import escape

import orjson

from publisher.kit.message import (
    UNSUBSCRIBE_URL,
    address,
    address_header,
    addresses,
    list_headers,
    mailbox,
    personal,
    unsubscribe_headers,
    web_addresses,
)
from publisher.mailers._shared import one_lines
from publisher.model import Letter, Mailing, Rendered

#: What Mailgun might fill in, also what has no end of its own: it might take the beginning of our variables for that. A
#: percent sign before two hexadecimal digits belongs to a web address.
_SYNTAX = re.compile(
    r"%(?![0-9A-Fa-f]{2})(?=[A-Za-z_][\w.:-]*%|recipient|(?:tag_|mailing_list_)?unsubscribe)", re.IGNORECASE
)
_WORD_JOINER = "\u2060"  # invisible, and no line breaks at it

_OPTION = re.compile(rb'name="([ohv]:[^"]+)"\r\n\r\n(.*?)\r\n--', re.DOTALL)

_LINK = "%recipient.unsubscribe%"
_LINK_IN_HTML = "%recipient.unsubscribe_html%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`options` are Mailgun's settings, headers and variables for events (o:, h:, v:); `bodies` the rest of the
    message; `variables` what differs, by bare address."""

    options: list[tuple[str, str]]
    bodies: list[tuple[str, str]]
    variables: dict[str, dict[str, str]]

    def encoded(self) -> bytes:
        """As multipart/form-data (RFC 7578), which begins with its own boundary. That comes from the content: so it
        is always the same, and nobody who writes a part of the content can know it."""
        variables, fields = orjson.dumps(self.variables), (*self.options, *self.bodies)
        values = "".join((*(value for _, value in fields), *self.variables)).encode()
        boundary = sha256(values + variables).hexdigest()[:40]
        lead = f'--{boundary}\r\nContent-Disposition: form-data; name="'
        shared = "".join([f'{lead}{name}"\r\n\r\n{value}\r\n' for name, value in fields])
        to = f'{lead}to"\r\n\r\n'
        readers = to + f"\r\n{to}".join(self.variables)
        before, after = f'{readers}\r\n{lead}recipient-variables"\r\n\r\n', f"\r\n--{boundary}--\r\n"
        return b"".join((shared.encode(), before.encode(), variables, after.encode()))


def boundary(encoded: bytes) -> str:
    return encoded[2 : encoded.index(b"\r\n")].decode()


def options_size(encoded: bytes, letters: tuple[Letter, ...]) -> int:
    """Bytes of all options of a call, with the longest values of these letters filled in."""
    head = encoded[: encoded.index(b'name="from"')]
    longest = max([len(letter.unsubscribe_url) + len(letter.message_id) for letter in letters])
    return sum(len(name) + len(value) for name, value in _OPTION.findall(head)) + longest


def call(mailing: Mailing, letters: tuple[Letter, ...]) -> Call:
    """Raises ValueError when the letters cannot share a body."""
    numbers = {letter.variant for letter in letters}
    if len(numbers) != 1:
        raise ValueError(f"one call to Mailgun carries one variant, and batch {mailing.key} has {len(numbers)}")
    urls = web_addresses([letter.unsubscribe_url for letter in letters])
    linked = all(urls)
    if any(urls) != linked:
        raise ValueError("letters with and without an unsubscribe link cannot share a call to Mailgun")
    together = "".join(urls)
    escaped = escape(together) != together
    return Call(
        options=_options(mailing, linked=linked),
        bodies=_bodies(mailing, letters[0], linked=linked, escaped=escaped),
        variables=_variables(letters, urls if linked else [], escaped=escaped),
    )


def _variables(letters: tuple[Letter, ...], urls: list[str], *, escaped: bool) -> dict[str, dict[str, str]]:
    """By bare address. `urls` are the letters' own, or none."""
    ids = one_lines([letter.message_id for letter in letters], 998)
    variables = {
        key: {"rid": str(letter.position), "message_id": id.strip("<>")}
        for key, letter, id in zip(_emails(letters), letters, ids, strict=True)
    }
    for one, url in zip(variables.values(), urls, strict=bool(urls)):
        one["unsubscribe"] = url
        if escaped:
            one["unsubscribe_html"] = escape(url)
    return variables


def once(letters: tuple[Letter, ...]) -> tuple[tuple[Letter, ...], tuple[Letter, ...]]:
    """Letters that can share a call, and those whose address is already in it: variables go by address."""
    keys = [key.lower() for key in _emails(letters)]
    if len(set(keys)) == len(letters):
        return letters, ()
    taken: dict[str, Letter] = {}
    for key, letter in zip(keys, letters, strict=True):
        taken.setdefault(key, letter)
    first = {letter.position for letter in taken.values()}
    return tuple(taken.values()), tuple(letter for letter in letters if letter.position not in first)


def email(letter: Letter) -> str:
    """The address as a key of the variables: whether Mailgun minds its case is not documented."""
    return _key(address(letter.email))


def _emails(letters: tuple[Letter, ...]) -> list[str]:
    """`email` of all of them."""
    given = addresses([letter.email for letter in letters])
    return given if "".join(given).islower() else list(map(_key, given))


def _key(address: str) -> str:
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{domain.lower()}"


def tag(key: str) -> str:
    """A batch's own tag: letters and digits alone, so that no filter takes it apart. At most 128 characters."""
    return re.sub(r"[^a-z0-9]", "", key.lower())[:128] or "0"


def _options(mailing: Mailing, *, linked: bool) -> list[tuple[str, str]]:
    headers = [
        # One for everybody would make one conversation of all readers' replies. The answer repeats this unfilled.
        ("Message-Id", "<%recipient.message_id%>"),
        *unsubscribe_headers(_LINK if linked else ""),
        *list_headers(_inert(mailing.list_id)),
    ]
    if mailing.reply_to:
        headers.append(("Reply-To", address(mailbox(mailing.reply_to)[1])))
    return [
        ("o:tag", tag(mailing.key)),
        ("o:tracking", "no"),
        ("o:tracking-clicks", "no"),
        ("o:tracking-opens", "no"),
        *((f"h:{name}", value.replace("\r\n ", " ")) for name, value in headers),  # it folds them itself
        ("v:batch", mailing.key),
        ("v:rid", "%recipient.rid%"),
    ]


def _bodies(mailing: Mailing, letter: Letter, *, linked: bool, escaped: bool) -> list[tuple[str, str]]:
    """Mailgun encodes the subject itself. It gets names wrong that are beyond ASCII and need quotes, so a name
    beyond ASCII is encoded here."""
    given = mailing.variants[letter.variant]
    inert = Rendered(subject=_inert(given.subject), html=_inert(given.html, "&#37;"), text=_inert(given.text))
    shared = personal(inert, letter._replace(unsubscribe_url=UNSUBSCRIBE_URL))
    link, in_html = (_LINK, _LINK_IN_HTML if escaped else _LINK) if linked else ("", "")
    return [
        ("from", address_header(_inert(mailing.sender)).replace("\r\n ", " ")),
        ("subject", shared.subject),
        ("text", shared.text.replace(UNSUBSCRIBE_URL, link)),
        ("html", shared.html.replace(UNSUBSCRIBE_URL, in_html)),
    ]


def _inert(text: str, percent: str = f"%{_WORD_JOINER}") -> str:
    """Text in which Mailgun finds nothing to fill in, and which reads the same."""
    return _SYNTAX.sub(percent, text)
