"""The body of a SendBulkEmail call: one template, filled in by SES for each reader."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

import orjson

from publisher.kit.message import (
    ONE_CLICK,
    UNSUBSCRIBE_URL,
    address,
    address_header,
    list_headers,
    mailbox,
    personal,
    web_address,
)
from publisher.model import Letter, Mailing, Rendered

#: Names batch and position in a message itself, for events that come without its tags.
LETTER = "X-Publisher-Letter"

_LONGEST = 995  # characters of a header's value
#: A brace that would meet one of ours or another before it, and a backslash that would undo one.
_BRACE = re.compile(r"(?<=\{)\{|\A\}|[{\\]\Z")
_BETWEEN = re.compile(r"(?<=\{)(?=\{)|\A(?=\})|(?<=[{\\])\Z")
_WORD_JOINER = "\u2060"  # invisible, and no line breaks at it


def calls(letters: Iterable[Letter]) -> list[tuple[Letter, ...]]:
    """The letters that SES can take, by variant, each in their order: one call has one body."""
    by_variant: dict[int, list[Letter]] = {}
    for letter in letters:
        if not unsendable(letter):
            by_variant.setdefault(letter.variant, []).append(letter)
    return [tuple(together) for together in by_variant.values()]


def unsendable(letter: Letter) -> str:
    """Why SES can never take a letter, or "". One such entry would have the whole call refused."""
    local, _, host = address(letter.email).rpartition("@")
    if not local or not host:
        return "this is no address"
    if not local.isascii():
        return "SES cannot send to an address with letters beyond ASCII before the @ (SMTPUTF8, RFC 6531)"
    if len(web_address(letter.unsubscribe_url)) > _LONGEST - 2:
        return "the unsubscribe link is too long for a header"
    return ""


def payload(mailing: Mailing, letters: tuple[Letter, ...], configuration_set: str) -> bytes:
    """The body of one SendBulkEmail call. Names of readers stay out: one that SES dislikes would refuse it."""
    headers = list_headers(mailing.list_id)
    if any(letter.unsubscribe_url for letter in letters):
        headers.append(("List-Unsubscribe-Post", ONE_CLICK))
    # Nothing but its link differs from reader to reader, so any letter yields the body of all.
    body = personal(mailing.variants[letters[0].variant], letters[0]._replace(unsubscribe_url=UNSUBSCRIBE_URL))
    call: dict[str, object] = {
        "FromEmailAddress": _unfolded(address_header(mailing.sender)),
        "DefaultEmailTags": [{"Name": "batch", "Value": mailing.key}],
        "DefaultContent": {
            "Template": {
                "TemplateContent": _template(body),
                "TemplateData": _data(""),
                "Headers": _headers(headers),
            }
        },
        "BulkEmailEntries": [_entry(mailing, letter) for letter in letters],
    }
    if mailing.reply_to:
        call["ReplyToAddresses"] = [address(mailbox(mailing.reply_to)[1])]
    if configuration_set:
        call["ConfigurationSetName"] = configuration_set
    return orjson.dumps(call)


def _entry(mailing: Mailing, letter: Letter) -> dict[str, object]:
    """One reader. Its own headers add to those of the template, and its tags to the default ones."""
    url = web_address(letter.unsubscribe_url)
    headers = [(LETTER, f"{mailing.key}/{letter.position}")]
    if url:
        headers.append(("List-Unsubscribe", f"<{url}>"))
    return {
        "Destination": {"ToAddresses": [address(letter.email)]},
        "ReplacementTags": [{"Name": "rid", "Value": str(letter.position)}],
        "ReplacementEmailContent": {"ReplacementTemplate": {"ReplacementTemplateData": _data(url)}},
        "ReplacementHeaders": _headers(headers),
    }


def _template(body: Rendered) -> dict[str, str]:
    """The body with SES's variables where the link goes, and none else: SES knows no escape, so braces of an article
    are kept apart, in HTML by their number and in text by a letter that nobody sees.

    SES puts values in as they are, so HTML has a variable of its own.
    """
    html = [_BRACE.sub(lambda found: f"&#{ord(found[0])};", piece) for piece in body.html.split(UNSUBSCRIBE_URL)]
    text = [_BETWEEN.sub(_WORD_JOINER, piece) for piece in body.text.split(UNSUBSCRIBE_URL)]
    return {
        "Subject": _BETWEEN.sub(_WORD_JOINER, body.subject),
        "Html": "{{unsubscribe_html}}".join(html),
        "Text": "{{unsubscribe}}".join(text),
    }


def _data(url: str) -> str:
    """A variable without a value would be found out after SES accepted the message, and nothing would be sent."""
    return orjson.dumps({"unsubscribe": url, "unsubscribe_html": escape(url)}).decode()


def _headers(fields: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": _unfolded(value)} for name, value in fields]


def _unfolded(value: str) -> str:
    return value.replace("\r\n ", " ")
