"""The story, before anybody is mailed: the final bytes of an edition are looked at, and what would arrive broken
stays here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from publisher import deliver as delivering
from publisher import errors, preflight
from publisher.model import (
    COMMITTED,
    Article,
    ArticleState,
    Candidate,
    DomainFacts,
    Edition,
    Finding,
    Item,
    Label,
    LinkFact,
    Newsletter,
    Override,
    Situation,
    StoryFact,
    SubscriptionStatus,
    Variant,
)
from publisher.pipeline import keeping
from publisher.ports import Parts

#: A reader who is nobody: whose name is long and not only ASCII, as the strangest reader's is.
NOBODY = Candidate(
    subscriber=0,
    public_id=b"preflight---",
    email="reader.of.the.paper@mail.example",
    name="Siobhán Ní Dhomhnaill-O’Sullivan",
    language="en",
    status=SubscriptionStatus.CONFIRMED,
)


def findings(
    parts: Parts,
    edition: Edition,
    newsletter: Newsletter,
    variants: Sequence[Variant],
    *,
    network: bool,
    person: Candidate | None = None,
) -> tuple[Finding, ...]:
    """What would arrive broken in these variants of an edition, as it would leave now; each thing once. With `network`
    links and DNS are asked, unless the settings say otherwise or nobody outside is mailed."""
    external = _external(parts, edition)
    messages = [specimen(parts, edition, newsletter, one, person or NOBODY) for one in variants]
    links, domain = _asked(parts, messages) if _may_ask(parts, network and external, messages) else ({}, DomainFacts())
    found: dict[tuple[str, str], Finding] = {}
    for message, variant in zip(messages, variants, strict=True):
        situation = Situation(
            now=parts.clock.now(),
            external=external,
            links_url=parts.site.links_url,
            postal_address=parts.site.postal_address,
            last_subject=_last_subject(parts, edition),
            stories=_stories(parts, variant),
            links=links,
            domain=domain,
        )
        seen = preflight.check(
            message,
            situation,
            levels=parts.rulebook.levels,
            overridden=[override.rule for override in edition.overrides],
            mail_clients=parts.rulebook.mail_clients,
        )
        for finding in seen:
            found.setdefault((finding.rule, finding.where), finding)
    return preflight.gravest_first(found.values())


def specimen(parts: Parts, edition: Edition, newsletter: Newsletter, variant: Variant, person: Candidate) -> bytes:
    """The final bytes of what a reader would get."""
    head, mailer = delivering.letterhead(newsletter, parts.site), parts.mailers.get(edition.mailer)
    return delivering.specimen(edition, head, variant.rendered, person=person, mailer=mailer, keys=parts.keys)


def picked(variants: Sequence[Variant]) -> tuple[Variant, ...]:
    """The largest and the strangest, once when they are the same."""
    found = [preflight.largest(variants), preflight.strangest(variants)] if variants else []
    return tuple({one.content_hash: one for one in found}.values())


def reason(
    parts: Parts, edition: Edition, newsletter: Newsletter, variants: Sequence[Variant], *, network: bool
) -> str:
    """Why an edition must stay here, in words, or ""."""
    return preflight.in_words(findings(parts, edition, newsletter, picked(variants), network=network))


def changed(parts: Parts, edition: Edition) -> bool:
    """Whether a story of an edition says something else by now, was withdrawn, or is published again."""
    there = parts.store.articles.get([item.article for item in edition.items])
    return any(item.article not in there or _other(there[item.article], item) for item in edition.items)


def _other(article: Article, item: Item) -> bool:
    told = ArticleState.RETRACTED if item.label is Label.RETRACTION else ArticleState.LIVE
    return article.revision.number != item.revision or article.state is not told


def override(parts: Parts, key: str, rules: Iterable[str], editor: str) -> Edition:
    """An editor lets an edition go although these rules block it. Raises NotFound for what is no edition or rule."""
    for rule in (named := tuple(rules)):
        if rule not in preflight.RULES:
            raise errors.NotFound(f"there is no rule {rule!r}; there is {', '.join(preflight.RULES)}", rule=rule)
    now = parts.clock.now()
    return parts.store.editions.override(key, [Override(rule=rule, by=editor, at=now) for rule in named])


def _external(parts: Parts, edition: Edition) -> bool:
    """Whether it goes to people. Where the mailer does not send yet, that is said for itself."""
    mailer = parts.mailers.get(edition.mailer)
    return mailer is not None and mailer.capability.external and not delivering.refuses(parts.site, mailer.capability)


def _may_ask(parts: Parts, wanted: bool, messages: Sequence[bytes]) -> bool:
    return wanted and parts.rulebook.network and bool(messages)


def _asked(parts: Parts, messages: Sequence[bytes]) -> tuple[dict[str, LinkFact], DomainFacts]:
    opened = [preflight.Opened(message) for message in messages]
    urls = [url for one in opened for url, _ in one.links]
    pictures = [url for one in opened for url in one.pictures]
    links = preflight.ask_links(urls, pictures=pictures, but=parts.site.links_url)
    first = opened[0]
    return dict(links), preflight.ask_domain(preflight.sender_domain(first), preflight.selectors(first))


def _last_subject(parts: Parts, edition: Edition) -> str:
    """The subject of the edition before, as far as it was sent."""
    before = parts.store.editions.newest(10, edition.newsletter)
    sent = (one for one in before if one.key != edition.key and one.state in COMMITTED)
    return next((one.subject for one in sent), "")


def _stories(parts: Parts, variant: Variant) -> tuple[StoryFact, ...]:
    """Its stories as they stand now, whatever they were when it was made."""
    articles = parts.store.articles.get([item.article for item in variant.items])
    lost = keeping.lost_pictures(parts, variant)
    return tuple(
        StoryFact(
            title=articles[item.article].revision.title,
            state=articles[item.article].state,
            published_at=articles[item.article].revision.published_at,
            label=item.label,
            lost="" if item.label is Label.RETRACTION else lost.get(item.article, ""),
        )
        for item in variant.items
        if item.article in articles
    )
