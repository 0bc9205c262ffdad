"""Pictures made small enough for mail."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Final

#: The widest picture that is kept, in pixels: a column of 576 on a screen with two pixels for one.
WIDEST: Final = 1152
#: The most pixels of a picture that is opened at all: a small file can claim to hold more than memory does.
MOST_PIXELS: Final = 50_000_000

_KINDS: Final = ("JPEG", "PNG", "GIF", "WEBP")
_QUALITY: Final = 82
_TOO_LARGE: Final = f"the picture has more than {MOST_PIXELS:,} pixels"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as a file. `ending` is "jpg" or "png"; width and height are in pixels."""

    data: bytes
    media_type: str
    ending: str
    width: int
    height: int


def small(data: bytes) -> Picture:
    """A picture (JPEG, PNG, GIF or WebP) at most WIDEST pixels wide, the right way up, and without what a camera notes
    about place and owner: JPEG, or PNG where it is transparent. Of an animation it is the first frame.

    Raises ValueError for what is no such picture, or has more than MOST_PIXELS.
    """
    from PIL import Image, ImageOps  # late: it takes a tenth of a second

    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=_KINDS) as opened:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is stricter
            if opened.width * opened.height > MOST_PIXELS:
                raise ValueError(_TOO_LARGE)
            upright = ImageOps.exif_transpose(opened)
            clear = upright.has_transparency_data
            flat = upright.convert("RGBA" if clear else "RGB")
    except Image.DecompressionBombError as error:
        raise ValueError(_TOO_LARGE) from error
    except (OSError, SyntaxError) as error:
        raise ValueError("it is no picture, or a broken one") from error
    if flat.width > WIDEST:
        flat = flat.resize((WIDEST, max(1, round(flat.height * WIDEST / flat.width))), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    if clear:
        flat.save(written, "PNG", optimize=True)
        return Picture(written.getvalue(), "image/png", "png", flat.width, flat.height)
    flat.save(written, "JPEG", quality=_QUALITY, optimize=True, progressive=True)
    return Picture(written.getvalue(), "image/jpeg", "jpg", flat.width, flat.height)
