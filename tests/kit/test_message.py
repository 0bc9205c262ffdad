"""A message joined from pieces is the message that the standard library would have built."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import parseaddr
from html import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.kit.message import (
    UNSUBSCRIBE_URL,
    address,
    domain,
    fill,
    mailbox,
    message_id,
    messages,
    mould,
    neutralise,
)
from publisher.mailers.smtp import Smtp
from publisher.model import Letter, Mailing, Rendered

DATE = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
LINK = "https://news.harbour-gazette.example/u/AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8w"
DIGEST = Rendered(
    subject="Ferry back – and three more",
    html=f'<p style="color:#123">Fáilte!</p>\n<p><a href="{UNSUBSCRIBE_URL}">Leave</a> or {UNSUBSCRIBE_URL}</p>\n',
    text=f"Fáilte!\n.\nLeave: {UNSUBSCRIBE_URL}\n",
)
ORLA = Letter(
    position=0,
    email="orla@reader.example",
    name="Orla Ní Bhriain",
    variant=1,
    message_id=message_id("daily", "daily:2026-11-22", b"o" * 12, "harbour-gazette.example"),
    unsubscribe_url=LINK,
)


def written(letter: Letter = ORLA, rendered: Rendered = DIGEST, **changes: str) -> bytes:
    return messages(mailing(letter, rendered=rendered, **changes))[0]


def mailing(*letters: Letter, rendered: Rendered = DIGEST, **changes: str) -> Mailing:
    values = {
        "sender": "The Harbour Gazette <daily@harbour-gazette.example>",
        "reply_to": "desk@harbour-gazette.example",
        "list_id": "The Harbour Gazette Daily <daily.harbour-gazette.example>",
        **changes,
    }
    return Mailing(
        key="k", edition="daily/daily:2026-11-22", date=DATE, variants={1: rendered}, letters=letters, **values
    )


def parsed(data: bytes) -> EmailMessage:
    message = message_from_bytes(data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    assert not [defect for part in message.walk() for defect in part.defects]
    assert not [defect for value in message.values() for defect in value.defects]
    return message


def naive(letter: Letter, rendered: Rendered) -> EmailMessage:
    """The same message, built whole by the standard library."""
    message = EmailMessage(policy=policy.SMTP)
    message["To"] = Address(letter.name, addr_spec=letter.email)
    message["Message-ID"] = letter.message_id
    message["List-Unsubscribe"] = f"<{letter.unsubscribe_url}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message["From"] = Address("The Harbour Gazette", addr_spec="daily@harbour-gazette.example")
    message["Subject"] = rendered.subject
    message["Reply-To"] = "desk@harbour-gazette.example"
    message["Date"] = DATE
    message["List-Id"] = "The Harbour Gazette Daily <daily.harbour-gazette.example>"
    message["Precedence"] = "bulk"
    message.set_content(rendered.text.replace(UNSUBSCRIBE_URL, letter.unsubscribe_url), cte="base64")
    html = rendered.html.replace(UNSUBSCRIBE_URL, escape(letter.unsubscribe_url))
    message.add_alternative(html, subtype="html", cte="base64")
    return message


def bodies(message: EmailMessage) -> list[tuple[str, str]]:
    return [
        (part.get_content_type(), part.get_content().replace("\r\n", "\n").rstrip("\n"))
        for part in message.iter_parts()
    ]


def recipient(data: bytes) -> tuple[str, str]:
    """Name and address as a mail program shows them; the newer parser keeps blanks between encoded words."""
    name, email = parseaddr(message_from_bytes(data)["To"].replace("\r\n", ""))
    return str(make_header(decode_header(name))), email


def headers(message: EmailMessage) -> dict[str, str]:
    return {name: str(value) for name, value in message.items() if name not in {"To", "Content-Type", "MIME-Version"}}


# Letters and signs of any language; control characters never get past collecting.
words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=200)
lines = st.lists(
    words | st.sampled_from([".", "..", "From here", "a=b", "=20", "x" * 2000, "x" * 75 + "." * 200, " ", "-- "])
).map("\n".join)
bodies_with_links = st.lists(lines).map(UNSUBSCRIBE_URL.join)
links = st.text("abcXYZ019-_=&%.;'", max_size=400).map(lambda path: f"https://news.harbour-gazette.example/u/{path}")


@settings(deadline=None)  # how long one takes is the machine's business
@given(words.filter(str.strip), words, bodies_with_links, bodies_with_links, links)
def test_joined_pieces_are_the_message_the_standard_library_builds(name, subject, html, text, link):
    letter = ORLA._replace(name=" ".join(name.split()), unsubscribe_url=link)
    rendered = Rendered(subject=" ".join(subject.split()), html=html, text=text)
    data = written(letter, rendered)
    ours, theirs = parsed(data), naive(letter, rendered)

    assert bodies(ours) == bodies(theirs)
    assert headers(ours) == headers(theirs)
    assert recipient(data) == (letter.name, letter.email)
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert not [line for line in data.split(b"\r\n") if line.startswith(b".")]
    body = data.partition(b"\r\n\r\n")[2]
    assert max(map(len, body.split(b"\r\n"))) <= 76
    assert not data.replace(b"\r\n", b"").count(b"\n")
    assert not data.replace(b"\r\n", b"").count(b"\r")
    assert data.isascii()


@pytest.mark.parametrize("before", ["", " "])
@pytest.mark.parametrize("length", range(70, 80))
def test_a_link_fits_behind_a_line_of_any_length(length, before):
    text = f"{'a' * length}{before}{UNSUBSCRIBE_URL} b"
    data = written(rendered=Rendered(subject="", html="", text=text))
    assert dict(bodies(parsed(data)))["text/plain"] == text.replace(UNSUBSCRIBE_URL, LINK)
    lines = data.partition(b"\r\n\r\n")[2].split(b"\r\n")
    assert max(map(len, lines)) <= 76
    assert not any(line.endswith((b" ", b"\t")) for line in lines)


def test_everything_a_newsletter_must_carry_is_there():
    message = parsed(written())
    assert message["To"] == "Orla Ní Bhriain <orla@reader.example>"
    assert message["List-Unsubscribe"] == f"<{LINK}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Date"] == "Sun, 22 Nov 2026 07:00:00 +0000"
    assert message["Auto-Submitted"] is None
    assert [kind for kind, _ in bodies(message)] == ["text/plain", "text/html"]


def test_a_notice_names_no_list_and_says_it_is_automatic():
    message = parsed(written(ORLA._replace(unsubscribe_url=""), list_id="", reply_to=""))
    assert message["Auto-Submitted"] == "auto-generated"
    for name in ("List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Precedence", "Reply-To"):
        assert message[name] is None


def test_each_reader_gets_their_own_link_and_the_same_mailing_the_same_bytes():
    aoife = ORLA._replace(position=1, email="aoife@reader.example", name="", unsubscribe_url=f"{LINK}?a=1&b='2'")
    first, second = messages(mailing(ORLA, aoife))
    assert tuple(messages(mailing(ORLA, aoife))) == (first, second)
    (_, text), (_, html) = bodies(parsed(second))
    assert text.endswith(f"Leave: {LINK}?a=1&b='2'")
    assert f'href="{LINK}?a=1&amp;b=&#x27;2&#x27;"' in html
    assert b"bhriain" not in second.lower()


@pytest.mark.parametrize("bad", ["\r\nBcc: all@reader.example", "\nX-Evil: 1", "\0", "\r", "\u2028X: 1", "\x85X: 1"])
def test_no_value_can_add_a_header(bad):
    letter = ORLA._replace(
        name=f"Orla{bad}",
        email=f"orla@reader.example{bad}",
        unsubscribe_url=f"{LINK}{bad}",
        message_id=f"{ORLA.message_id}{bad}",
    )
    data = written(
        letter,
        replace(DIGEST, subject=f"News{bad}"),
        sender=f"Gazette{bad} <daily@harbour-gazette.example{bad}>",
        list_id=f"Daily{bad} <daily.harbour-gazette.example{bad}>",
        reply_to=f"desk@harbour-gazette.example{bad}",
    )
    message = message_from_bytes(data, policy=policy.default)
    assert sorted(message.keys()) == sorted(parsed(written()).keys())
    assert b"\0" not in data


@pytest.mark.parametrize(
    "name", ['Murphy, "Spud" (Séan)', 'a\\b"', "=?utf-8?q?x?=", "orla@x", "Dr. No", "💌 " * 40, "a<b>c"]
)
def test_a_hostile_name_stays_a_name(name):
    data = written(ORLA._replace(name=name))
    assert len(parsed(data)["To"].addresses) == 1
    assert recipient(data) == (name.strip(), "orla@reader.example")


def test_an_address_cannot_become_two():
    assert address("orla@reader.example") == "orla@reader.example"
    assert address("o'b+tag@reader.example") == "o'b+tag@reader.example"
    assert address("orla@dún.example") == "orla@xn--dn-rka.example"
    assert address('"o b"@reader.example') == '"o b"@reader.example'
    assert address("a@b.example>, <c@d.example") == '"a@b.example>, <c"@d.example'
    assert address("a@b.example\r\nRCPT TO:<c@d.example>").count("\n") == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("daily@harbour-gazette.example", ("", "daily@harbour-gazette.example")),
        ("The Gazette <daily@x.example>", ("The Gazette", "daily@x.example")),
        (r'"Gazette, \"The\"" <daily@x.example>', ('Gazette, "The"', "daily@x.example")),
        ('"A <b>" <daily@x.example>', ("A <b>", "daily@x.example")),
    ],
)
def test_a_mailbox_is_a_name_and_an_address(text, expected):
    assert mailbox(text) == expected
    assert domain(text) == expected[1].partition("@")[2]


def test_an_address_beyond_ascii_is_kept_for_servers_that_can():
    assert "órla@reader.example".encode() in written(ORLA._replace(email="órla@reader.example"))


def test_article_text_cannot_pose_as_a_placeholder():
    article = f"<p>{UNSUBSCRIBE_URL}</p>"
    assert UNSUBSCRIBE_URL not in neutralise(article)
    assert neutralise("<p>the publisher</p>") == "<p>the publisher</p>"
    data = written(rendered=replace(DIGEST, html=neutralise(article) + UNSUBSCRIBE_URL))
    assert dict(bodies(parsed(data)))["text/html"].count(LINK) == 1


def test_a_message_id_is_the_same_for_ever_and_differs_by_newsletter_slot_and_reader():
    one = message_id("daily", "daily:2026-11-22", b"o" * 12, "harbour-gazette.example")
    assert one == "<6e8a75656f8f7fee754dbccb881d5b32@harbour-gazette.example>"
    others = {
        message_id("daily", "daily:2026-11-23", b"o" * 12, "harbour-gazette.example"),
        message_id("weekly", "daily:2026-11-22", b"o" * 12, "harbour-gazette.example"),
        message_id("dailyd", "aily:2026-11-22", b"o" * 12, "harbour-gazette.example"),
        message_id("daily", "daily:2026-11-22", b"a" * 12, "harbour-gazette.example"),
    }
    assert len(others | {one}) == 5


def test_half_a_surrogate_pair_does_not_stop_a_batch():
    data = written(ORLA._replace(name="Orla \ud83d"), Rendered(subject="\udc00", html="\ud800", text="\ud800"))
    assert dict(bodies(parsed(data))) == {"text/plain": "?", "text/html": "?"}


def test_a_link_too_long_for_any_header_is_an_error_and_not_a_broken_message():
    form = mould(DIGEST, sender="a@b.example", reply_to="", list_id="d.b.example", date=DATE)
    with pytest.raises(ValueError, match="998"):
        fill(form, ORLA._replace(unsubscribe_url="https://x.example/" + "a" * 1000))


_FEW = st.text("ab: \n.", max_size=4)  # so few letters that what is said in two places is often the same altogether
_SHOWN = st.builds(
    lambda subject, html, text, links: Rendered(
        subject=subject, html=html + UNSUBSCRIBE_URL * links + html, text=text + UNSUBSCRIBE_URL * links
    ),
    _FEW,
    _FEW,
    _FEW,
    st.integers(0, 2),
)
_LETTERS = st.builds(
    lambda name, email, own, link: ORLA._replace(
        name=name, email=f"{email}@x.example", message_id=own, unsubscribe_url=link
    ),
    _FEW,
    st.sampled_from(["a", "b", "a.b"]),
    _FEW,
    _FEW,
)


@given(first=st.tuples(_LETTERS, _SHOWN), second=st.tuples(_LETTERS, _SHOWN))
def test_messages_have_the_same_proof_only_when_they_are_the_same(first, second):
    one, other = (messages(mailing(letter, rendered=rendered)) for letter, rendered in (first, second))
    assert (one.proofs() == other.proofs()) == (list(one) == list(other))


@pytest.mark.parametrize("change", [{"name": "Orla"}, {"email": "o@reader.example"}, {"message_id": "<1@x>"}])
def test_whatever_changes_in_a_message_changes_what_is_committed_before_it_leaves(change):
    mailer, letter = Smtp("smtp", "localhost"), ORLA._replace(**change)
    digests = {
        mailer.prepare(changed).digest
        for changed in (
            mailing(ORLA),
            mailing(letter),
            mailing(ORLA, letter),
            mailing(letter, ORLA),
            mailing(ORLA, rendered=replace(DIGEST, html=DIGEST.html + " ")),
            mailing(ORLA, sender="Another <daily@harbour-gazette.example>"),
        )
    }
    assert len(digests) == 6
    assert mailer.prepare(mailing(ORLA)).digest in digests
