"""HTTP out, on `requests`: every limit set, nothing retried, and no private address reached by surprise.

`get` is for reading sources, whose answers are not trusted. Mailers take `open_session(allow_private=True)`
for their own calls: an API's address is the settings' business, and retrying is the ledger's.
"""

from publisher.kit.http_session._connections import Deadline, is_private, open_session, serves_keys
from publisher.kit.http_session._reading import LONGEST_WAIT, Limits, Reply, fresh_for, get, post, retry_after, shown

__all__ = [
    "LONGEST_WAIT",
    "Deadline",
    "Limits",
    "Reply",
    "fresh_for",
    "get",
    "is_private",
    "open_session",
    "post",
    "retry_after",
    "serves_keys",
    "shown",
]
