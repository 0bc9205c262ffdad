"""Pictures made small enough for mail: right way up, bounded, and silent about where they were taken."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from publisher.kit import images

ORIENTATION, GPS = 0x0112, 0x8825


def photo(width: int, height: int, kind: str = "JPEG", mode: str = "RGB", **more: object) -> bytes:
    picture = Image.effect_noise((width, height), 80).convert(mode)
    written = io.BytesIO()
    picture.save(written, kind, **more)
    return written.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_a_large_picture_becomes_small() -> None:
    large = photo(4000, 2250, quality=95)
    made = images.small(large)

    assert len(large) > 4_000_000
    assert len(made.data) < 700_000
    assert (made.width, made.height, made.ending, made.media_type) == (1152, 648, "jpg", "image/jpeg")
    assert opened(made.data).size == (1152, 648)
    assert images.small(large) == made


def test_a_small_picture_is_never_blown_up() -> None:
    made = images.small(photo(300, 200))

    assert (made.width, made.height) == (300, 200)


def test_what_is_transparent_stays_so() -> None:
    made = images.small(photo(1600, 100, "PNG", "RGBA"))

    assert (made.ending, opened(made.data).mode, made.width) == ("png", "RGBA", 1152)


def test_a_picture_is_turned_the_right_way_up_and_tells_no_place() -> None:
    notes = Image.Exif()
    notes[ORIENTATION] = 6  # held upright
    notes[GPS] = {1: "N", 2: (53.0, 20.0, 0.0)}
    made = images.small(photo(800, 600, exif=notes))

    assert (made.width, made.height) == (600, 800)
    assert not opened(made.data).getexif()


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_other_kinds_become_jpeg(kind: str) -> None:
    assert images.small(photo(640, 360, kind)).ending == "jpg"


@pytest.mark.parametrize(
    "data", [b"", b"<html>", b"<svg xmlns='http://www.w3.org/2000/svg'/>", photo(640, 360)[:900], photo(9, 9, "BMP")]
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no picture, or a broken one"):
        images.small(data)


def test_a_small_file_that_claims_to_be_huge_is_not_opened() -> None:
    flat = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(flat, "PNG")

    assert len(flat.getvalue()) < 100_000
    with pytest.raises(ValueError, match="more than 50,000,000 pixels"):
        images.small(flat.getvalue())
