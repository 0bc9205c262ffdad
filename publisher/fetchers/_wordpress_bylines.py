"""Who wrote a post, on sites where several people do: WordPress itself knows one author of each post."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from publisher.errors import SourceUnavailable
from publisher.fetchers._shared import fields, listed, whole, words
from publisher.fetchers._wordpress_api import Api

#: Fields that plugins add to a post: PublishPress Authors, and Newspack's blocks (both read in November 2026).
_FIELDS = ("authors", "newspack_author_info")


class Bylines:
    """Asks each site that has Co-Authors Plus for the people of a post (its route since version 3.6), once for each
    combination of them."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[tuple[int, ...], Sequence[Mapping[str, Any]]] = {}

    def of(self, post: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """The people as the site names them, empty where WordPress's own author is all there is to know.

        Raises SourceUnavailable when the site cannot be asked now.
        """
        for name in _FIELDS:
            people = [fields(one) for one in listed(post.get(name))]
            if told := [one for one in people if words(one.get("display_name"))]:
                return told
        terms = tuple(whole(term) for term in listed(post.get("coauthors")))
        if not terms or not self._api.coauthors or _is_author(post, terms):
            return ()
        if terms not in self._known:
            self._known[terms] = self._ask(whole(post.get("id")))
        return self._known[terms]

    def _ask(self, post: int) -> Sequence[Mapping[str, Any]]:
        asked = {"post_id": post, "_fields": "display_name,link,description"}
        try:
            answer = self._api.ask("/coauthors/v1/coauthors", asked)
        except SourceUnavailable as error:
            if error.retry_after is not None or not error.ids.get("reached"):
                raise
            return ()  # a plugin that dies of this post: its author is known all the same
        return [fields(one) for one in listed(answer)]


def _is_author(post: Mapping[str, Any], terms: tuple[int, ...]) -> bool:
    """Whether the one co-author is the author that WordPress tells: the plugin names its terms after them."""
    embedded = fields(post.get("_embedded"))
    author = fields(next(iter(listed(embedded.get("author"))), None))
    slugs = [
        words(fields(term).get("slug"))
        for group in listed(embedded.get("wp:term"))
        for term in listed(group)
        if fields(term).get("taxonomy") == "author"
    ]
    return len(terms) == 1 and bool(author.get("slug")) and slugs == [f"cap-{author['slug']}"]
