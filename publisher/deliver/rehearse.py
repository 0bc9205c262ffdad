"""What would go out, byte for byte, without anything leaving or being stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from publisher.deliver.letters import letterhead, mailing
from publisher.deliver.plan import CHUNK, cut, divide
from publisher.model import Candidate, Edition, Newsletter, Prepared, Site, Variant
from publisher.ports import Keys, Mailer, Store


def readers(store: Store, newsletter: Newsletter) -> tuple[int, Mapping[str, int]]:
    """How many would get an edition now, and how many would not, by reason."""
    included, excluded = 0, Counter[str]()
    for people in _chunks(store, newsletter):
        left_out, those = divide(people)
        included += len(those)
        excluded.update({reason: len(ids) for reason, ids in left_out.items()})
    return included, excluded


def rehearse(
    store: Store, edition: Edition, newsletter: Newsletter, variant: Variant, mailer: Mailer, *, site: Site, keys: Keys
) -> Iterator[Prepared]:
    """Every call to the mailer that this edition would take now: cut as `plan` cuts, made as `drain` makes."""
    sequence, shown, head = 0, {variant.id: variant.rendered}, letterhead(newsletter, site)
    for people in _chunks(store, newsletter):
        known = {person.subscriber: person for person in people}
        batches = cut(
            edition,
            newsletter,
            divide(people)[1],
            variant,
            size=mailer.capability.batch,
            first=sequence,
            instance=store.instance,
        )
        sequence += len(batches)
        for batch in batches:
            yield mailer.prepare(
                mailing(batch, edition, head, people=known, skipped=frozenset(), variants=shown, keys=keys)
            )


def _chunks(store: Store, newsletter: Newsletter) -> Iterator[tuple[Candidate, ...]]:
    """Subscribers of any status, in the chunks of a real plan."""
    after, last = 0, store.audience.largest_id()
    while people := store.audience.candidates(newsletter.slug, after=after, upto=last, limit=CHUNK):
        yield people
        after = people[-1].subscriber
