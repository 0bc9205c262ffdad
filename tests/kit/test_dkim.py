from __future__ import annotations

import re
from base64 import b64decode
from datetime import UTC, datetime
from hashlib import sha256

import dkim
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from dkim.canonicalization import Relaxed, Simple

from publisher.kit.dkim import SIGNED, Signer
from publisher.kit.message import messages
from tests.contracts.mailer_cases import letter, mailing

AT = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
DOMAIN = "harbour-gazette.example"


def pem(key, encryption: KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


@pytest.fixture(scope="module")
def rsa_key() -> bytes:
    return pem(rsa.generate_private_key(65537, 2048))


@pytest.fixture(scope="module")
def signer(rsa_key: bytes) -> Signer:
    return Signer.load(DOMAIN, "quay", rsa_key)


@pytest.fixture(scope="module")
def edwards() -> Signer:
    return Signer.load(DOMAIN, "slip", pem(Ed25519PrivateKey.generate()))


def verified(message: bytes, signer: Signer) -> bool:
    """What dkimpy says, with the signer's record for DNS."""

    def dns(name: bytes, timeout: int = 5) -> bytes:
        return signer.record.encode() if name == f"{signer.selector}._domainkey.{DOMAIN}.".encode() else b""

    return dkim.verify(message, dnsfunc=dns)


def verified_edwards(message: bytes, signer: Signer) -> bool:
    """The same with dkimpy's canonicalisation, for its Ed25519 needs a library of its own."""
    headers, body = dkim.rfc822_parse(message)
    tags = dkim.parse_tag_value(headers[0][1])
    assert (tags[b"a"], tags[b"c"]) == (b"ed25519-sha256", b"relaxed/simple")
    if b64decode(tags[b"bh"]) != sha256(Simple.canonicalize_body(body)).digest():
        return False
    digest = sha256()
    names = [name.strip() for name in re.split(rb"\s*:\s*", tags[b"h"])]
    dkim.hash_headers(digest, Relaxed, Relaxed.canonicalize_headers(headers[1:]), names, headers[0], tags)
    public = Ed25519PublicKey.from_public_bytes(b64decode(signer.record.rpartition("p=")[2]))
    try:
        public.verify(b64decode(tags[b"b"]), digest.digest())
    except InvalidSignature:
        return False
    return True


def judges(signer: Signer, edwards: Signer):
    return ((signer, verified), (edwards, verified_edwards))


def test_a_signed_message_is_believed_and_stays_what_it_was(signer, edwards):
    for message in messages(mailing()):
        for one, judge in judges(signer, edwards):
            signed = one.sign(message, AT)
            assert judge(signed, one)
            assert signed.endswith(message)
            assert max(map(len, signed.removesuffix(message).split(b"\r\n"))) <= 78


def test_a_notice_without_a_list_is_signed_too(signer, edwards):
    (notice,) = messages(mailing(letter(0), list_id="", reply_to=""))
    assert all(judge(one.sign(notice, AT), one) for one, judge in judges(signer, edwards))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"desk@harbour", b"thief@harbour"),
        (b"Subject: ", b"Subject: Fwd "),
        (b"One-Click", b"Two-Clicks"),
        (b"List-Id: ", b"List-Id: A "),
        (b"List-Unsubscribe: <https://news", b"List-Unsubscribe: <https://olds"),
        (b"MIME-Version: 1.0", b"MIME-Version: 2.0"),
        (b"The ferry is back", b"The ferry is gone"),
        (b"\r\n\r\n", b"\r\nFrom: somebody@else.example\r\n\r\n"),
    ],
)
def test_a_message_that_was_changed_is_not_believed(signer, edwards, old, new):
    message = messages(mailing())[0]
    for one, judge in judges(signer, edwards):
        signed = one.sign(message, AT)
        assert old in signed
        assert not judge(signed.replace(old, new, 1), one)


def test_no_second_from_can_be_put_before_the_message(signer):
    signed = signer.sign(messages(mailing())[0], AT)
    assert not verified(b"From: somebody@else.example\r\n" + signed, signer)
    assert verified(b"Received: from quay.example\r\n" + signed, signer)


def test_another_key_in_dns_is_not_believed(signer):
    other = Signer.load(DOMAIN, "quay", pem(rsa.generate_private_key(65537, 2048)))
    assert not verified(signer.sign(messages(mailing())[0], AT), other)


def test_headers_may_be_folded_and_spaced_anew_on_the_way(signer, edwards):
    for one, judge in judges(signer, edwards):
        signed = one.sign(messages(mailing())[0], AT)
        assert judge(signed.replace(b"Reply-To: desk", b"REPLY-TO:\r\n\t  desk", 1), one)


@pytest.mark.parametrize("body", [b"", b"\r\n", b"Tide\r\n", b"Tide", b"Tide\r\n\r\n\r\n", b"Low  tide \r\n"])
def test_odd_bodies_and_doubled_headers_are_signed_as_the_standard_says(signer, edwards, body):
    message = b"From: a@harbour-gazette.example\r\nTo: b@reader.example\r\nTo: \tc@reader.example\r\n\r\n" + body
    for one, judge in judges(signer, edwards):
        assert judge(one.sign(message, AT), one)


def test_everything_that_matters_is_covered_and_from_once_more(signer):
    message = messages(mailing())[0]
    names = re.sub(rb"\s", b"", re.search(rb"h=([^;]*);", signer.sign(message, AT))[1]).split(b":")
    assert names == [b"from", *SIGNED]


def test_the_same_message_gives_the_same_bytes(rsa_key, signer, edwards):
    message = messages(mailing())[0]
    again = Signer.load(DOMAIN, "quay", rsa_key.decode())
    assert again.sign(message, AT) == signer.sign(message, AT)
    assert edwards.sign(message, AT) == edwards.sign(message, AT)
    assert f"t={int(AT.timestamp())};".encode() in signer.sign(message, AT)


def test_two_signers_sign_one_after_the_other(signer, edwards):
    both = edwards.sign(signer.sign(messages(mailing())[0], AT), AT)
    assert verified_edwards(both, edwards)
    assert verified(both[both.index(b"DKIM-Signature", 1) :], signer)


def test_the_record_is_that_of_the_standard():
    seed = b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")  # RFC 8463 appendix A.2
    one = Signer.load("football.example.com", "brisbane", pem(Ed25519PrivateKey.from_private_bytes(seed)))
    assert one.record == "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def test_what_cannot_sign_says_why_and_shows_no_key(rsa_key):
    locked = pem(rsa.generate_private_key(65537, 2048), BestAvailableEncryption(b"pilot"))
    for domain, selector, key, why in [
        ("harbour gazette", "quay", rsa_key, "domain 'harbour gazette'"),
        (DOMAIN, "quay;", rsa_key, "selector 'quay;'"),
        (DOMAIN, "quay", "MIIB-not-a-key", "no private key in PEM"),
        (DOMAIN, "quay", "", "no private key in PEM"),
        (DOMAIN, "quay", locked, "password"),
        (DOMAIN, "quay", pem(ec.generate_private_key(ec.SECP256R1())), "neither RSA nor Ed25519"),
    ]:
        with pytest.raises(ValueError, match=why) as caught:
            Signer.load(domain, selector, key)
        assert "MII" not in str(caught.value)
    assert "key" not in repr(Signer.load(DOMAIN, "quay", rsa_key))


def test_a_message_from_nobody_is_not_signed(signer):
    with pytest.raises(ValueError, match="From"):
        signer.sign(b"To: reader@reader.example\r\n\r\nTide\r\n", AT)
