"""Step 2: which articles belong in which feed, feed documents, and the gate they pass before readers get them.

`place` and `document` decide and are pure; `put` stores what `place` decided. `publish` writes: a feed is built in
all its formats, read back by parsers that did not write it, compared with what was published before, and only then
do its files replace the last ones.
"""

from publisher.syndicate.documents import base_url, document, page_name
from publisher.syndicate.gate import LeftOut, Published, publish, together
from publisher.syndicate.pages import autodiscovery, belongs, catalogue, opml, page, slug_of
from publisher.syndicate.placing import Leader, Placement, place, put, slugify, sort_key

__all__ = [
    "Leader",
    "LeftOut",
    "Placement",
    "Published",
    "autodiscovery",
    "base_url",
    "belongs",
    "catalogue",
    "document",
    "opml",
    "page",
    "page_name",
    "place",
    "publish",
    "put",
    "slug_of",
    "slugify",
    "sort_key",
    "together",
]
