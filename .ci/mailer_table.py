"""Writes the README's table of mailers from what each declares: `.venv/bin/python .ci/mailer_table.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from publisher.mailers.maildir import Maildir
from publisher.mailers.mailgun import Mailgun
from publisher.mailers.postmark import Postmark
from publisher.mailers.resend import Resend
from publisher.mailers.ses import Ses
from publisher.mailers.smtp import Smtp
from publisher.model import Capability

README = Path(__file__).parents[1] / "README.md"
PLACE = re.compile(r"(?<=<!-- mailers -->\n).*?(?=<!-- /mailers -->)", re.S)
HEAD = "| mailer | a call carries | an answer that is lost | events |\n|---|---|---|---|\n"


def capabilities() -> Iterator[tuple[str, Capability]]:
    yield "maildir", Maildir("maildir", Path("mail")).capability
    yield "smtp", Smtp("smtp", "localhost").capability
    yield "resend", Resend("resend", "re_key").capability
    yield "ses", Ses.capability
    yield "postmark", Postmark("postmark", "token").capability
    yield "mailgun", Mailgun("mailgun", "key", "mg.example.org").capability


def table() -> str:
    return HEAD + "".join(
        f"| `{name}` | {_call(able)} | {_lost(able)} | {able.webhook or 'none'} |\n" for name, able in capabilities()
    )


def _call(able: Capability) -> str:
    body = "one body" if able.shared_body else "whole messages"
    return f"{able.batch:,} readers, {body}, up to {able.batch_bytes // 1_000_000} MB"


def _lost(able: Capability) -> str:
    if able.deduplicates:
        return "handed over again: the same Message-ID leaves one message"
    if able.key_lifetime:
        return f"the same key and the same bytes again, for {_span(able.key_lifetime)}"
    if able.evidence == "search":
        return f"looked up at the provider after {_span(able.look_up_lag)}"
    if able.evidence == "events":
        return f"settled by the provider's events after {_span(able.look_up_lag)}"
    return "held and listed; a person decides"


def _span(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes // 60} hours" if minutes >= 120 else f"{minutes} minutes"


def written(readme: str) -> str:
    return PLACE.sub(lambda _: table(), readme)


if __name__ == "__main__":
    README.write_text(written(README.read_text()))
