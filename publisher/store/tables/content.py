"""Sources, articles and feeds."""

from __future__ import annotations

import sqlalchemy as sa

from publisher.store.columns import BYTEWISE, blob, data, identity, moment, refers, text, whole, yes_no
from publisher.store.tables.base import partial, primary, table, unique

source = table(
    "source",
    identity(),
    text("slug"),
    text("kind"),
    text("url"),
    whole("interval_seconds"),
    yes_no("active"),
    data("cursor"),
    moment("next_fetch_at"),
    moment("fetched_at"),
    moment("first_complete_at"),
    whole("failures"),
    text("last_error"),
    text("listing", server_default=""),  # the list that is being gone through
    blob("listed", nullable=True),  # the articles that it has named so far: a bitmap of their ids
    moment("asked_at"),  # when somebody last said that there is something new
    data("refused", nullable=True),  # what its looks refuse, and since when
    unique("slug"),
)

hub_lease = table(
    "hub_lease",
    identity(),
    text("key"),
    refers("source", "source.id", index=True),
    text("topic"),
    text("hub"),
    text("callback"),
    text("secret"),
    text("state"),
    moment("until"),
    moment("next_at", nullable=False),
    whole("failures"),
    text("error"),
    unique("key"),
    sa.Index(None, "next_at"),
)

# Calls that pushed articles, for as long as one of them could be repeated.
pushed = table(
    "pushed",
    refers("source", "source.id"),
    text("call"),
    moment("at", nullable=False),
    primary("source", "call"),
    sa.Index(None, "at"),
)

article = table(
    "article",
    identity(),
    refers("source", "source.id"),
    text("native_id"),
    text("guid"),
    text("story"),
    text("canonical_url"),
    text("entry_id"),
    text("state"),
    text("mail"),
    moment("first_seen_at", nullable=False),
    moment("retracted_at"),
    whole("missing_looks"),
    text("own_id", server_default=""),  # the source's own id, where native_id is another name
    moment("missed_at"),  # since when the source's complete lists do not name it
    whole("revision"),  # the number of the current one
    moment("published_at", nullable=False),  # of the current revision, here so that windows are an index
    moment("mail_at"),
    text("arrival", server_default="news"),
    text("retracted_by", server_default=""),
    text("retraction_note", server_default=""),
    unique("source", "native_id"),
    unique("entry_id"),
    sa.Index(None, "story"),
    sa.Index(None, "canonical_url"),
    sa.Index(None, "state", "published_at"),
    sa.Index(None, "state", "first_seen_at"),
    sa.Index(None, "source", "published_at"),
    partial("ix_article_missing", "source", where="missed_at IS NOT NULL"),
    partial("ix_article_own_id", "source", "own_id", where="own_id != ''"),
    partial("ix_article_mail_at", "mail_at", where="mail_at IS NOT NULL"),
)

# The smallest hashes of an article's runs of words, to find who tells the same story; kept for a few days only.
sketch = table(
    "sketch",
    refers("article", "article.id"),
    whole("hash"),
    moment("at", nullable=False),  # when the article was published
    primary("hash", "article"),
    sa.Index(None, "article"),
    sa.Index(None, "at"),
)

# The short columns come first: a search over titles then never reads the long text behind them.
revision = table(
    "revision",
    refers("article", "article.id"),
    whole("number"),
    text("kind"),
    text("title"),
    moment("published_at", nullable=False),
    moment("updated_at", nullable=False),
    text("content_hash"),
    text("raw_hash"),
    text("language"),
    text("note"),
    text("standfirst"),
    data("authors"),
    data("categories"),
    data("tags"),
    data("image", nullable=True),
    data("enclosures"),
    text("content_html"),
    primary("article", "number"),
    sa.Index(None, "raw_hash", "article", "number"),
)

feed = table(
    "feed",
    identity(),
    text("slug"),
    text("title"),
    text("description"),
    text("home_url"),
    text("language"),
    data("selection"),
    text("selection_hash"),
    data("formats"),
    whole("entries"),
    text("pattern"),
    text("content"),
    text("ids"),
    yes_no("archive"),
    whole("remember_seconds"),
    whole("interval_seconds"),
    whole("pages"),  # how many archive pages there are
    whole("wanted"),
    whole("built"),
    moment("changes_at"),  # when it changes though no article does: something is no longer told
    moment("built_at"),
    moment("failed_at"),  # when the last try failed; nothing after it was published
    text("error"),
    yes_no("active"),
    moment("removed_at"),
    yes_no("tidy", server_default=sa.false()),  # its files, and all that names it, are as they should be
    unique("slug"),
)

# Files that say that they are gone, and since when.
ended_file = table(
    "ended_file",
    text("name"),
    moment("at", nullable=False),
    primary("name"),
)

# Files whose readers may be told of changes by a hub: the hash of what stands there, and of what the hub was told of.
topic = table(
    "topic",
    text("name"),
    text("digest"),
    text("told"),
    whole("tries"),
    moment("next_try_at"),
    text("last_error"),
    primary("name"),
)

# What each pattern selected when its feeds were last filled.
feed_pattern = table(
    "feed_pattern",
    text("slug"),
    text("each"),
    text("selection_hash"),
    primary("slug"),
)

feed_entry = table(
    "feed_entry",
    refers("feed", "feed.id"),
    refers("article", "article.id", index=True),
    sa.Column("sort_key", BYTEWISE, nullable=False),
    moment("until"),  # the current document tells of it until then, however old it is
    whole("page"),  # the archive page it stands in for ever, or 0
    yes_no("gone"),  # it does not belong here any more; an archive page keeps it all the same
    yes_no("shown"),  # it is in the current document that was published last
    primary("feed", "article"),
    sa.Index("ix_feed_entry_order", "feed", sa.text("sort_key DESC")),
    sa.Index("ix_feed_entry_page", "feed", "page", "sort_key"),
    partial("ix_feed_entry_until", "feed", "until", where="until IS NOT NULL"),
    partial("ix_feed_entry_shown", "feed", "article", where="shown"),
)

feed_page = table(
    "feed_page",
    refers("feed", "feed.id"),
    whole("number"),
    whole("wanted"),
    whole("built"),
    primary("feed", "number"),
    partial("ix_feed_page_due", "feed", where="wanted != built"),
)

# Entries of current documents as formats wrote them, each made once per revision.
fragment = table(
    "fragment",
    refers("article", "article.id"),
    text("format"),
    text("shape"),
    text("stamp"),
    text("id"),
    blob("data"),
    primary("article", "format", "shape"),
)

decision = table(
    "decision",
    text("output"),
    refers("article", "article.id"),
    whole("revision"),
    yes_no("included"),
    text("rule"),
    moment("at", nullable=False),
    # By article: what is decided of one is written together, in one place.
    primary("article", "revision", "output"),
    by_key=True,
)
