"""Every rule: its usual level, why it is there, and how to mend what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from publisher.model import Level

BLOCK, WARN = Level.BLOCK, Level.WARN


@dataclass(frozen=True, slots=True)
class Rule:
    level: Level
    why: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What a check saw, before anybody says how grave it is. `why` is about this one place."""

    rule: str
    where: str
    why: str
    remedy: str = ""


RULES: Mapping[str, Rule] = {
    # ---------------------------------------------------------------- how it is shown
    "clip": Rule(BLOCK, "Gmail shows 102 KB and hides the rest", "Lower maximum_items, or show less of each story"),
    "unsupported": Rule(
        BLOCK, "a mail program loses content or layout over it", "Use tables, inlined styles and JPEG, PNG or GIF"
    ),
    "differs": Rule(WARN, "a mail program ignores it", "See how it looks there, or take it out"),
    "image-alt": Rule(
        BLOCK,
        "without the picture, or without eyes, nothing is told",
        'Give it an alt text, or alt="" where it says nothing',
    ),
    "image-size": Rule(
        WARN,
        "the text jumps while pictures load, and Outlook shows them as large as they are",
        "Give it width and height; a newsletter whose pictures are hosted measures them by itself",
    ),
    "image-weight": Rule(
        BLOCK,
        "on a phone it is slow to come, and costs readers money",
        "Set site.host_pictures = true, which makes pictures small, or give the story a smaller one",
    ),
    "image-lost": Rule(
        WARN, "readers see the story without it", "Put it in order at its source, or give the story another one"
    ),
    "image-source": Rule(BLOCK, "a picture must be fetched from a whole https address", "Give it an https address"),
    "contrast": Rule(
        WARN, "text is hard to read on its ground (WCAG 2.2, 1.4.3)", "Make the text darker or its ground lighter"
    ),
    "contrast-dark": Rule(
        WARN,
        "text is hard to read in dark mode (WCAG 2.2, 1.4.3)",
        "Give both, text and ground, a colour for dark mode",
    ),
    "invisible": Rule(
        BLOCK, "text in the colour of its ground is read by nobody, and is a mark of spam", "Give it another colour"
    ),
    "language": Rule(WARN, "a screen reader does not know how to pronounce it", 'Write <html lang="...">'),
    "direction": Rule(BLOCK, "Arabic and Hebrew read from right to left", 'Write <html dir="rtl">'),
    "text-part": Rule(BLOCK, "who reads plain text sees nothing, and it is a mark of spam", "Fill body.txt"),
    # ---------------------------------------------------------------- links
    "link-dead": Rule(BLOCK, "readers come to an error page", "Correct the link, or take it out"),
    "link-empty": Rule(BLOCK, "it leads nowhere", "Give it a whole address"),
    "link-private": Rule(BLOCK, "it leads into a network that readers cannot reach", "Use the public address"),
    "link-staging": Rule(BLOCK, "it leads to a page that is not published", "Use the address of the published page"),
    "link-plain": Rule(WARN, "it is not encrypted, and some mail programs warn of it", "Use https"),
    "link-tracked": Rule(WARN, "it is tracked twice", "Let only one tool rewrite links"),
    "link-mismatch": Rule(
        BLOCK, "it says one site and leads to another, as in phishing", "Let the text be words, or the same site"
    ),
    "unsubscribe": Rule(
        BLOCK,
        "readers must find a link to leave (and mark it as spam otherwise)",
        "Put {{ unsubscribe_url }} into the template",
    ),
    "address": Rule(
        BLOCK, "the law of many countries asks for a postal address", "Set site.postal_address and show it"
    ),
    # ---------------------------------------------------------------- what it says
    "template": Rule(BLOCK, "the syntax of a template is left over", "Correct the template, or the story"),
    "placeholder": Rule(BLOCK, "a text that stood in for another one is left over", "Correct the story"),
    "embargoed": Rule(BLOCK, "the story is not to be published yet", "Leave it out, or wait"),
    "retracted": Rule(BLOCK, "the story was withdrawn", "Leave it out: compose the edition anew"),
    "restored": Rule(
        BLOCK, "readers are told that the story was withdrawn, and it is not", "Leave it out: compose the edition anew"
    ),
    "subject-empty": Rule(BLOCK, "a message without a subject is taken for spam", "Give it a subject"),
    "subject-long": Rule(WARN, "every mail program cuts it off", "Say it in 90 characters"),
    "subject-repeated": Rule(
        WARN, "it is the last edition's subject, and many mail programs take it for the same", "Say what is new"
    ),
    "capitals": Rule(WARN, "all capitals are a mark of spam", "Write it in small letters"),
    "punctuation": Rule(WARN, "rows of marks in the subject are a mark of spam", "One mark is enough"),
    "image-only": Rule(BLOCK, "a picture without text is a mark of spam", "Tell in words what it shows"),
    # ---------------------------------------------------------------- headers
    "from": Rule(BLOCK, "there must be one sender with an address (RFC 5322, 3.6.2)", "Correct the sender"),
    "date": Rule(BLOCK, "a message has one date (RFC 5322, 3.6.1), and not tomorrow's", "Set this machine's clock"),
    "message-id": Rule(BLOCK, "a message has one Message-ID (RFC 5322, 3.6.4)", "Use the mailer's own messages"),
    "header-twice": Rule(
        BLOCK, "a header stands twice (RFC 5322, 3.6), and Gmail refuses that", "Take one of them out"
    ),
    "line-length": Rule(
        BLOCK, "a line is longer than 998 octets (RFC 5322, 2.1.1)", "Use an encoding that breaks lines"
    ),
    "list-unsubscribe": Rule(
        BLOCK,
        "Gmail and Yahoo want List-Unsubscribe with an https address (RFC 2369, RFC 8058)",
        "Set site.public_url to an https address",
    ),
    "one-click": Rule(
        BLOCK,
        "Gmail and Yahoo want List-Unsubscribe-Post: List-Unsubscribe=One-Click (RFC 8058)",
        "Use the mailer's own messages",
    ),
    "list-id": Rule(BLOCK, "readers sort by List-Id (RFC 2919)", "Give the newsletter a name and the site a url"),
    # ---------------------------------------------------------------- the sender's domain
    "spf": Rule(WARN, "servers cannot tell who may send for the domain (RFC 7208)", "Publish one v=spf1 record"),
    "dkim": Rule(
        BLOCK, "servers cannot check the signature (RFC 6376)", "Publish the key under the selector, or correct it"
    ),
    "dmarc": Rule(
        WARN,
        "Gmail and Yahoo want a DMARC record of whoever mails many (RFC 7489)",
        'Publish "v=DMARC1; p=none" or stricter at _dmarc',
    ),
}
