"""The archive: where each edition stands as a web page, for good."""

from __future__ import annotations

import re
from hashlib import sha256

from publisher.model import Newsletter, Site, Slot

#: The folder of all archives, beside the feeds.
FOLDER = "archive"
_OWN = re.compile(r"[a-z0-9-]+")


def page_name(newsletter: Newsletter, slot: str) -> str:
    """The file of an edition's page, such as "archive/daily/daily-2026-11-22.html": known before there is an edition,
    and the same whatever becomes of the settings."""
    return f"{folder(newsletter)}/{_stem(slot)}.html"


def folder(newsletter: Newsletter) -> str:
    """Where a newsletter's archive is, named by its first slug, so that links survive a renaming."""
    return f"{FOLDER}/{newsletter.origin}"


def page_url(newsletter: Newsletter, slot: Slot, site: Site, base: str) -> str:
    """The address of an edition's page, or "" where there is none, or nobody outside could open it. `base` is where
    the folder is served."""
    return f"{base}/{page_name(newsletter, slot.name)}" if newsletter.archive and site.public_url else ""


def _stem(slot: str) -> str:
    """A slot in the letters of a file's name. What a person named, and a name would not show, gets a hash of it."""
    plain = slot.lower().replace(":", "-")
    if _OWN.fullmatch(plain) and (plain == slot.replace(":", "-", 1) or not slot.startswith("manual:")):
        return plain
    kept = re.sub(r"-{2,}", "-", re.sub(r"[^a-z0-9-]+", "-", plain)).strip("-")[:60]
    return f"{kept}-{sha256(slot.encode()).hexdigest()[:8]}"
