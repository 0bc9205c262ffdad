"""Which articles tell the same story, and what who was sent one is still to be told of it.

Two sources often carry one text, and a reader wants it once: `sketch` boils a text down to a few numbers that the
store can look up; `join` finds the article of another source that tells the same, and says by which rule. A story that
changed comes back to those who were sent it: `owed` says under which label.
"""

from publisher.memory.owing import owed, owed_by_edition, substantial
from publisher.memory.stories import WITHIN, Joined, join, sketch
from publisher.memory.telling import leader

__all__ = ["WITHIN", "Joined", "join", "leader", "owed", "owed_by_edition", "sketch", "substantial"]
