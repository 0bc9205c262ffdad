from __future__ import annotations

import pytest

from publisher.kit.tokens import KeyRing
from publisher.kit.verp import PURPOSE, ReturnPaths, returned

KEY = "6f1c0f5e-7a9e-5d0c-9f6b-1d8c6a0f3b11"
KEYS = (b"k" * 32,)
PATHS = ReturnPaths("bounces@harbour-gazette.example", KEYS)


@pytest.mark.parametrize("local", ["b", "bounces", "b" * 18])
@pytest.mark.parametrize("position", [0, 17, 16_777_215])
def test_a_return_path_names_the_letter_and_fits_a_local_part(local, position):
    made = ReturnPaths(f"{local}@harbour-gazette.example", KEYS).of(KEY, position)
    assert len(made.partition("@")[0]) <= 64
    assert returned(made, KEYS) == returned(made.upper(), KEYS) == returned(f" <{made}>", KEYS) == (KEY, position)


def test_a_return_path_is_the_same_whoever_makes_it():
    assert PATHS.of(KEY, 17) == ReturnPaths(PATHS.base, KEYS).of(KEY, 17) != PATHS.of(KEY, 18)
    assert PATHS.of(KEY, 17) == ("bounces+n4oa6xt2tzoqzh3ldwggudz3ceaaaekvnj7lgqxtjo6ca@harbour-gazette.example"), (
        "bounces of mail that is out there would not be believed any more"
    )


def test_nobody_can_name_another_letter():
    made = PATHS.of(KEY, 17)
    tag = made.partition("+")[2].partition("@")[0]
    for at, letter in enumerate(tag[:-1]):  # the last one carries a bit that says nothing
        other = "a" if letter != "a" else "b"
        assert returned(made.replace(tag, tag[:at] + other + tag[at + 1 :]), KEYS) is None


def test_a_key_that_was_rotated_is_still_accepted_and_a_strange_one_is_not(tmp_path):
    ring = KeyRing.load(tmp_path / "keys", {})
    first = ring.derived(PURPOSE)
    made = ReturnPaths(PATHS.base, first).of(KEY, 17)
    assert returned(made, (b"n" * 32, *first)) == (KEY, 17)
    assert returned(made, KeyRing.load(tmp_path / "others", {}).derived(PURPOSE)) is None
    assert first != ring.derived(b"publisher links")


@pytest.mark.parametrize("key", ["notice-7", ""])
def test_what_is_no_batch_comes_back_to_the_base(key):
    assert PATHS.of(key, 0) == PATHS.base


def test_a_bounce_may_be_forwarded_under_another_address():
    local = PATHS.of(KEY, 17).partition("@")[0]
    assert returned(f"{local}@mx.provider.example", KEYS) == (KEY, 17)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "daily@harbour-gazette.example",
        "bounces+17@harbour-gazette.example",
        f"bounces+{'a' * 45}@harbour-gazette.example",
        f"bounces+{'a' * 44}@harbour-gazette.example",
        f"bounces+{'é' * 45}@harbour-gazette.example",
        "bounces+" + "a" * 100_000,
    ],
)
def test_an_address_that_names_no_letter(address):
    assert returned(address, KEYS) is None


@pytest.mark.parametrize(
    "base", ["bounces", "a b@c.example", "bounces+x@c.example", "b" * 19 + "@c.example", "é@c.example"]
)
def test_a_base_that_cannot_name_letters_is_refused_at_once(base):
    with pytest.raises(ValueError, match="return path"):
        ReturnPaths(base, KEYS)
