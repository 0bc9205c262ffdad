"""An edition's states: draft, approve, undo, cancel, finish. Each change is conditional on the state before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from publisher.errors import Conflict, NotFound
from publisher.model import ALERT, Edition, EditionState, Item, Newsletter, Variant, offered_to_all
from publisher.ports import Store

#: Who approves an edition that no editor has to see.
AUTOMATIC = "auto"
#: States from which composing may start over: nothing has been promised to anybody.
OPEN = (EditionState.DRAFT, EditionState.SKIPPED, EditionState.MERGED)

#: States from which an edition may be approved.
APPROVABLE = (EditionState.DRAFT, EditionState.WAITING)

#: States in which an edition whose hour is over does not leave.
STUCK = (
    EditionState.DRAFT,
    EditionState.WAITING,
    EditionState.APPROVED,
    EditionState.PLANNING,
    EditionState.PAUSED,
    EditionState.MERGED,
)


def find(store: Store, key: str) -> Edition | None:
    try:
        return store.editions.get(key)
    except NotFound:
        return None


def write(store: Store, edition: Edition) -> Edition:
    """Insert an edition, or replace its content while it is still open. Raises Conflict when it is not."""
    there = find(store, edition.key)
    if there is None:
        return store.editions.open(edition)
    if there.state not in OPEN:
        raise Conflict(f"{edition.key} is {there.state} already", edition=edition.key)
    return store.editions.replace(edition, was=there.state)


def approve(store: Store, key: str, editor: str, *, undo: timedelta, now: datetime) -> Edition:
    """Freeze items, revisions, overrides, rendering and audience. It leaves when `undo` has passed.

    Raises Conflict when the edition is neither a draft nor waiting for approval, or when some of its articles
    went out in another edition meanwhile; it then is a draft, to be made anew.
    """
    with store.transaction() as together:
        together.editions.lock(key.partition("/")[0])
        edition = together.editions.get(key)
        repeated = repeats(together, edition, cadence=edition.cadence)
        if not repeated or edition.state not in APPROVABLE:
            return _approve(together, edition, editor, undo=undo, now=now)
        why = "some of its articles went out in another edition: make it anew"
        together.editions.move(key, APPROVABLE, EditionState.DRAFT, reason=why)
    raise Conflict(f"{key} cannot go: {why}", edition=key)


def repeats(store: Store, edition: Edition, *, cadence: str) -> bool:
    """Whether editions for the same readers took some of its news already; of an alert, in the same revision."""
    sent = store.editions.sent(edition.newsletter, offered_to_all(edition.items), cadence=cadence)
    if edition.cadence == ALERT:
        return any(item.revision in sent.get(item.article, ()) for item in edition.items)
    return bool(sent)


def _approve(store: Store, edition: Edition, editor: str, *, undo: timedelta, now: datetime) -> Edition:
    key = edition.key
    variants = store.editions.variants(edition.id)
    if not variants:
        raise Conflict(f"{key} has not been rendered yet; compose it first", edition=key)
    return store.editions.move(
        key,
        APPROVABLE,
        EditionState.APPROVED,
        approved_at=now,
        approved_by=editor,
        approved_hash=approval_hash(edition, variants),
        undo_until=now + undo,
        maximum_subscriber=store.audience.largest_id(),
        reason="",
    )


def approval_hash(edition: Edition, variants: Sequence[Variant]) -> str:
    """What an approval is bound to: an edit after it gives another hash."""
    shown = {
        "key": edition.key,
        "items": [_shown(item) for item in edition.items],
        "template": edition.template_hash,
        "variants": sorted(variant.content_hash for variant in variants),
        "mailer": edition.mailer,
    }
    return hashlib.sha256(json.dumps(shown, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _shown(item: Item) -> list[object]:
    overrides = sorted(item.overrides.items())
    return [item.article, item.revision, item.position, item.label, item.section, overrides]


def start(store: Store, key: str, *, archived: bool = False) -> Edition:
    """The undo window has passed: planning may begin, and the edition gets a page where it is `archived`."""
    with store.transaction() as together:
        edition = together.editions.move(key, (EditionState.APPROVED,), EditionState.PLANNING)
        if archived:
            together.kept.archive(edition.id)
    return edition


def note(store: Store, key: str, reason: str) -> bool:
    """Say why an edition is not planned to its end. False when it is not being planned (any more)."""
    try:
        store.editions.move(key, (EditionState.PLANNING,), EditionState.PLANNING, reason=reason)
    except Conflict:
        return False
    return True


def unsay(store: Store, edition: Edition) -> Edition:
    """What kept it from being planned does so no more."""
    with suppress(Conflict):  # it is done, or somebody has just paused it and said why
        return store.editions.move(edition.key, (EditionState.SENDING,), EditionState.SENDING, reason="")
    return edition


def hold_back(store: Store, key: str, reason: str, *, waiting: bool) -> Edition:
    """It was approved and would arrive broken: it waits for its editor again, or is a draft. Raises Conflict when it
    has left already."""
    return store.editions.move(
        key,
        (EditionState.APPROVED,),
        EditionState.WAITING if waiting else EditionState.DRAFT,
        reason=reason,
        approved_at=None,
        approved_by="",
        approved_hash="",
        undo_until=None,
    )


def renew(store: Store, edition: Edition, variant: Variant, *, hold: str = "") -> Edition:
    """An approved edition with other items, because stories changed since: it stays approved, or waits for an editor
    with the reason to `hold` it. Raises Conflict when it has left, or was undone."""
    if hold:
        edition = replace(edition, state=EditionState.WAITING, reason=hold)
        edition = replace(edition, approved_at=None, approved_by="", approved_hash="", undo_until=None)
    else:
        edition = replace(edition, approved_hash=approval_hash(edition, [variant]))
    with store.transaction() as together:
        together.editions.lock(edition.newsletter)
        written = together.editions.replace(edition, was=EditionState.APPROVED)
        together.editions.add_variant(written.id, variant)
        return written


def drop(store: Store, key: str, reason: str) -> Edition:
    """Nothing of an approved edition is left to send. Raises Conflict when it has left already."""
    return store.editions.move(key, (EditionState.APPROVED,), EditionState.SKIPPED, reason=reason)


def expire(store: Store, newsletter: Newsletter, now: datetime) -> None:
    """Merge what nobody approved by hand and what could not leave for so long that it is no news any more: its
    articles go into the next edition."""
    for edition in store.editions.in_state(EditionState.APPROVED):
        left_by = max(edition.due_at, edition.undo_until or edition.due_at) + newsletter.late
        if (edition.newsletter, edition.approved_by) == (newsletter.slug, AUTOMATIC) and now > left_by:
            reason = "it could not leave in time; its articles go into the next edition"
            with suppress(Conflict):  # it has just been undone, or has left after all
                store.editions.move(edition.key, (EditionState.APPROVED,), EditionState.MERGED, reason=reason)


def undo(store: Store, key: str) -> Edition:
    """Take an approval back while its window is open. Raises Conflict when it has left already."""
    return store.editions.move(
        key,
        (EditionState.APPROVED,),
        EditionState.DRAFT,
        approved_at=None,
        approved_by="",
        approved_hash="",
        undo_until=None,
    )


def taken_back(edition: Edition) -> bool:
    """Whether an editor undid its approval: it then goes only when an editor says so. The other drafts say in
    their reason what has to be mended."""
    return edition.state is EditionState.DRAFT and not edition.reason


def stuck(edition: Edition, blocked: Mapping[str, tuple[datetime, str]], *, patience: timedelta, now: datetime) -> str:
    """Why an edition whose hour is over has not left, in words for the person who has to act; "" when it has,
    or when it was made so lately that it may still be on its way."""
    begun = edition.approved_at or edition.composed_at
    patient = edition.state not in (EditionState.MERGED, EditionState.PAUSED) and now < begun + patience
    if patient or edition.state not in (*STUCK, EditionState.SENDING):
        return ""
    if edition.state is EditionState.WAITING:
        return "it waits for an editor's approval"
    if edition.mailer in blocked:
        return f"the mailer {edition.mailer!r} takes nothing: {blocked[edition.mailer][1]}"
    if edition.state is EditionState.SENDING:
        return ""
    return f"it is {edition.state}" + (f": {edition.reason}" if edition.reason else "")


#: States from which sending can be stopped.
RUNNING = (EditionState.APPROVED, EditionState.PLANNING, EditionState.SENDING)


def pause(store: Store, key: str, editor: str) -> tuple[Edition, int]:
    """Stop an edition that is being sent: nothing new is handed over. With it, how many messages can still leave at
    most: those that workers hold at this moment, and those of calls that may still arrive. Raises Conflict when it is
    not being sent."""
    edition = store.editions.move(key, (EditionState.SENDING,), EditionState.PAUSED, reason=f"paused by {editor}")
    return edition, store.outbox.in_hand(edition.id)


def hold(store: Store, key: str, reason: str) -> bool:
    """Pause an edition by itself. False when it is not being sent (any more)."""
    try:
        store.editions.move(key, (EditionState.SENDING,), EditionState.PAUSED, reason=reason)
    except Conflict:
        return False
    return True


def judge(store: Store, key: str, wave: int, bad: str) -> bool:
    """A first wave is judged once: the waves up to `wave` may go, or are paused because of `bad`, and then go when an
    editor resumes. False when somebody judged before, or it is not being sent (any more)."""
    state = EditionState.PAUSED if bad else EditionState.SENDING
    with store.transaction() as together, suppress(Conflict):
        together.editions.lock(key.partition("/")[0])
        if together.editions.get(key).wave < wave:
            together.editions.move(key, (EditionState.SENDING,), state, wave=wave, reason=bad)
            return True
    return False


def resume(store: Store, key: str) -> Edition:
    """Go on where it was stopped. Raises Conflict when it is not paused."""
    return store.editions.move(key, (EditionState.PAUSED,), EditionState.SENDING, reason="")


def cancel(store: Store, key: str, editor: str, *, now: datetime) -> tuple[Edition, int]:
    """End an edition for good; who was reached stays reached. With it, how many will not be mailed. Raises
    Conflict when there is nothing left to stop.

    From the first commit on nothing of it is handed over. Its batches follow, which may wait for what workers hold; a
    sweep ends those that are left when somebody is killed in between."""
    states = (*OPEN, EditionState.WAITING, *RUNNING, EditionState.PAUSED)
    with store.transaction() as together:
        reason = f"cancelled by {editor}"
        edition = together.editions.move(key, states, EditionState.CANCELLED, reason=reason, finished_at=now)
        together.kept.touched(edition.id)
        if together.outbox.open(edition.id):
            _not_brought(together, edition)
    return edition, store.outbox.cancel(edition.id)


def _not_brought(store: Store, edition: Edition) -> None:
    """What readers wait for in vain when an edition is cancelled: what it was to put right, and the story that digests
    left out because this alert was to bring it."""
    store.editions.partly(edition.id, store.memory.due(edition.id))
    if edition.cadence == ALERT:
        store.editions.not_brought(edition.newsletter, [item.article for item in edition.items], but=edition.id)


def resolve(store: Store, key: str, *, accepted: bool, now: datetime) -> int:
    """A person's word about recipients nobody else can tell about. How many. When they are to be mailed again the
    edition goes on sending. Raises NotFound."""
    with store.transaction() as together:
        edition = together.editions.get(key)
        if edition.state is EditionState.CANCELLED and not accepted:
            raise Conflict(f"{key} was cancelled: nobody is mailed any more", edition=key)
        count = together.outbox.resolve(edition.id, accepted=accepted, now=now)
        if count:
            together.kept.went_on(edition.id)
        # Locked only now, after its batches (see `finish`).
        if count and not accepted and together.editions.locked(edition.id).state is EditionState.DONE:
            together.editions.move(key, (EditionState.DONE,), EditionState.SENDING, finished_at=None)
    return count


def finish(store: Store, edition: Edition, *, now: datetime) -> Edition | None:
    """Done when no batch can change any more; None while some can."""
    if edition.state is not EditionState.SENDING or store.outbox.open(edition.id):
        return None
    with store.transaction() as together:
        # Whoever makes batches of it ready at this moment, locks it next and finds it done.
        there = together.editions.locked(edition.id)
        if there.state is not EditionState.SENDING or together.outbox.open(edition.id):
            return None
        return together.editions.move(edition.key, (EditionState.SENDING,), EditionState.DONE, finished_at=now)
