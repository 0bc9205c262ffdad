"""Errors, named by the remedy. A class's docstring is its default message.

Plain bugs are not wrapped: they end the job, are logged once, and the next tick goes on. Each door
(`cli`, `web`, `schedule`) turns these into words in exactly one place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong in the settings: where, what stands there, and what would be right."""

    key: str
    value: object
    remedy: str

    def __str__(self) -> str:
        shown = "" if self.value is None else f" is {self.value!r}"
        return f"{self.key}{shown}: {self.remedy}"


class SettingsError(Exception):
    """The settings cannot be used.

    Outside `PublisherError` on purpose: nothing that carries on after a failed job may swallow it.
    """

    def __init__(self, problems: Sequence[Problem], path: str = "settings.toml") -> None:
        self.problems = tuple(problems)
        self.path = path
        of_the_file = [problem for problem in self.problems if problem.key.endswith(path)]  # all of it, not one key
        heading = [] if of_the_file else [f"{path} has {_count(len(self.problems), 'problem')}:"]
        super().__init__("\n".join([*heading, *map(str, self.problems)]))


class PublisherError(Exception):
    """Something went wrong that a person can mend."""

    def __init__(self, message: str = "", **ids: object) -> None:
        self.ids = ids
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])


class StoreError(PublisherError):
    """The store could not be read or written."""


class NotFound(StoreError):
    """There is nothing of that name."""


class Conflict(StoreError):
    """Somebody else changed this in the meantime; look again."""


class SourceError(PublisherError):
    """A source could not be read. What was collected before is kept."""


class SourceUnavailable(SourceError):
    """The source does not answer; it will be tried again. What was collected before is kept."""

    def __init__(self, message: str = "", *, retry_after: timedelta | None = None, **ids: object) -> None:
        self.retry_after = retry_after
        super().__init__(message, **ids)


class SourceInvalid(SourceError):
    """The source answers with something that is not what its kind should be; an editor should look."""


class SourceEmptied(SourceError):
    """So many articles vanished at once that it is taken for an outage; nothing was retracted."""


class TemplateError(PublisherError):
    """A template cannot be rendered; the edition stays a draft."""

    def __init__(self, message: str = "", *, template: str = "", line: int | None = None, **ids: object) -> None:
        self.template = template
        self.line = line
        place = f"{template}, line {line}: " if template and line else f"{template}: " if template else ""
        super().__init__(f"{place}{message}" if message else "", **ids)


class PreflightError(PublisherError):
    """An edition would arrive broken, so it does not leave: mend it, or override the rule."""


class FolderError(PublisherError):
    """The feed folder could not be written; the last good files stay."""


class HubError(PublisherError):
    """The WebSub hub could not be told of a change; it is told again later."""


class GateError(PublisherError):
    """A feed document did not pass the publication gate; the last good file stays."""


class Failure(StrEnum):
    """Whose turn it is when mail cannot be handed over."""

    CREDENTIALS = "credentials"  # ours: key, password, sender or settings are wrong
    QUOTA = "quota"  # time's, or whoever buys more: what the account may send is used up
    REPUTATION = "reputation"  # whoever talks to the provider: it, or receivers, refuse us as a sender
    ADDRESS = "address"  # nobody's: one reader's address is at fault, or one call; the mailer is well
    TRANSIENT = "transient"  # nobody's: it is busy, or cannot be reached


class DeliveryError(PublisherError):
    """Mail could not be handed over."""

    failure: Failure = Failure.TRANSIENT


class TryLater(DeliveryError):
    """The mailer proved that it took nothing; try again later."""

    def __init__(self, message: str = "", *, retry_after: timedelta | None = None, **ids: object) -> None:
        self.retry_after = retry_after
        super().__init__(message, **ids)


class MailerMisconfigured(DeliveryError):
    """The mailer refuses us (credentials, quota, reputation, sender, settings): stop and tell an editor."""

    def __init__(self, message: str = "", *, failure: Failure = Failure.CREDENTIALS, **ids: object) -> None:
        self.failure = failure
        super().__init__(message, **ids)


class OutcomeUnknown(DeliveryError):
    """Nobody can tell yet whether the mailer took the batch; it is never sent again blindly."""


class Refused(DeliveryError):
    """The mailer proved that it refuses this call as a whole, not whose fault it is; split it."""

    failure = Failure.ADDRESS


class MailboxError(PublisherError):
    """The mailbox for bounces cannot be read; what is in it stays there."""


class NotAllowed(PublisherError):
    """That is not allowed."""


class BadToken(NotAllowed):
    """This link is not one of ours."""


class WebhookRejected(NotAllowed):
    """This call does not carry the signature it should."""


class NoConsent(NotAllowed):
    """This person has not asked for mail, or has asked for none."""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
