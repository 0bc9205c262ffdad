"""Words: what a reader can follow within a newsletter.

A topic is written `kind:value`, such as "category:Sport", "author:Niamh Casey", "tag:ferries" or "source:newsroom".
Comparison ignores case, as it does in a `Selection`. Settings offer topics, or with `kind:*` all of a kind.
"""

from __future__ import annotations

from collections.abc import Collection

from publisher.model.articles import Article

KINDS = ("category", "author", "tag", "source")
ANY = "*"


def topic(text: str) -> str:
    """A topic as it is kept. Raises ValueError saying what is wrong with it."""
    kind, colon, value = text.partition(":")
    kind, value = kind.strip().casefold(), " ".join(value.split())
    if not colon or kind not in KINDS or not value:
        kinds = f"{', '.join(KINDS[:-1])} or {KINDS[-1]}"
        raise ValueError(f"{text.strip()!r} is no topic; write {kinds}, a colon and its name")
    return f"{kind}:{value}"


def offered(wanted: str, topics: Collection[str]) -> str:
    """A topic as the settings that offer it write it. Raises ValueError when they do not."""
    wanted = topic(wanted)
    kind, folded = wanted.partition(":")[0], wanted.casefold()
    for one in topics:
        if one.casefold() == folded:
            return one
    if wanted.endswith(f":{ANY}") or f"{kind}:{ANY}" not in topics:
        there = f"; there is {', '.join(topics)}" if topics else ", nor any other topic"
        raise ValueError(f"the newsletter does not offer {wanted!r}{there}")
    return wanted


def topics_of(article: Article) -> frozenset[str]:
    """What an article is about and from, as compared."""
    revision = article.revision
    told = {
        "category": revision.categories,
        "author": tuple(author.name for author in revision.authors),
        "tag": revision.tags,
        "source": (article.source,),
    }
    return frozenset(f"{kind}:{' '.join(one.split())}".casefold() for kind, values in told.items() for one in values)


def follows(topics: Collection[str], about: Collection[str]) -> bool:
    """Whether somebody with these topics gets what is about that; who names none gets everything."""
    return not topics or any(one.casefold() in about for one in topics)
