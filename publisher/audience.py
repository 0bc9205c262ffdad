"""Who reads: add, remove, import and export people; answer their one-click unsubscribe, and their way back."""

from __future__ import annotations

import csv
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import IO, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from publisher.errors import BadToken, NotFound
from publisher.model import Newsletter, Refusal, Subscriber, Subscription, SubscriptionStatus
from publisher.model.topics import offered
from publisher.ports import Keys, Store

#: How long a link to confirm is good, and how long after leaving the page that says so offers a way back.
CONFIRM_WITHIN = timedelta(days=7)
#: Lines of a file that are stored in one transaction.
CHUNK = 2_000
#: The columns of an import and an export. Only the first is needed.
COLUMNS = ("email", "name", "newsletters", "status", "language", "timezone", "topics", "cadence", "alerts")
#: Those of them that say what a reader wants of the newsletters of the line.
CHOICES = COLUMNS[6:]
_YES_OR_NO = {"yes": True, "no": False, "true": True, "false": False, "1": True, "0": False}
#: A cell that begins with one of these is a formula to a spreadsheet; an export writes it as text.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: Characters of a language tag (BCP 47 section 4.4.1).
LANGUAGE = 35


def address(text: str) -> tuple[str, str]:
    """An e-mail address as it is written and as it is compared. Raises ValueError saying what is wrong.

    RFC 5321 leaves the part before the @ to its host; nobody uses two that differ in case only, so they
    compare as one.
    """
    from email_validator import EmailNotValidError, validate_email  # late: it is slow to import

    try:
        valid = validate_email(text.strip(), check_deliverability=False)
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
    return valid.normalized, valid.normalized.casefold()


def person(email: str, keys: Keys, *, name: str = "", language: str = "", now: datetime) -> Subscriber:
    """A new subscriber, not stored yet. Raises ValueError when the address is none."""
    written, compared = address(email)
    return Subscriber(
        public_id=secrets.token_bytes(12),
        email=written,
        email_key=compared,
        address_key=keys.address(compared),
        name=" ".join(name.split())[:200],
        language=language,
        created_at=now,
    )


def zone(text: str) -> str:
    """A time zone as it is kept, "" for none. Raises ValueError when nobody knows it."""
    name = text.strip()
    try:
        return ZoneInfo(name).key if name else ""
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name[:50]!r}; write it as 'Europe/Dublin' is written") from None


def consent(newsletter: str, status: SubscriptionStatus, evidence: Mapping[str, Any], *, now: datetime) -> Subscription:
    return Subscription(subscriber=0, newsletter=newsletter, status=status, evidence=evidence, changed_at=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a reader wants of a newsletter: topics ("category:Sport"), sorted, none for everything; a cadence, "" for
    the newsletter's own; and whether its alerts."""

    topics: tuple[str, ...] = ()
    cadence: str = ""
    alerts: bool = True


def choices(newsletter: Newsletter, *, topics: Iterable[str] = (), cadence: str = "", alerts: bool = True) -> Choices:
    """What a reader may want of a newsletter, as it is kept. Raises ValueError for what it does not offer."""
    wanted = sorted({offered(topic, newsletter.topics) for topic in topics}, key=str.casefold)
    cadence = cadence.strip().casefold()
    if cadence and cadence not in newsletter.offered:
        raise ValueError(f"{newsletter.slug} has no cadence {cadence!r}; it has {', '.join(newsletter.offered)}")
    return Choices(topics=tuple(wanted), cadence="" if cadence == newsletter.cadence else cadence, alerts=alerts)


def choose(store: Store, reader: Subscriber, newsletter: Newsletter, wanted: Choices) -> Subscription:
    """Keep what a reader wants. Raises NotFound when they never met the newsletter."""
    return store.audience.choose(
        reader.id, newsletter.slug, topics=wanted.topics, cadence=wanted.cadence, alerts=wanted.alerts
    )


def held(store: Store, reader: Subscriber, newsletter: str) -> Subscription:
    """A reader's subscription to a newsletter. Raises NotFound."""
    return _held(store, reader, newsletter)


def unsubscribe(
    store: Store, keys: Keys, token: str, *, renamed: Mapping[str, str], now: datetime, how: str
) -> tuple[Subscriber, str]:
    """End one subscription. Doing it again changes nothing. Raises BadToken when the link is not ours.

    RFC 8058 section 3.2: answered without cookies or questions; it counts until the last moment, because
    every batch looks at its recipients again before its intent.
    """
    reader, newsletter = read_link(store, keys, token, renamed=renamed)
    store.audience.change(
        reader.id, newsletter, SubscriptionStatus.UNSUBSCRIBED, at=now, evidence={"unsubscribed": how}
    )
    return reader, newsletter


def read_link(store: Store, keys: Keys, token: str, *, renamed: Mapping[str, str]) -> tuple[Subscriber, str]:
    """Whose unsubscribe link this is, and for which newsletter. Raises BadToken.

    Links outlive names: `renamed` maps the slugs that newsletters had before to those of today."""
    public_id, newsletter = keys.read_unsubscribe(token)
    reader = store.audience.by_public_id(public_id)
    if reader is None:
        raise BadToken
    return reader, renamed.get(newsletter, newsletter)


def status(store: Store, reader: Subscriber, newsletter: str) -> SubscriptionStatus:
    """How a reader and a newsletter stand. Raises NotFound when they never met."""
    return _held(store, reader, newsletter).status


def _held(store: Store, reader: Subscriber, newsletter: str) -> Subscription:
    for subscription in store.audience.subscriptions(reader.id):
        if subscription.newsletter == newsletter:
            return subscription
    raise NotFound(f"this reader has no subscription to {newsletter!r}")


def read_confirmation(
    store: Store, keys: Keys, token: str, *, renamed: Mapping[str, str], within: timedelta
) -> tuple[Subscriber, str]:
    """Who would confirm what with this link. Raises BadToken when it is forged or too old."""
    return _meant(store, keys.read("confirm", token, maximum_age=within), renamed)


def _meant(store: Store, said: Mapping[str, Any], renamed: Mapping[str, str]) -> tuple[Subscriber, str]:
    reader = store.audience.by_public_id(bytes.fromhex(str(said["reader"])))
    if reader is None:
        raise BadToken
    newsletter = str(said["newsletter"])
    return reader, renamed.get(newsletter, newsletter)


def confirm(
    store: Store, keys: Keys, token: str, *, renamed: Mapping[str, str], now: datetime, within: timedelta
) -> tuple[Subscriber, str]:
    """Double opt-in: the reader asked for this newsletter themselves. Raises BadToken, NotFound.

    It also brings back who had left. A suppression stays: who complained, or whose address bounces, gets no mail.
    """
    said = keys.read("confirm", token, maximum_age=within)
    reader, newsletter = _meant(store, said, renamed)
    evidence = {"confirmed": "button after leaving" if said.get("undo") else "link in the confirmation mail"}
    store.audience.change(reader.id, newsletter, SubscriptionStatus.CONFIRMED, at=now, evidence=evidence)
    return reader, newsletter


def confirmation_link(keys: Keys, reader: Subscriber, newsletter: str, base_url: str) -> str:
    token = keys.sign("confirm", {"reader": reader.public_id.hex(), "newsletter": newsletter})
    return f"{base_url}/c/{token}"


def way_back(store: Store, keys: Keys, reader: Subscriber, newsletter: str, *, now: datetime) -> str:
    """Where a POST undoes an unsubscribe, for the page that has just done it; "" when there is no such way.

    Unsubscribe links never expire, and mail is forwarded: an old one in other hands must not bring back somebody who
    left long ago. Nor is a way shown to who would get no mail all the same.
    """
    held = _held(store, reader, newsletter)
    young = held.status is SubscriptionStatus.UNSUBSCRIBED and now - held.changed_at < CONFIRM_WITHIN
    if not young or store.audience.suppressed(reader.address_key, newsletter):
        return ""
    token = keys.sign("confirm", {"reader": reader.public_id.hex(), "newsletter": newsletter, "undo": True})
    return f"/c/{token}"


def remove(store: Store, email: str, newsletters: Collection[str], *, now: datetime, how: str) -> tuple[str, ...]:
    """Unsubscribe somebody by address. Returns the newsletters they left. Raises NotFound, ValueError."""
    reader = store.audience.by_email(address(email)[1])
    if reader is None:
        raise NotFound(f"nobody with the address {email} is known")
    has = [subscription.newsletter for subscription in store.audience.subscriptions(reader.id)]
    return tuple(
        newsletter
        for newsletter in has
        if newsletter in newsletters
        and store.audience.change(
            reader.id, newsletter, SubscriptionStatus.UNSUBSCRIBED, at=now, evidence={"unsubscribed": how}
        )
    )


# ---------------------------------------------------------------- files


@dataclass(slots=True)
class Imported:
    """What became of each line of a file."""

    lines: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    refused: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Importer:
    """How to read a file: which newsletters exist, by slug (a collection of slugs offers no choices), and which one is
    meant when a line names none."""

    store: Store
    keys: Keys
    newsletters: Mapping[str, Newsletter] | Collection[str]
    default: tuple[str, ...]
    origin: str
    now: datetime
    rechoose: bool = False  # whether a file with columns of `CHOICES` changes what readers want who are known already

    def run(
        self, lines: Iterable[str], refused: Callable[[Refusal], None], progress: Callable[[int], None] | None = None
    ) -> Imported:
        """Store a CSV file in chunks; running it again changes nothing.

        `refused` is called with a Refusal for every line left out, `progress` with the number of lines of
        each chunk. Raises ValueError when the file has no column "email".
        """
        report = Imported()
        for chunk in _chunks(_rows(lines)):
            people: dict[str, tuple[Subscriber, list[Subscription]]] = {}
            for number, row in chunk:
                report.lines += 1
                try:
                    reader, subscriptions = self.read(row)
                except ValueError as error:
                    report.refused += 1
                    refused(Refusal(item=f"line {number}", reason=str(error)))
                else:
                    _, wanted = people.setdefault(reader.email_key, (reader, []))
                    if wanted:
                        report.outcomes["repeated"] += 1
                    wanted.extend(subscriptions)
            report.outcomes.update(self.store.audience.add_many(list(people.values())).values())
            if self.rechoose and any(column in row for _, row in chunk for column in CHOICES):
                self.store.audience.choose_many(list(people.values()))
            if progress:
                progress(len(chunk))
        return report

    def read(self, row: Mapping[str, str]) -> tuple[Subscriber, list[Subscription]]:
        """One line. Raises ValueError saying what is wrong with it."""
        if "\n" in row.get("email", ""):
            raise ValueError("a quotation mark is not closed, so this line and those before it were read as one")
        if not row.get("email", "").strip():
            raise ValueError("there is no address")
        reader = person(
            _unquoted(row["email"]),
            self.keys,
            name=_unquoted(row.get("name", "")),
            language=row.get("language", "").strip()[:LANGUAGE],
            now=self.now,
        )
        reader = replace(reader, timezone=zone(row.get("timezone", "")))
        named = tuple(slug.strip() for slug in row.get("newsletters", "").split(";") if slug.strip())
        for slug in named:
            if slug not in self.newsletters:
                raise ValueError(f"there is no newsletter {slug!r}; there is {', '.join(sorted(self.newsletters))}")
        status = row.get("status", "").strip().casefold() or SubscriptionStatus.CONFIRMED
        if status not in set(SubscriptionStatus):
            raise ValueError(f"the status {status!r} is none of {', '.join(SubscriptionStatus)}")
        evidence = {"imported": self.origin}
        subscriptions = [
            self._chosen(row, consent(slug, SubscriptionStatus(status), evidence, now=self.now))
            for slug in named or self.default
        ]
        return reader, subscriptions

    def _chosen(self, row: Mapping[str, str], there: Subscription) -> Subscription:
        """With what the line says that they want. Raises ValueError."""
        if not isinstance(self.newsletters, Mapping) or not any(row.get(column, "").strip() for column in CHOICES):
            return there
        alerts = row.get("alerts", "").strip().casefold() or "yes"
        if alerts not in _YES_OR_NO:
            raise ValueError(f"alerts is {alerts!r}; write yes or no")
        wanted = choices(
            self.newsletters[there.newsletter],
            topics=[_unquoted(topic) for topic in row.get("topics", "").split(";") if topic.strip()],
            cadence=row.get("cadence", ""),
            alerts=_YES_OR_NO[alerts],
        )
        return replace(there, topics=wanted.topics, cadence=wanted.cadence, alerts=wanted.alerts)


def _unquoted(cell: str) -> str:
    """A cell that an export wrote as text, as it was."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell) else cell


def _is_formula(cell: str) -> bool:
    """Whether a spreadsheet would run it, or it is the text of one already: both get one more apostrophe."""
    return cell.lstrip("'").startswith(FORMULA)


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Lines as (line number, cells by small column name). A line with a NUL or a torn quote is one bad row."""
    cleaned = (line.replace("\0", "�").removeprefix("﻿") for line in lines)
    first = next(cleaned, "")
    reader = csv.reader(chain([first], cleaned), delimiter=_delimiter(first))
    header = [name.strip().casefold() for name in next(reader, [])]
    if "email" not in header:
        found = ", ".join(header)[:100] or "nothing"
        raise ValueError(f"the first line must name the columns, and one of them must be 'email'; it has {found}")
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, {"email": f"({error})"}
            continue
        if cells:
            yield reader.line_num, dict(zip(header, cells, strict=False))


def _delimiter(header: str) -> str:
    """What parts the cells: spreadsheets write a semicolon where a comma is in numbers, or a tab."""
    return next((mark for mark in (",", ";", "\t") if mark in header), ",")


def _chunks(rows: Iterator[tuple[int, dict[str, str]]]) -> Iterator[list[tuple[int, dict[str, str]]]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


def export(store: Store, file: IO[str], *, newsletter: str = "") -> int:
    """Write everybody as CSV that an import reads back. How many people. Cells that a spreadsheet would run
    as a formula are written with a leading apostrophe."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for reader, subscriptions in store.audience.each(newsletter):
        count += 1
        alike: dict[tuple[str, ...], list[str]] = {}
        for one in subscriptions:
            wanted = (";".join(one.topics), one.cadence, "" if one.alerts else "no")
            alike.setdefault((one.status, *wanted), []).append(one.newsletter)
        for (status, *wants), slugs in alike.items() or [(("", "", "", ""), [])]:
            cells = (reader.email, reader.name, ";".join(slugs), status, reader.language, reader.timezone, *wants)
            writer.writerow([f"'{cell}" if _is_formula(cell) else cell for cell in cells])
    return count
