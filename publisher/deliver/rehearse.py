"""What would go out, byte for byte, without anything leaving or being stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from publisher.deliver.choosing import PAGE, Chooser, chunks
from publisher.deliver.letters import letterhead, mailing
from publisher.deliver.plan import cut, wave_step
from publisher.deliver.rules import exclusion
from publisher.model import Edition, Newsletter, Prepared, Site
from publisher.ports import Keys, Mailer, Store


def readers(store: Store, newsletter: Newsletter) -> tuple[int, Mapping[str, int]]:
    """How many may be mailed now, and how many may not, by reason."""
    included, excluded = 0, Counter[str]()
    after, last = 0, store.audience.largest_id()
    while people := store.audience.candidates(newsletter.slug, after=after, upto=last, limit=PAGE):
        reasons = Counter(exclusion(person) for person in people)
        included += reasons.pop("", 0)
        excluded += reasons
        after = people[-1].subscriber
    return included, excluded


def rehearse(
    store: Store, edition: Edition, newsletter: Newsletter, choose: Chooser, mailer: Mailer, *, site: Site, keys: Keys
) -> Iterator[Prepared]:
    """Every call to the mailer that this edition would take now: cut as `plan` cuts, made as `drain` makes."""
    sequence, head, able = 0, letterhead(newsletter, site), mailer.capability
    edition, step = replace(edition, planned=0), wave_step(store, edition, newsletter)
    for chunk in chunks(store, newsletter, able, choose):
        shown = {id: variant.rendered for id, variant in chunk.variants.items()}
        batches = cut(edition, newsletter, chunk.chosen, able, step=step, first=sequence, instance=store.instance)
        sequence += len(batches)
        edition = replace(edition, planned=edition.planned + len(chunk.chosen))
        for batch in batches:
            people = store.audience.recipients(newsletter.slug, [subscriber for subscriber, _ in batch.members])
            yield mailer.prepare(
                mailing(batch, edition, head, people=people, skipped=frozenset(), variants=shown, keys=keys)
            )
