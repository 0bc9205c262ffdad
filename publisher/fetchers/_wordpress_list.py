"""The complete list of a WordPress site's posts, a few pages of ids at a time, so that what was removed is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from publisher.fetchers._listing import PAGES_A_LOOK
from publisher.fetchers._shared import fields, whole, words
from publisher.fetchers._wordpress_api import Api
from publisher.fetchers._wordpress_pages import Place, Walk
from publisher.model import Listing

_ASKED = "id,content.protected"


def list_posts(
    api: Api, kinds: Sequence[str], state: Mapping[str, object], *, now: datetime
) -> tuple[Listing, Mapping[str, object]]:
    """The next part of the list, and the state after it: how far the list is that is under way, or the number of
    looks since the last one. Raises SourceUnavailable and SourceInvalid."""
    look, kind = words(state.get("look")), words(state.get("kind"))
    if not look or kind not in kinds:
        look, kind, state = now.isoformat(), kinds[0], {}
    ids: list[str] = []
    asked = 0
    for number, name in enumerate(kinds[kinds.index(kind) :]):
        for page in Walk(api, name, Place() if number else Place.of(state), _fields=_ASKED).pages():
            ids += (str(id) for post in page.posts if (id := _id(post)))
            asked += 1
            if asked >= PAGES_A_LOOK and not page.ended:
                return Listing(look=look, ids=tuple(ids)), {"look": look, "kind": name, **page.place.as_json()}
    return Listing(look=look, ids=tuple(ids), complete=True), {"looks": 0}


def _id(post: Mapping[str, object]) -> int:
    """0 for a post behind a password: it is published to nobody, so it is not there."""
    return 0 if fields(post.get("content")).get("protected") else whole(post.get("id"))
