"""Who gets which variant of an edition, and who gets none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from publisher.deliver.rules import exclusion
from publisher.model import Capability, Newsletter, Standing, Variant
from publisher.ports import Store

#: Subscribers, ascending by id, and how each stands.
People = Sequence[tuple[int, Standing]]
#: Of subscribers who may be mailed: the variant each gets, or why they get none ("nothing new in their topics"), in
#: their order. It decides by what it is given, so that a planner that was killed decides the same again.
Chooser = Callable[[People], Sequence[Variant | str]]

#: Subscribers that are held in memory at once.
PAGE = 20_000
#: Subscribers that are looked at before calls with one body are cut, at most.
LARGEST = 250_000
#: Calls of a variant that should be full for each one that is not.
FULL = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Subscribers after one id up to another: (subscriber, variant) in their order, and those left out by reason."""

    upto: int
    chosen: Sequence[tuple[int, Variant]]
    excluded: Mapping[str, Sequence[int]]
    finished: bool
    zones: Mapping[int, str] = field(default_factory=dict)  # of readers, where their own clocks count

    @property
    def variants(self) -> Mapping[int, Variant]:
        return {variant.id: variant for _, variant in self.chosen}


def to_all(variant: Variant) -> Chooser:
    """Everybody gets the same."""
    return lambda people: [variant] * len(people)


def divide(people: People, choose: Chooser) -> tuple[Mapping[str, list[int]], list[tuple[int, Variant]]]:
    """Those left out, by reason, and those who get the edition with what they get, each ascending."""
    excluded: dict[str, list[int]] = defaultdict(list)
    chosen: list[tuple[int, Variant]] = []
    reasons = {standing: exclusion(standing) for standing in {standing for _, standing in people}}
    if any(reasons.values()):
        for subscriber, standing in people:
            if reason := reasons[standing]:
                excluded[reason].append(subscriber)
        people = [one for one in people if not reasons[one[1]]]
    for (subscriber, _), answer in zip(people, choose(people), strict=True):
        if isinstance(answer, str):
            excluded[answer].append(subscriber)
        else:
            chosen.append((subscriber, answer))
    return excluded, chosen


def next_chunk(
    store: Store,
    newsletter: Newsletter,
    capability: Capability,
    choose: Chooser,
    *,
    slot: str,
    after: int,
    upto: int,
    limit: int,
) -> Chunk:
    """The subscribers that are planned together next, at most `limit` (0: what suits the mailer), of those whom the
    edition at a slot is for.

    Where a call carries one body, so many that most calls of each variant are full; only ids and their variants are
    held, a page of people at a time.
    """
    of, limit = newsletter.readership(slot), limit or (LARGEST if capability.shared_body else PAGE)
    excluded: dict[str, list[int]] = defaultdict(list)
    chosen: list[tuple[int, Variant]] = []
    variants: set[int] = set()
    zones: dict[int, str] = {}
    seen, finished = 0, False
    while seen < limit and not finished and not (seen and _fills(len(chosen), len(variants), capability)):
        wanted = min(PAGE, limit - seen)
        people = store.audience.standings(newsletter.slug, after=after, upto=upto, limit=wanted, of=of)
        finished = len(people) < wanted
        after = people[-1][0] if people else after
        seen += len(people)
        left_out, those = divide(people, choose)
        chosen += those
        zones |= {id: standing.timezone for id, standing in people} if newsletter.by_readers else {}
        variants |= {variant.id for _, variant in those}
        for reason, ids in left_out.items():
            excluded[reason] += ids
    upto = upto if finished else after
    return Chunk(upto=upto, chosen=chosen, excluded=excluded, finished=finished, zones=zones)


def _fills(recipients: int, variants: int, capability: Capability) -> bool:
    """Whether so many recipients make calls of which hardly any is not full."""
    return recipients >= FULL * capability.batch * max(1, variants if capability.shared_body else 1)


def chunks(
    store: Store, newsletter: Newsletter, capability: Capability, choose: Chooser, *, slot: str
) -> Iterator[Chunk]:
    """All subscribers of today, in the chunks of a real plan."""
    after, last, finished = 0, store.audience.largest_id(), False
    while not finished:
        chunk = next_chunk(store, newsletter, capability, choose, slot=slot, after=after, upto=last, limit=0)
        after, finished = chunk.upto, chunk.finished
        yield chunk
