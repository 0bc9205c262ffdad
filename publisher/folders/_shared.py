"""What files in a folder may be called."""

from __future__ import annotations

import re

from publisher.errors import FolderError

NAME = re.compile(r"[a-z0-9_-][a-z0-9._-]*(/[a-z0-9_-][a-z0-9._-]*)*")
#: Beside a file that has ended.
GONE = ".gone"
MARK = b"This feed has ended.\n"


def checked(name: str, place: object) -> str:
    """Relative, of a-z, 0-9, ".", "_", "-" and "/", no part hidden. Raises FolderError."""
    if not NAME.fullmatch(name):
        raise FolderError(f"{name!r} cannot be a file in {place}: use a-z, 0-9, '.', '_', '-' and '/'", name=name)
    return name
