"""Plugs: what the steps need from the outside, each sized by the step that calls it.

Adapters (`fetchers`, `formats`, `folders`, `mailers`, `mailboxes`, `engines`, `store`) implement these; `app` wires
them into `Parts`. Every public behaviour here is held by a suite under `tests/contracts/`, run on every adapter.
"""

from publisher.ports.adapters import (
    Engine,
    Fetcher,
    Folder,
    Format,
    Hub,
    Known,
    Mailbox,
    Mailer,
    Pictures,
    Receiver,
    Templates,
    Watcher,
    nothing_known,
)
from publisher.ports.clock import Clock
from publisher.ports.content import Articles, Decisions, Feeds, Fragments, Listings, Sketched, Sources, Stories
from publisher.ports.hubs import HubCaller, Hubs
from publisher.ports.keeping import Kept
from publisher.ports.ledger import Editions, Events, Outbox
from publisher.ports.mailboxes import Mailboxes
from publisher.ports.memory import Memory
from publisher.ports.parts import Keys, Parts
from publisher.ports.readers import Audience, Notices
from publisher.ports.serving import Serving
from publisher.ports.store import Store

__all__ = [
    "Articles",
    "Audience",
    "Clock",
    "Decisions",
    "Editions",
    "Engine",
    "Events",
    "Feeds",
    "Fetcher",
    "Folder",
    "Format",
    "Fragments",
    "Hub",
    "HubCaller",
    "Hubs",
    "Kept",
    "Keys",
    "Known",
    "Listings",
    "Mailbox",
    "Mailboxes",
    "Mailer",
    "Memory",
    "Notices",
    "Outbox",
    "Parts",
    "Pictures",
    "Receiver",
    "Serving",
    "Sketched",
    "Sources",
    "Store",
    "Stories",
    "Templates",
    "Watcher",
    "nothing_known",
]
