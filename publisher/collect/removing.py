"""What a source does not list any more: removed, or an outage?"""

from __future__ import annotations

from publisher.model import Missing, Source

#: So many may always vanish at once, however few a source has, as long as it still lists something.
A_FEW = 3


def outage(source: Source, missing: Missing) -> str:
    """Why what vanished is not believed to have been removed, "" when it is believed.

    A source that lists nothing at all, or not enough of what it had, is out of order more often than emptied.
    """
    gone = len(missing.gone)
    if not gone:
        return ""
    remedy = f"if they were really removed: publisher collect {source.slug} --believe-removals"
    if gone == missing.stored:
        return f"it lists none of its {missing.stored:,} articles any more, which is taken for an outage; {remedy}"
    if gone > max(A_FEW, source.outage * missing.stored):
        share = f"{gone:,} of its {missing.stored:,} articles vanished at once"
        return f"{share}, which is taken for an outage; nothing is retracted; {remedy}"
    return ""
