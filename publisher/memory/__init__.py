"""Which articles tell the same story: two sources often carry one text, and a reader wants it once.

`sketch` boils a text down to a few numbers that the store can look up; `join` finds the article of another source
that tells the same, and says by which rule.
"""

from publisher.memory.stories import WITHIN, Joined, join, sketch
from publisher.memory.telling import leader

__all__ = ["WITHIN", "Joined", "join", "leader", "sketch"]
