"""Step 3, compose: choose the articles of an edition, and render it.

    articles -> choose      items in order, and a decision about each article      (choosing, arranging)
             -> draft       the edition they make, or why there is none            (drafting)
             -> for_reader  what one reader gets of it                             (personal)
             -> render      subject, HTML and plain text                           (stories, rendering)
             -> variant     the rendering with its identity

Everything here is pure: the same newsletter, articles and `now` give the same edition, byte for byte.
"""

from __future__ import annotations

from publisher.compose.choosing import Choice, choose, refuses
from publisher.compose.drafting import draft, merged
from publisher.compose.personal import for_everybody, for_reader, with_owed
from publisher.compose.rendering import Renderer, key_of, render, variant
from publisher.compose.stories import StoryView, Telling, site_view

__all__ = [
    "Choice",
    "Renderer",
    "StoryView",
    "Telling",
    "choose",
    "draft",
    "for_everybody",
    "for_reader",
    "key_of",
    "merged",
    "refuses",
    "render",
    "site_view",
    "variant",
    "with_owed",
]
