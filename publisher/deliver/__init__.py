"""Step 4: an approved edition becomes batches, and batches become messages, nobody twice and nobody lost.

The truth is the ledger (`ports.Outbox`); whoever calls these functions only says "look". See docs/delivery.md.
"""

from publisher.deliver.breaker import FOR_A_PERSON, mend, note, remedy
from publisher.deliver.choosing import Chooser, to_all
from publisher.deliver.desk import Tally
from publisher.deliver.drain import drain
from publisher.deliver.letters import letterhead
from publisher.deliver.plan import Leaves, at_once, plan
from publisher.deliver.rehearse import readers, rehearse
from publisher.deliver.retry import Retried, may_have_passed, retry
from publisher.deliver.rules import exclusion, refuses
from publisher.deliver.specimen import specimen
from publisher.deliver.waves import over, too_bad
from publisher.deliver.witness import lacks_witness

__all__ = [
    "FOR_A_PERSON",
    "Chooser",
    "Leaves",
    "Retried",
    "Tally",
    "at_once",
    "drain",
    "exclusion",
    "lacks_witness",
    "letterhead",
    "may_have_passed",
    "mend",
    "note",
    "over",
    "plan",
    "readers",
    "refuses",
    "rehearse",
    "remedy",
    "retry",
    "specimen",
    "to_all",
    "too_bad",
]
