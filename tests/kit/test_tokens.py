"""Keys are made once and kept private; links made with them work for ever, and only those."""

from __future__ import annotations

import stat
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.errors import BadToken, SettingsError
from publisher.kit.tokens import KeyRing, public_id

OLD = f"sign 0a0b0c0d {b64encode(bytes(range(32))).decode()}"
NEW = f"sign ffeeddcc {b64encode(bytes(range(32, 64))).decode()}"
ADDRESS = f"address 01020304 {b64encode(bytes(range(64, 96))).decode()}"
ORLA = bytes(range(12))

#: Written down in the first release. Should this ever fail, mend the code: the link is in people's mailboxes.
FIXED = "AQoLDA0AAQIDBAUGBwgJCgtkYWlsediuzBxu6cgNT1tunYcVyxo"


def ring(*lines: str, clock=lambda: 0.0) -> KeyRing:
    return KeyRing.load(None, {"PUBLISHER_KEYS": "\n".join(lines)}, clock=clock)


def test_the_format_of_an_unsubscribe_token_never_changes():
    token = ring(OLD, ADDRESS).unsubscribe(ORLA, "daily")
    assert token == FIXED
    assert ring(OLD, ADDRESS).read_unsubscribe(FIXED) == (ORLA, "daily")


@given(st.binary(min_size=12, max_size=12), st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_an_unsubscribe_token_tells_who_and_from_what(reader, newsletter):
    keys = ring(NEW, OLD, ADDRESS)
    token = keys.unsubscribe(reader, newsletter)
    assert keys.read_unsubscribe(token) == (reader, newsletter)
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def test_links_made_before_a_rotation_still_work():
    assert ring(NEW, OLD, ADDRESS).read_unsubscribe(FIXED) == (ORLA, "daily")
    assert ring(NEW, OLD, ADDRESS).unsubscribe(ORLA, "daily") != FIXED
    with pytest.raises(BadToken):
        ring(NEW, ADDRESS).read_unsubscribe(FIXED)


def test_no_changed_token_is_accepted():
    keys = ring(OLD, ADDRESS)
    data = urlsafe_b64decode(FIXED + "=" * (-len(FIXED) % 4))
    for position in range(len(data)):
        for bit in range(8):
            forged = bytearray(data)
            forged[position] ^= 1 << bit
            with pytest.raises(BadToken):
                keys.read_unsubscribe(urlsafe_b64encode(forged).rstrip(b"=").decode())
    for length in range(len(FIXED)):
        with pytest.raises(BadToken):
            keys.read_unsubscribe(FIXED[:length])


@pytest.mark.parametrize(
    "bad",
    ["", "=", "é" * 40, f"{FIXED}=", f" {FIXED}", f"{FIXED}\n", "A" * 1_000_000, "\0" * 60, FIXED * 2],
    ids=range(9),
)
def test_nonsense_is_no_token(bad):
    with pytest.raises(BadToken):
        ring(OLD, ADDRESS).read_unsubscribe(bad)
    with pytest.raises(BadToken):
        ring(OLD, ADDRESS).read("confirm", bad, maximum_age=timedelta(days=1))


def test_only_a_whole_public_id_makes_a_token():
    for reader, newsletter in ((b"short", "daily"), (ORLA, "")):
        with pytest.raises(ValueError, match="12 bytes"):
            ring(OLD, ADDRESS).unsubscribe(reader, newsletter)
    assert len({public_id() for _ in range(100)}) == 100
    assert len(public_id()) == 12


def test_a_signed_value_is_read_until_it_is_too_old():
    now = 1_795_000_000.0
    token = ring(OLD, ADDRESS, clock=lambda: now).sign("confirm", {"reader": "orla", "newsletters": ["daily"]})

    def read(after: float, purpose: str = "confirm", *lines: str) -> object:
        keys = ring(*(lines or (OLD, ADDRESS)), clock=lambda: now + after)
        return keys.read(purpose, token, maximum_age=timedelta(days=2))

    assert read(0) == {"reader": "orla", "newsletters": ["daily"]}
    assert read(172_800) == read(0)
    assert read(60, "confirm", NEW, OLD, ADDRESS) == read(0)
    for refused in ((172_801,), (-1,), (0, "sign-in"), (0, "confirm", NEW, ADDRESS)):
        with pytest.raises(BadToken, match="not one of ours"):
            read(*refused)


def test_the_newest_key_signs():
    token = ring(NEW, OLD, ADDRESS).sign("confirm", {"reader": "orla"})
    assert ring(NEW, ADDRESS).read("confirm", token, maximum_age=timedelta(days=1)) == {"reader": "orla"}
    with pytest.raises(BadToken):
        ring(OLD, ADDRESS).read("confirm", token, maximum_age=timedelta(days=1))


def test_an_unsubscribe_token_is_no_confirmation_and_the_reverse():
    keys = ring(OLD, ADDRESS)
    with pytest.raises(BadToken):
        keys.read("confirm", FIXED, maximum_age=timedelta(days=1))
    with pytest.raises(BadToken):
        keys.read_unsubscribe(keys.sign("confirm", {}))


def test_an_address_is_kept_under_the_same_key_after_a_rotation():
    first = ring(OLD, ADDRESS).address("orla@reader.example")
    assert first.hex() == "32e5db578dd42ec3f8acaa89858747b55e2c1c7e90cd7849e012d97b96526b3f"
    assert ring(NEW, OLD, ADDRESS).address("orla@reader.example") == first
    assert ring(OLD, ADDRESS).address("aoife@reader.example") != first


def test_the_key_file_is_made_once_and_private(tmp_path):
    path = tmp_path / "var" / "keys"
    token = KeyRing.load(path, {}).unsubscribe(ORLA, "daily")
    assert KeyRing.load(path, {}).read_unsubscribe(token) == (ORLA, "daily")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["keys"]


def test_processes_that_start_together_agree_on_the_keys(tmp_path):
    path = tmp_path / "var" / "keys"
    with ThreadPoolExecutor(8) as pool:
        rings = list(pool.map(lambda _: KeyRing.load(path, {}), range(32)))
    assert len({keys.unsubscribe(ORLA, "daily") for keys in rings}) == 1
    assert [entry.name for entry in path.parent.iterdir()] == ["keys"]


def test_the_environment_wins_over_the_file(tmp_path):
    path = tmp_path / "keys"
    environment = {"PUBLISHER_KEYS": f"{OLD}; {ADDRESS}"}
    assert KeyRing.load(path, environment).unsubscribe(ORLA, "daily") == FIXED
    assert not path.exists()


def test_a_key_file_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "keys"
    KeyRing.load(path, {})
    path.chmod(0o640)
    with pytest.raises(SettingsError, match=f"mode 640.*chmod 600 {path}"):
        KeyRing.load(path, {})


def test_a_key_file_that_cannot_be_made_names_itself_and_the_way_out(tmp_path):
    (tmp_path / "var").write_text("a file where the folder should be")
    with pytest.raises(SettingsError, match=r"var/keys.*PUBLISHER_KEYS"):
        KeyRing.load(tmp_path / "var" / "keys", {})


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((OLD,), "address: there must be exactly one such line, not 0"),
        ((ADDRESS,), "sign: there is no such line"),
        ((OLD, ADDRESS, ADDRESS), "exactly one such line, not 2"),
        ((OLD, OLD, ADDRESS), "same id"),
        ((OLD, ADDRESS, "sign 0a0b0c0e c2hvcnQ="), "line 3: a line is"),
        ((OLD, ADDRESS, "sign 0a0b0c0e !!!"), "line 3: a line is"),
        ((OLD, "hunter2", ADDRESS, "hunter3"), "2 problems:\nline 2: .*\nline 4: "),
    ],
)
def test_broken_keys_are_told_by_line_and_never_quoted(lines, expected):
    with pytest.raises(SettingsError, match=expected) as caught:
        ring(*lines)
    for secret in ("AAEC", "IERI", "c2hv", "hunter"):
        assert secret not in str(caught.value)


def test_keys_do_not_show_themselves():
    keys = ring(OLD, ADDRESS)
    assert "AAEC" not in repr(keys) + repr(vars(keys))
    assert "\\x00\\x01" not in repr(vars(keys))
