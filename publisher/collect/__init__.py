"""Step 1, collect: what a source sent is named, cleaned, compared with what is known, and recorded.

`accept` decides and writes nothing; `record` writes what it decided. Identity is the source with the native id,
else the guid, else the canonical URL, else a hash of the content; a setting of the source may put the guid or the
URL first. Change is a hash of the cleaned content: a moved date is none, except for an article that is still held,
which takes its new time. `outage` judges what a source does not list any more, and what an editor says by hand
(`corrected`, `retracted`, `restored`, `mailed`) goes before what a source says.
"""

from publisher.collect.accepting import Accepted, Tally, accept, record
from publisher.collect.by_hand import corrected, mailed, restored, retracted
from publisher.collect.cleaning import LABELS, TITLE
from publisher.collect.naming import as_sent, listed, own_id
from publisher.collect.refusing import refused, unheard
from publisher.collect.removing import outage

__all__ = [
    "LABELS",
    "TITLE",
    "Accepted",
    "Tally",
    "accept",
    "as_sent",
    "corrected",
    "listed",
    "mailed",
    "outage",
    "own_id",
    "record",
    "refused",
    "restored",
    "retracted",
    "unheard",
]
