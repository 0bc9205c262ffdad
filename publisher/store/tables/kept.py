"""What is kept of editions that have left."""

from __future__ import annotations

from publisher.store.columns import blob, text
from publisher.store.tables.base import primary, table

# Texts by their SHA-256, compressed: what variants were made from.
material = table(
    "material",
    text("hash"),
    blob("body"),
    primary("hash"),
)
