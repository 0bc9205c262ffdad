"""What stays of an edition when it has left: what it was made from, so that it can be made again (recipe)."""

from __future__ import annotations

from publisher.keep.archive import page_name, page_url
from publisher.keep.recipe import Needed, Written, canonical, digest, needs, read, write

__all__ = ["Needed", "Written", "canonical", "digest", "needs", "page_name", "page_url", "read", "write"]
