"""What would go out, byte for byte, without anything leaving or being stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from publisher.deliver.choosing import PAGE, Chooser, chunks, divide
from publisher.deliver.letters import letterhead, mailing
from publisher.deliver.plan import cut, wave_step
from publisher.model import Edition, Newsletter, Prepared, Site
from publisher.ports import Keys, Mailer, Store


def readers(store: Store, newsletter: Newsletter, slot: str, choose: Chooser) -> tuple[int, Mapping[str, int]]:
    """How many would get the edition at a slot now, and how many would not, by reason."""
    included, excluded = 0, Counter[str]()
    after, last, of = 0, store.audience.largest_id(), newsletter.readership(slot)
    while people := store.audience.standings(newsletter.slug, after=after, upto=last, limit=PAGE, of=of):
        left_out, chosen = divide(people, choose)
        included += len(chosen)
        excluded.update({reason: len(ids) for reason, ids in left_out.items()})
        after = people[-1][0]
    return included, excluded


def rehearse(
    store: Store, edition: Edition, newsletter: Newsletter, choose: Chooser, mailer: Mailer, *, site: Site, keys: Keys
) -> Iterator[Prepared]:
    """Every call to the mailer that this edition would take now: cut as `plan` cuts, made as `drain` makes."""
    sequence, head, able = 0, letterhead(newsletter, site), mailer.capability
    edition, step = replace(edition, planned=0), wave_step(store, edition, newsletter)
    for chunk in chunks(store, newsletter, able, choose, slot=edition.slot):
        shown = {id: variant.rendered for id, variant in chunk.variants.items()}
        batches = cut(edition, newsletter, chunk.chosen, able, step=step, first=sequence, instance=store.instance)
        sequence += len(batches)
        edition = replace(edition, planned=edition.planned + len(chunk.chosen))
        for batch in batches:
            people = store.audience.recipients(newsletter.slug, [subscriber for subscriber, _ in batch.members])
            yield mailer.prepare(
                mailing(batch, edition, head, people=people, skipped=frozenset(), variants=shown, keys=keys)
            )
