"""What stays of an edition when it has left.

recipe     all it was made from, so that it can be made again
archive    its page, the lists of pages, and the feed of editions
"""

from __future__ import annotations

from publisher.keep.archive import (
    FOLDER,
    Notice,
    entry_id,
    feed,
    feed_name,
    folder,
    gravest,
    in_archive,
    later_keys,
    lists,
    notices,
    page_name,
    page_url,
    shown,
    years,
)
from publisher.keep.recipe import Needed, Written, canonical, digest, needs, read, write

__all__ = [
    "FOLDER",
    "Needed",
    "Notice",
    "Written",
    "canonical",
    "digest",
    "entry_id",
    "feed",
    "feed_name",
    "folder",
    "gravest",
    "in_archive",
    "later_keys",
    "lists",
    "needs",
    "notices",
    "page_name",
    "page_url",
    "read",
    "shown",
    "write",
    "years",
]
