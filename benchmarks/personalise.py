"""Times personalising and composing: `python -m benchmarks.personalise --messages 200000`.

Personalising is all that is done for one reader: the unsubscribe token, the Message-ID and the message as bytes, one
after the other and thrown away. Beside it stand copying as many bytes in memory, which it cannot beat, joining the same
pieces with nothing new in them, and the standard library building each message. Composing is beside the same template
rendered by Jinja without a sandbox.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from publisher import compose
from publisher.kit import message
from publisher.kit.templating import TemplateFolders, inline_css
from publisher.kit.tokens import Key, KeyRing
from publisher.model import Article, Letter, Newsletter, Rendered, Revision, Site, Slot

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
DAILY = Newsletter(slug="daily", name="The Daily", sender="daily@gazette.example", language="en", timezone="UTC")
SITE = Site(
    name="The Generated Gazette",
    url="https://gazette.example",
    language="en",
    timezone="UTC",
    tag_authority="gazette.example,2026",
    postal_address="1 Quay Street",
)
SLOT = Slot(name="daily:2026-11-22", due_at=NOW)
TEMPLATES = Path(__file__).resolve().parents[1] / "templates"


def articles(number: int) -> tuple[Article, ...]:
    return tuple(map(_article, range(1, number + 1)))


def _article(number: int) -> Article:
    revision = Revision(
        article=number,
        number=1,
        title=f"Headline {number}: the harbour council has met again",
        standfirst="What the story says in one sentence, or in one and a half.",
        content_html="<p>" + "The ferry and the quay. " * 30 + "</p>",
        categories=(f"Section {number % 6}",),
        language="en",
        published_at=NOW - timedelta(minutes=number),
        updated_at=NOW,
        content_hash="",
    )
    return Article(
        id=number,
        source="site",
        native_id=str(number),
        story=str(number),
        canonical_url=f"https://gazette.example/story-{number}",
        entry_id="",
        first_seen_at=NOW,
        revision=revision,
    )


def padded(rendered: Rendered, size: int) -> Rendered:
    """The same digest with as many more words as make a message of so many bytes."""
    more = size - len(one_message(rendered)) - 200
    words = "<p>" + "harbour ferry council quay storm " * 400 + "</p>\n"
    return replace(
        rendered, html=rendered.html.replace("</body>", words * max(0, more * 9 // 10 // len(words)) + "</body>")
    )


def one_message(rendered: Rendered) -> bytes:
    return message.fill(form_of(rendered), next(letters(1)))


def form_of(rendered: Rendered) -> message.Mould:
    return message.mould(
        rendered, sender=DAILY.sender, reply_to="", list_id="The Daily <daily.gazette.example>", date=NOW
    )


def letters(number: int) -> Iterator[Letter]:
    """As `deliver.letters` makes them; every fourth reader has a name beyond ASCII."""
    key = Key(id=b"abcd", secret=b"k" * 32)
    people = [reader.to_bytes(12, "big") for reader in range(number)]
    tokens = KeyRing((key,), key).unsubscribe_tokens("daily", people)
    ids = message.message_ids("daily", SLOT.name, "gazette.example", people)
    for reader, (id, token) in enumerate(zip(ids, tokens, strict=True)):
        name = f"Reader {reader}" if reader % 4 else f"Léa Núñez {reader}"
        yield Letter(reader, f"reader{reader}@readers.example", name, 1, id, f"https://news.gazette.example/u/{token}")


def naive(letter: Letter, rendered: Rendered) -> bytes:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = DAILY.sender, letter.email, rendered.subject
    made["Message-ID"], made["List-Unsubscribe"] = letter.message_id, f"<{letter.unsubscribe_url}>"
    made.set_content(rendered.text.replace(message.UNSUBSCRIBE_URL, letter.unsubscribe_url))
    made.add_alternative(rendered.html.replace(message.UNSUBSCRIBE_URL, letter.unsubscribe_url), subtype="html")
    return made.as_bytes()


def per_second(work: Callable[[], int]) -> tuple[float, float]:
    """(messages a second of CPU, of wall time) of the work, which tells how many it made."""
    wall, used = time.perf_counter(), time.process_time()
    made = work()
    return made / (time.process_time() - used), made / (time.perf_counter() - wall)


def drained(made: Iterator[bytes]) -> int:
    return sum(1 for _ in made)


def personalise(rendered: Rendered, number: int) -> None:
    form, size = form_of(rendered), len(one_message(rendered))
    pieces, block = [form.head, *form.text, form.between, *form.html, form.tail], bytearray(size)
    rows: dict[str, Callable[[], int]] = {
        "limit: copying the bytes": lambda: drained(bytes(block) for _ in range(number)),
        "limit: joining the pieces": lambda: drained(b"".join(pieces) for _ in range(number)),
        "personalised": lambda: drained(message.fill(form, letter) for letter in letters(number)),
        "standard library": lambda: drained(naive(letter, rendered) for letter in letters(100)),
    }
    print(f"\n{number:,} messages of {size:,} bytes, one core; the best of 3 rounds")
    print(f"{'':28}{'per s of CPU':>14}{'per s':>12}{'/ copying':>12}")
    before, copying = peak(), 0.0
    for name, work in rows.items():
        cpu, wall = max(per_second(work) for _ in range(3))
        copying = copying or cpu
        print(f"{name:28}{cpu:>14,.0f}{wall:>12,.0f}{cpu / copying:>12.4f}")
    print(f"peak memory before {before} MB, after {peak()} MB")


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def milliseconds(work: Callable[[], Any], rounds: int = 20) -> tuple[float, float]:
    """(median, best) in milliseconds of CPU."""
    spent = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        spent.append((time.process_time() - started) * 1000)
    return statistics.median(spent), min(spent)


def composing(look: str, number: int) -> Rendered:
    newsletter, chosen = replace(DAILY, template=f"digest/{look}"), articles(number)
    templates, known = TemplateFolders([TEMPLATES]), {one.id: one for one in chosen}

    def edition() -> Rendered:
        items = compose.choose(newsletter, chosen, {}, now=NOW).items
        return compose.render(newsletter, SLOT, items, known, site=SITE, templates=templates, now=NOW)

    first = time.process_time()
    rendered = edition()
    first = (time.process_time() - first) * 1000
    median, best = milliseconds(edition)
    inlining, _ = milliseconds(lambda: inline_css(rendered.html))
    print(
        f"{look:12}{len(rendered.html):>9,} B  first {first:6.1f}  median {median:6.1f}  best {best:6.1f}"
        f"  of it inlining of CSS {inlining:5.1f}"
    )
    return rendered


def plain_jinja(number: int) -> None:
    """A page of as many stories, by Jinja alone."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    page = environment.from_string(
        "{% for s in stories %}<tr><td><h3><a href='{{ s.u }}'>{{ s.t }}</a></h3><p>{{ s.s }}</p></td></tr>{% endfor %}"
    )
    stories = [
        {"u": one.canonical_url, "t": one.revision.title, "s": one.revision.standfirst} for one in articles(number)
    ]
    median, best = milliseconds(lambda: page.render(stories=stories))
    print(
        f"{'plain Jinja':12}{len(page.render(stories=stories)):>9,} B  {'':13} median {median:6.1f}  best {best:6.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--size", type=int, default=60_000)
    parser.add_argument("--articles", type=int, default=30)
    options = parser.parse_args()
    print(f"choosing and rendering an edition of {options.articles} articles, ms of CPU")
    rendered = [composing(look, options.articles) for look in ("daily", "headlines")]
    composing("alert", 1)
    plain_jinja(options.articles)
    personalise(padded(rendered[0], options.size), options.messages)


if __name__ == "__main__":
    main()
