"""Words: newsletters and their editions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from enum import IntEnum, StrEnum

from publisher.model.feeds import Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """An editor's word that an edition may go although a rule of preflight blocks it."""

    rule: str
    by: str
    at: datetime


class EditionState(StrEnum):
    DRAFT = "draft"
    SKIPPED = "skipped"
    MERGED = "merged"
    WAITING = "waiting"  # for an editor's approval
    APPROVED = "approved"  # can be undone until undo_until
    PLANNING = "planning"
    SENDING = "sending"
    PAUSED = "paused"
    SETTLING = "settling"
    DONE = "done"
    CANCELLED = "cancelled"


#: States in which an edition's articles count as sent in its newsletter.
COMMITTED = frozenset(
    {
        EditionState.APPROVED,
        EditionState.PLANNING,
        EditionState.SENDING,
        EditionState.PAUSED,
        EditionState.SETTLING,
        EditionState.DONE,
    }
)


class Priority(IntEnum):
    """What goes first where mail waits, the greatest before all others."""

    DIGEST = 0
    ALERT = 100
    NOTICE = 200  # mail that is no edition: somebody waits for it


#: Words that begin the slots of editions for all readers of a newsletter, whatever cadence they chose: urgent ones,
#: and extra ones made by hand.
FOR_ALL = ("alert", "manual")
ALERT = FOR_ALL[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Readership:
    """Which subscribers of a newsletter an edition is for: those who chose its `cadence` ("": whatever they chose),
    none of those who chose one of `but`, and with `alerts` only those who take alerts."""

    cadence: str = ""
    but: tuple[str, ...] = ()
    alerts: bool = False


class Label(StrEnum):
    NEW = "new"
    UPDATED = "updated"
    CORRECTION = "correction"
    RETRACTION = "retraction"
    RESTORED = "restored"  # after a retraction that was taken back


#: Labels of what is told to whoever was sent the story, whatever they follow and however much else there is.
DUE = (Label.CORRECTION, Label.RETRACTION, Label.RESTORED)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstWave:
    """A part of an edition that goes before the rest: `recipients` of them (0: none), spread over all. The rest goes
    `wait` after what was to be learnt is known, unless one of the shares of those mailed (0.05 is one in twenty) was
    larger: letters that bounced, were blocked because of the sender, were complained about, or were rejected."""

    recipients: int = 0
    wait: timedelta = timedelta(minutes=30)
    bounces: float = 0.05
    blocks: float = 0.02
    complaints: float = 0.003
    rejections: float = 0.05


_ALERT_TEMPLATE, _EVER = "digest/alert", timedelta(days=36_500)
#: The longest time between two editions of a cadence, where that is longer than articles are news.
_BETWEEN = {"weekdays": timedelta(days=3), "weekly": timedelta(days=7), "monthly": timedelta(days=31)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """When the editions of one cadence are due: at the wall time `at` in `timezone`.

    `weekday` is of weekly ones (1 is Monday), `day` of monthly ones, `cron` an expression of five fields. Nothing
    leaves in the hours from the first to the second time of `quiet`. When it is read `by_readers`, each by their own
    clock, an edition is made when the first of `zones` reads the time, at most `ahead` of `timezone`.
    """

    cadence: str = "daily"
    at: time = time(7, 0)
    timezone: str
    weekday: int = 1
    day: int = 1
    cron: str = ""
    quiet: tuple[time, time] | None = None
    by_readers: bool = False
    ahead: timedelta = timedelta(hours=12)
    zones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionRule:
    """A section of an edition: the articles of these categories, at most `limit` of them (0: any number), the newest
    first or the oldest."""

    title: str
    categories: tuple[str, ...]
    limit: int = 0
    order: str = "newest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Newsletter:
    """A standing publication that readers subscribe to. `at` is wall time in `timezone` (an IANA name).

    Each of its cadences has editions of its own: `cadence` is that of readers who chose none, `cadences` are all that
    readers may choose, in order (empty: only that one). `topics` are what readers may follow instead of everything, as
    "category:Sport" or "author:*" (see `model.topics`).
    Articles that `alerts` takes are urgent. Just before it leaves, sources are asked again for at most `look_again`;
    `when_changed` is "go" or "hold", of an edition that an editor approved, `when_unpublished` "leave out" or "hold".
    `maximum_age` is how old an article may be and still be news; `window` how far an edition looks back for what is
    new (zero: to whatever was not sent yet); `late` how long after its hour an edition
    may still go out; `undo` how long an approved edition waits before it leaves; `utm` whether links to the
    site carry utm_ parameters; `archive` whether its editions can be read online, by anybody;
    `preferences_url` the site's own page where readers choose.
    """

    id: int = 0
    slug: str
    name: str
    sender: str
    reply_to: str = ""
    language: str
    timezone: str
    cadence: str = "daily"
    cadences: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    at: time = time(7, 0)
    weekday: int = 1
    day: int = 1
    cron: str = ""
    quiet: tuple[time, time] | None = None
    by_readers: bool = False
    ahead: timedelta = timedelta(hours=12)
    selection: Selection = Selection()
    alerts: Selection | None = None
    sections: tuple[SectionRule, ...] = ()
    window: timedelta = timedelta(0)
    template: str = "digest/daily"
    approval: str = "auto"
    minimum_items: int = 1
    maximum_items: int = 30
    maximum_age: timedelta = timedelta(days=3)
    late: timedelta = timedelta(hours=6)
    undo: timedelta = timedelta(0)
    first_wave: FirstWave = FirstWave()
    utm: bool = False
    archive: bool = True
    preferences_url: str = ""
    when_changed: str = "go"
    when_unpublished: str = "leave out"
    look_again: timedelta = timedelta(seconds=20)
    mailer: str = "maildir"
    was: tuple[str, ...] = ()

    @property
    def offered(self) -> tuple[str, ...]:
        """All its cadences, in order."""
        return self.cadences if self.cadence in self.cadences else (self.cadence, *self.cadences)

    def timetable(self, cadence: str = "", zones: tuple[str, ...] = ()) -> Timetable:
        """Of one of its cadences, its own when none is named. `zones` are those of its readers."""
        return Timetable(
            cadence=cadence or self.cadence,
            at=self.at,
            timezone=self.timezone,
            weekday=self.weekday,
            day=self.day,
            cron=self.cron,
            quiet=self.quiet,
            by_readers=self.by_readers,
            ahead=self.ahead,
            zones=zones,
        )

    def of(self, slot: str) -> Newsletter:
        """The newsletter as its edition at a slot is made: what came since the one before is never too old for it, and
        what is urgent is one story, whatever the others are chosen by."""
        if cadence_of(slot) == ALERT:
            return replace(
                self,
                template=_ALERT_TEMPLATE,
                selection=Selection(),
                sections=(),
                minimum_items=1,
                maximum_items=1,
                maximum_age=_EVER,
                window=timedelta(0),
            )
        between = _BETWEEN.get(cadence_of(slot), timedelta(0))
        return replace(self, maximum_age=max(self.maximum_age, between + self.late)) if between else self

    def readers_of(self, slot: str) -> str:
        """The cadence whose readers alone get the edition at a slot; "" when all do."""
        word = cadence_of(slot)
        return word if word not in FOR_ALL and len(self.offered) > 1 else ""

    def readership(self, slot: str) -> Readership:
        """Whose edition stands at a slot."""
        word = self.readers_of(slot)
        if word != self.cadence:
            return Readership(cadence=word, alerts=cadence_of(slot) == ALERT)
        return Readership(but=tuple(one for one in self.offered if one != word))

    @property
    def origin(self) -> str:
        """The first slug this newsletter ever had: keys and Message-IDs are made from it."""
        return self.was[0] if self.was else self.slug


def cadence_of(slot: str) -> str:
    """The cadence whose edition stands at a slot, such as "daily" of "daily:2026-11-22"."""
    return slot.partition(":")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """The place of an edition in its newsletter's calendar, such as "daily:2026-11-22", due at an instant."""

    name: str
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An article's place in an edition, or in a variant. `overrides` replaces fields (title, standfirst) for mail only.

    In an edition, one that is labelled other than new is for those readers only who were sent an earlier revision, and
    a `spare` one for those whose own stories leave room: it is over the limit for who follows everything."""

    article: int
    revision: int
    position: int
    label: Label = Label.NEW
    section: str = ""
    pinned: bool = False
    spare: bool = False
    overrides: Mapping[str, str] = field(default_factory=dict)


def offered_to_all(items: Iterable[Item]) -> tuple[int, ...]:
    """The articles that an edition brings as news to all who follow them."""
    return tuple(item.article for item in items if item.label is Label.NEW and not item.spare)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """Subject, HTML and plain text of one variant. Places that differ from reader to reader hold the
    placeholders of `kit.message`."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One rendering of an edition. `key` is a hash of what it shows: items and labels in order, language,
    template, sections. `content_hash` is over subject, HTML and text. `superseded_by` is the variant that came in its
    place, for who had not been mailed, when a story was changed; 0 when none did.

    `recipe` is the hash of the document that says what it was made from, "" of one from before that was kept;
    `materials` are that document and all texts it names, by hash: for the store, which keeps each once."""

    id: int = 0
    edition: int = 0
    key: str
    language: str
    template: str
    rendered: Rendered
    content_hash: str
    items: tuple[Item, ...] = ()
    superseded_by: int = 0
    recipe: str = ""
    materials: Mapping[str, bytes] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterhead:
    """What the settings give to every message of an edition. `newsletter` is the slug in unsubscribe links,
    `origin` its first slug, from which Message-IDs are made; `links_url` is the base of the links."""

    newsletter: str
    origin: str
    sender: str
    reply_to: str
    list_id: str
    links_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One dated number of a newsletter. Its identity is (newsletter, slot), unique in the database.

    `wave` is the last one whose batches may leave. `looked_at` is when, while it was being sent, sources were last
    asked about its stories, `gone` the articles that were not published there any more. `letterheads` are those its
    messages were made with, more than one when the settings changed while it was sent.
    """

    id: int = 0
    newsletter: str
    slot: str
    due_at: datetime
    state: EditionState
    reason: str = ""  # why skipped, merged, held or paused
    subject: str = ""
    composed_at: datetime
    approved_at: datetime | None = None
    approved_by: str = ""
    approved_hash: str = ""
    template_hash: str = ""
    undo_until: datetime | None = None
    finished_at: datetime | None = None
    looked_at: datetime | None = None
    gone: frozenset[int] = frozenset()
    priority: int = Priority.DIGEST
    wave: int = 0
    mailer: str = ""
    plan_generation: int = 1
    plan_cursor: int = 0
    maximum_subscriber: int = 0
    candidates: int = 0
    planned: int = 0
    letterheads: tuple[Letterhead, ...] = ()
    overrides: tuple[Override, ...] = ()
    items: tuple[Item, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.newsletter}/{self.slot}"

    @property
    def cadence(self) -> str:
        """Whose edition it is: that of readers of this cadence of the newsletter, or of all for one of `FOR_ALL`."""
        return cadence_of(self.slot)
