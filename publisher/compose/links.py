"""Links of an edition, marked for the newsroom's own statistics where it asks for that."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from publisher.model import Newsletter, Site, Slot


def marker(newsletter: Newsletter, slot: Slot, site: Site) -> Callable[[str], str]:
    """What is done to each address that an edition shows: nothing, unless the newsletter's `utm` is set.

    Then addresses of the site's own host, and of hosts below it, carry utm_source, utm_medium and utm_campaign; those
    that carry one already, and other people's, stay as they are. Nothing in them tells one reader from another.
    """
    host = _host(site.url)
    if not newsletter.utm or not host:
        return lambda url: url
    tags = urlencode({"utm_source": newsletter.slug, "utm_medium": "email", "utm_campaign": slot.name})

    def marked(url: str) -> str:
        own = _host(url)
        if own != host and not own.endswith(f".{host}"):
            return url
        parts = urlsplit(url)
        if any(pair.lower().startswith("utm_") for pair in parts.query.split("&")):
            return url
        query = f"{parts.query}&{tags}" if parts.query else tags
        return parts._replace(path=parts.path or "/", query=query).geturl()

    return marked


def _host(url: str) -> str:
    """The host of an address without "www.", so that a site's links to itself are its own with and without it."""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""
