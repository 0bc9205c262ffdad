"""A batch as its mailer sees it: the same batch makes the same letters at any later time."""

from __future__ import annotations

from collections.abc import Mapping

from publisher.kit import message
from publisher.model import Batch, Candidate, Edition, Letter, Letterhead, Mailing, Newsletter, Rendered, Site
from publisher.ports import Keys


def letterhead(newsletter: Newsletter, site: Site) -> Letterhead:
    """What the settings of today give to every message."""
    return Letterhead(
        newsletter=newsletter.slug,
        origin=newsletter.origin,
        sender=newsletter.sender,
        reply_to=newsletter.reply_to,
        list_id=message.list_id(newsletter.name, newsletter.origin, site.url),
        links_url=site.links_url,
    )


def mailing(
    batch: Batch,
    edition: Edition,
    head: Letterhead,
    *,
    people: Mapping[int, Candidate],
    skipped: frozenset[int],
    variants: Mapping[int, Rendered],
    keys: Keys,
) -> Mailing:
    """Nothing in it depends on the attempt or on when it is made."""
    wanted = {run.variant for run in batch.runs}
    members = [
        (position, person, variant)
        for position, (subscriber, variant) in enumerate(batch.members)
        if position not in skipped and (person := people.get(subscriber)) is not None
    ]
    public_ids = [person.public_id for _, person, _ in members]
    ids = message.message_ids(head.origin, edition.slot, message.domain(head.sender), public_ids)
    tokens, links = keys.unsubscribe_tokens(head.newsletter, public_ids), f"{head.links_url}/u/"
    letters = tuple(
        [
            Letter(position, person.email, person.name, variant, message_id, links + token)
            for (position, person, variant), message_id, token in zip(members, ids, tokens, strict=True)
        ]
    )
    return Mailing(
        key=batch.key,
        edition=f"{head.newsletter}/{edition.slot}",
        sender=head.sender,
        reply_to=head.reply_to,
        list_id=head.list_id,
        date=edition.approved_at or edition.composed_at,
        variants={id: rendered for id, rendered in variants.items() if id in wanted},
        letters=letters,
    )
