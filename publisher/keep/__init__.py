"""What stays of an edition when it has left.

recipe     all it was made from, so that it can be made again
archive    its page, the lists of pages, and the feed of editions
    receipt    its account, sealed, and whether it still holds
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
from publisher.keep.receipt import (
    PURPOSE,
    document,
    is_sealed,
    parsed,
    problems,
    problems_of_seal,
    seal,
    told,
    told_text,
)
from publisher.keep.recipe import Needed, Writer, Written, canonical, digest, lost_pictures, needs, read, write

__all__ = [
    "FOLDER",
    "PURPOSE",
    "Needed",
    "Notice",
    "Writer",
    "Written",
    "canonical",
    "digest",
    "document",
    "entry_id",
    "feed",
    "feed_name",
    "folder",
    "gravest",
    "in_archive",
    "is_sealed",
    "later_keys",
    "lists",
    "lost_pictures",
    "needs",
    "notices",
    "page_name",
    "page_url",
    "parsed",
    "problems",
    "problems_of_seal",
    "read",
    "seal",
    "shown",
    "told",
    "told_text",
    "write",
    "years",
]
