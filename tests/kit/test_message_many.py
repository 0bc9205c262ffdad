"""Ten thousand readers: joining pieces gives each of them the message that would have been built for them alone."""

from __future__ import annotations

import random
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime, formataddr, parseaddr
from html import escape
from uuid import UUID

import pytest

from publisher.kit import message
from publisher.kit.tokens import Key, KeyRing
from publisher.kit.verp import PURPOSE, ReturnPaths, returned
from publisher.model import Letter, Mailing, Rendered
from tests.kit.test_message import DATE

pytestmark = pytest.mark.full

READERS = 10_000
NAMES = (
    *("Orla Keane", "Tom Daly", "Ann-Marie O'Neill", "", "Dr. Ray, Jr.", 'The "Captain"', "x" * 120),
    *(
        "Bríd Ní Mháille",
        "Léa Núñez",
        "سميرة حداد",
        "Σωκράτης",
        "李小龙",
        "Ωmega" * 12,
        "🦭 the seal",
    ),
)
KEY = Key(id=b"abcd", secret=b"k" * 32)
LIST_ID = "The Harbour Gazette Daily <daily.harbour-gazette.example>"
VARIANTS = {
    number: Rendered(
        subject=f"Fáilte, edition {number}",
        html=f'<p>Variant {number} – {"ferry " * 300}</p><a href="{message.UNSUBSCRIBE_URL}">Leave</a> or '
        f"{message.UNSUBSCRIBE_URL}\n",
        text=f"Variant {number} – {'ferry ' * 100}\n\nLeave:\n{message.UNSUBSCRIBE_URL}\n",
    )
    for number in range(1, 8)
}


def letters() -> tuple[Letter, ...]:
    chance = random.Random(2026)
    people = [chance.randbytes(12) for _ in range(READERS)]
    tokens = KeyRing((KEY,), KEY).unsubscribe_tokens("daily", people)
    made = []
    for position, (public, token) in enumerate(zip(people, tokens, strict=True)):
        made.append(
            Letter(
                position=position,
                email=f"reader.{position}@{chance.choice(('reader', 'mail', 'post.office'))}.example",
                name=chance.choice(NAMES),
                variant=chance.randrange(1, 8),
                message_id=message.message_id("daily", "daily:2026-11-22", public, "harbour-gazette.example"),
                unsubscribe_url=f"https://news.harbour-gazette.example/u/{token}" + chance.choice(("", "?a=1&b='2'")),
            )
        )
    return tuple(made)


def naive(letter: Letter) -> bytes:
    """The whole message, built for one reader by the standard library."""
    shown, url = VARIANTS[letter.variant], letter.unsubscribe_url
    made = MIMEMultipart("alternative")
    made["To"] = formataddr((letter.name, letter.email))
    made["Message-ID"] = letter.message_id
    made["List-Unsubscribe"] = f"<{url}>"
    made["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    made["From"] = "The Harbour Gazette <daily@harbour-gazette.example>"
    made["Subject"] = shown.subject
    made["Date"] = format_datetime(DATE)
    made["List-Id"] = LIST_ID
    made["Precedence"] = "bulk"
    made.attach(MIMEText(shown.text.replace(message.UNSUBSCRIBE_URL, url), "plain", "utf-8"))
    made.attach(MIMEText(shown.html.replace(message.UNSUBSCRIBE_URL, escape(url)), "html", "utf-8"))
    return made.as_bytes()


def read(data: bytes) -> tuple[object, ...]:
    """A message as a mail program reads it: every header but those of its outer form, and both bodies."""
    parsed: Message = message_from_bytes(data)
    name, email = parseaddr(str(parsed["To"]).replace("\r", "").replace("\n", ""))
    words = {
        key: " ".join(str(make_header(decode_header(value))).split())
        for key, value in parsed.items()
        if key not in {"To", "MIME-Version", "Content-Type"}
    }
    parts = [
        (part.get_content_type(), part.get_content_charset(), part.get_payload(decode=True).replace(b"\r\n", b"\n"))
        for part in parsed.walk()
        if not part.is_multipart()
    ]
    return str(make_header(decode_header(name))), email, words, [(*kind, body.rstrip()) for *kind, body in parts]


def test_ten_thousand_readers_each_get_what_would_have_been_built_for_them() -> None:
    mailing = Mailing(
        key="k",
        edition="daily/daily:2026-11-22",
        sender="The Harbour Gazette <daily@harbour-gazette.example>",
        reply_to="",
        list_id=LIST_ID,
        date=DATE,
        variants=VARIANTS,
        letters=letters(),
    )

    joined = message.messages(mailing)

    assert len(joined) == READERS
    for letter, data in zip(mailing.letters, joined, strict=True):
        assert read(data) == read(naive(letter))
    assert len({letter.unsubscribe_url for letter in mailing.letters}) == READERS
    assert len({letter.message_id for letter in mailing.letters}) == READERS


def test_every_letter_has_a_return_path_of_its_own() -> None:
    derived = (KEY.derived(PURPOSE),)
    paths, batch = ReturnPaths("bounces@harbour-gazette.example", derived), str(UUID(int=7))

    made = [paths.of(batch, position) for position in range(READERS)]

    assert len(set(made)) == READERS
    assert [returned(path, derived) for path in made] == [(batch, position) for position in range(READERS)]
