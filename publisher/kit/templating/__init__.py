"""Templates: Jinja2 in its sandbox, looked up in several folders, with errors that an editor can act on.

A template sees the values it is given and nothing else: no settings, no environment variables, no Python
internals, no files outside the template folders. What a template may cost is bounded: its computing time, every
loop, every string it makes, and the size of the output.
"""

from __future__ import annotations

from publisher.kit.templating._bounds import MAXIMUM_OUTPUT, MAXIMUM_SECONDS, MAXIMUM_STEPS
from publisher.kit.templating._filters import direction, wrap
from publisher.kit.templating._folders import TemplateFolders
from publisher.kit.templating._styles import inline_css

__all__ = [
    "MAXIMUM_OUTPUT",
    "MAXIMUM_SECONDS",
    "MAXIMUM_STEPS",
    "TemplateFolders",
    "direction",
    "inline_css",
    "wrap",
]
