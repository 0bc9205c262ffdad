"""What an article is known by within its source, and in every feed for ever."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from publisher.collect.cleaning import FIRST_WORDS, NAME, hash_of, line
from publisher.kit import html
from publisher.model import OTHER_NAMES, Article, Fetched, FetchedArticle, Listing, Refusal, Site, Source

# The most characters of each that is kept.
IDENTITY: Final = 500
ENTRY_ID: Final = 250

_KINDS: Final = ("id:", *OTHER_NAMES)
_HASHED: Final = "sha256:"  # what is longer than is kept
#: By setting: which names an article may go by, the one that counts first.
_ORDERS: Final = {
    "native": ("native", "guid", "url"),
    "guid": ("guid", "native", "url"),
    "url": ("url", "native", "guid"),
}


@dataclass(frozen=True, slots=True)
class Named:
    """What a source sent, what that may be known by (its identity first), and the source's own id where that is not
    its identity."""

    sent: FetchedArticle
    names: tuple[str, ...]
    own_id: str = ""


def named(source: Source, fetched: Fetched) -> tuple[dict[str, Named], list[Refusal]]:
    """The articles by identity, in their order, and those that were refused by the source or have another's."""
    found: dict[str, Named] = {}
    refused = list(fetched.refused)
    for sent in fetched.articles:
        one = _named(source, sent)
        first = found.setdefault(one.names[0], one).sent
        if first is sent or (first.raw_hash and first.raw_hash == sent.raw_hash):
            continue
        reason = f"same id as “{shown(first)}”: give each its own"
        refused.append(Refusal(item=shown(sent), reason=reason, id=sent.native_id))
    return found, refused


def _named(source: Source, sent: FetchedArticle) -> Named:
    found, native = names(source, sent), html.scrub(sent.native_id).strip()
    own = _native(native) if native else ""
    return Named(sent, found, own if own != found[0] else "")


def own_id(article: Article) -> str:
    """What its source calls an article, "" when that is not known."""
    id = article.own_id or article.native_id
    return "" if id.startswith((*OTHER_NAMES, _HASHED)) else as_sent(id)


def as_sent(id: str) -> str:
    """A source's own id as the source writes it."""
    return id.removeprefix("id:")


def names(source: Source, sent: FetchedArticle) -> tuple[str, ...]:
    """What an article may be known by within its source: its identity, then what it would be known by otherwise.

    The others matter once: when the setting has changed, or a source that named nothing begins to give ids. So does
    the place of a file, when it is given an id, and an id that was read differently. The prefixes keep the kinds apart.
    """
    native, guid, url = html.scrub(sent.native_id).strip(), html.scrub(sent.guid).strip(), canonical(sent)
    place = html.scrub(sent.place).strip()
    kinds = {
        "native": _native(native) if native else "",
        "guid": _short(f"guid:{guid}", IDENTITY) if guid else "",
        "url": _short(f"url:{url}", IDENTITY) if url else "",
    }
    found = [kinds[kind] for kind in _ORDERS[source.identity] if kinds[kind]]
    if place:
        found.append(_native(place))
    if once := html.scrub(sent.once).strip():
        found += [_native(once), _short(f"guid:{once}", IDENTITY)]
    return tuple(dict.fromkeys(found)) or (f"text:{hash_of([sent.title, sent.standfirst, sent.content_html])}",)


def listed(listing: Listing) -> Listing:
    """A part of a list with the identities that its articles are stored under."""
    scrubbed = (html.scrub(id).strip() for id in listing.ids)
    return replace(listing, ids=tuple(_native(id) for id in scrubbed if id))


def _native(id: str) -> str:
    return _short(f"id:{id}" if id.startswith(_KINDS) else id, IDENTITY)


def entry_id(source: Source, identity: str, site: Site) -> str:
    """A tag: URI (RFC 4151): the same after a rebuild from an empty database, and wherever the article moves."""
    name = _short(quote(identity, safe="/:@-._~"), ENTRY_ID)
    return f"tag:{site.tag_authority}:{source.origin}/{name}"


def story(source: Source, identity: str) -> str:
    """A story of its own. Whether another source tells the same is seen when it is recorded (`memory`)."""
    return hash_of([source.origin, identity])[:32]


def _short(name: str, limit: int) -> str:
    return name if len(name) <= limit else f"{_HASHED}{hashlib.sha256(name.encode()).hexdigest()}"


def shown(sent: FetchedArticle) -> str:
    """How a refusal names an article. The address of a front page, which many feeds give to all, names none."""
    parts = urlsplit(canonical(sent))
    own = sent.url if parts.path.strip("/") or parts.query else ""
    name = line(sent.title, FIRST_WORDS) or line(own or sent.native_id or sent.guid, NAME)
    return name or line(html.scrub(sent.content_html), FIRST_WORDS) or "an empty article"


def canonical(sent: FetchedArticle) -> str:
    """The article's address as it is compared: no fragment, no utm_ parameters, no default port."""
    url = html.address(sent.url, sent.base_url)
    if not url:
        return ""
    parts = urlsplit(url)
    default = ":443" if parts.scheme == "https" else ":80"
    kept = [pair for pair in parts.query.split("&") if pair and not pair.lower().startswith("utm_")]
    return urlunsplit((parts.scheme, parts.netloc.removesuffix(default), parts.path or "/", "&".join(kept), ""))
