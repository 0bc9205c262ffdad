"""The sections of settings.toml: what each key holds, and what would be right."""

from __future__ import annotations

import re
from datetime import time, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from publisher.settings.values import (
    BUCKET,
    Address,
    Base,
    Cadence,
    Cron,
    Each,
    Hours,
    Language,
    Mailbox,
    ReaderZone,
    Slug,
    Span,
    TagAuthority,
    Text,
    Topic,
    Variable,
    WallTime,
    Zone,
    matching,
)


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SiteSettings(Section):
    name: Text
    url: Base
    language: Language = "en"
    timezone: Zone = "UTC"
    tag_authority: TagAuthority
    postal_address: str = ""
    public_url: Base | Literal[""] = ""
    hub: Address | Literal[""] = ""
    host_pictures: bool = False


class StoreSettings(Section):
    url: str = "sqlite:///var/publisher.db"
    password_env: Variable | Literal[""] = ""


class FolderSettings(Section):
    kind: Literal["local", "s3"] = "local"
    path: Text = "feeds"
    compressed: tuple[Literal["gzip", "br"], ...] = Field(default=(), strict=False)
    gone: Span = timedelta(days=90)
    url: Annotated[str, matching(BUCKET, "give a bucket, and a folder in it, such as 's3://gazette/feeds'")] | None = (
        None
    )
    endpoint: Base | Literal[""] = ""
    region: str = "us-east-1"
    key_id_env: Variable | Literal[""] = "AWS_ACCESS_KEY_ID"
    secret_env: Variable | Literal[""] = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - the name of a variable


class WebSettings(Section):
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)


class SourceSettings(Section):
    slug: Slug
    was: tuple[Slug, ...] = Field(default=(), strict=False)
    interval: Span = timedelta(minutes=10)
    allow_private: bool = False
    identity: Literal["native", "guid", "url"] = "native"
    backdated: Span = timedelta(days=2)
    outage: float = Field(default=0.2, gt=0, le=1, strict=False)
    webhook_secret_env: Variable | Literal[""] = ""


class FolderSource(SourceSettings):
    kind: Literal["folder"]
    path: Text
    interval: Span = timedelta(minutes=1)
    base_url: Address | Literal[""] = ""
    categories: Literal["", "folders"] = ""


class SyndicationSource(SourceSettings):
    kind: Literal["syndication"]
    url: Address


class WordPressSource(SourceSettings):
    kind: Literal["wordpress"]
    url: Address
    post_types: tuple[str, ...] = Field(default=("posts",), strict=False)
    list_every: int = Field(default=6, ge=0, le=1_000_000)
    username: str = ""
    password_env: Variable | Literal[""] = ""


class GhostSource(SourceSettings):
    kind: Literal["ghost"]
    url: Address
    members: bool = False
    list_every: int = Field(default=6, ge=0, le=1_000_000)
    key_env: Variable | Literal[""] = ""


class PushSource(SourceSettings):
    kind: Literal["push"]
    webhook_secret_env: Variable
    base_url: Address | Literal[""] = ""


class SelectionSettings(Section):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)

    sources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()


class FeedSettings(Section):
    slug: Slug
    title: Text
    description: str = ""
    each: Each = ""
    select: SelectionSettings = SelectionSettings()
    formats: tuple[Literal["rss", "atom", "json"], ...] = Field(default=("rss", "atom", "json"), strict=False)
    limit: int = Field(default=50, ge=1, le=1000)
    content: Literal["full", "summary"] = "full"
    ids: Literal["tag", "source"] = "tag"
    archive: bool = True
    remember: Span = timedelta(days=30)
    interval: Annotated[Span, Field(ge=timedelta(minutes=1))] = timedelta(minutes=15)


Share = Annotated[float, Field(ge=0, le=1, strict=False)]


class FirstWaveSettings(Section):
    recipients: int = Field(default=0, ge=0)
    wait: Span = timedelta(minutes=30)
    bounces: Share = 0.05
    blocks: Share = 0.02
    complaints: Share = 0.003
    rejections: Share = 0.05


WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class EditionSectionSettings(Section):
    title: Text
    categories: tuple[str, ...] = Field(default=(), strict=False)
    limit: int = Field(default=0, ge=0, le=200)
    order: Literal["newest", "oldest"] = "newest"


class NewsletterSettings(Section):
    slug: Slug
    was: tuple[Slug, ...] = Field(default=(), strict=False)
    name: Text
    sender: Mailbox
    reply_to: Mailbox | Literal[""] = ""
    language: Language | Literal[""] = ""
    timezone: ReaderZone = ""
    cadence: Cadence = "daily"
    cadences: tuple[Cadence, ...] = Field(default=(), strict=False)
    topics: tuple[Topic, ...] = Field(default=(), strict=False)
    at: WallTime = time(7, 0)
    weekday: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = "monday"
    day: int = Field(default=1, ge=1, le=31)
    cron: Cron = ""
    quiet: Hours = None
    ahead: Annotated[Span, Field(le=timedelta(hours=26))] = timedelta(hours=12)
    select: SelectionSettings = SelectionSettings()
    alerts: SelectionSettings | None = None
    sections: tuple[EditionSectionSettings, ...] = Field(default=(), strict=False)
    window: Span = timedelta(0)
    template: str = "digest/daily"
    approval: Literal["auto", "editor"] = "auto"
    minimum_items: int = Field(default=1, ge=1)
    maximum_items: int = Field(default=30, ge=1, le=200)
    maximum_age: Span = timedelta(days=3)
    late: Span = timedelta(hours=6)
    undo: Span = timedelta(0)
    first_wave: FirstWaveSettings = FirstWaveSettings()
    utm: bool = False
    archive: bool = True
    preferences_url: Base | Literal[""] = ""
    when_changed: Literal["go", "hold"] = "go"
    when_unpublished: Literal["leave out", "hold"] = "leave out"
    look_again: Annotated[Span, Field(le=timedelta(minutes=5))] = timedelta(seconds=20)
    mailer: Slug = "maildir"


class MailerSettings(Section):
    name: Slug
    rate: float = Field(default=0, ge=0, le=1_000_000, allow_inf_nan=False)
    per_day: int = Field(default=0, ge=0, le=1_000_000_000)
    warm_up: int = Field(default=0, ge=0, le=1_000_000_000)
    growth: float = Field(default=1.5, ge=1, le=10, allow_inf_nan=False)
    fallback: Slug | Literal[""] = ""


class MaildirSettings(MailerSettings):
    kind: Literal["maildir"]
    path: Text = "var/maildir"


class SmtpSettings(MailerSettings):
    kind: Literal["smtp"]
    host: Text
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password_env: Variable | Literal[""] = ""
    ca_file: str = ""
    dkim_domain: str = ""
    dkim_selector: str = ""
    dkim_key_env: Variable | Literal[""] = ""
    connections: int = Field(default=2, ge=1, le=50)
    return_path: Mailbox | Literal[""] = ""


class ResendSettings(MailerSettings):
    kind: Literal["resend"]
    key_env: Variable = "RESEND_API_KEY"
    webhook_secret_env: Variable | Literal[""] = ""
    base_url: Base = "https://api.resend.com"


class PostmarkSettings(MailerSettings):
    kind: Literal["postmark"]
    token_env: Variable = "POSTMARK_SERVER_TOKEN"  # noqa: S105 - the name of a variable
    stream: Text = "broadcast"
    webhook_user: Annotated[str, matching(re.compile(r"[^:]*"), "a user name holds no colon")] = ""
    webhook_password_env: Variable | Literal[""] = ""
    base_url: Base = "https://api.postmarkapp.com"


class MailgunSettings(MailerSettings):
    kind: Literal["mailgun"]
    domain: Text
    key_env: Variable = "MAILGUN_API_KEY"
    webhook_key_env: Variable | Literal[""] = ""
    base_url: Base = "https://api.mailgun.net"


class SesSettings(MailerSettings):
    kind: Literal["ses"]
    region: Text
    key_id_env: Variable = "AWS_ACCESS_KEY_ID"
    secret_env: Variable = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - the name of a variable
    configuration_set: str = ""
    topic_arn: str = ""
    base_url: Base | Literal[""] = ""


class AlarmSettings(Section):
    addresses: tuple[Mailbox, ...] = Field(default=(), strict=False)
    mailer: Slug = "maildir"
    sender: Mailbox | Literal[""] = ""


class BouncesSettings(Section):
    mailer: Slug
    interval: Span = timedelta(minutes=5)


class MaildirBounces(BouncesSettings):
    kind: Literal["maildir"]
    path: Text


class ImapBounces(BouncesSettings):
    kind: Literal["imap"]
    host: Text
    port: int = Field(default=993, ge=1, le=65535)
    security: Literal["tls", "starttls", "none"] = "tls"
    username: Text
    password_env: Variable
    folder: Annotated[str, matching(re.compile(r"[ -~]{1,200}"), "give a folder's name in ASCII, such as 'INBOX'")] = (
        "INBOX"
    )
    ca_file: str = ""


class PreflightSettings(Section):
    network: bool = True
    levels: dict[str, Literal["block", "warn", "off"]] = Field(default_factory=dict)


AnySource = Annotated[
    FolderSource | GhostSource | PushSource | SyndicationSource | WordPressSource, Field(discriminator="kind")
]
AnyMailer = Annotated[
    MaildirSettings | SmtpSettings | ResendSettings | PostmarkSettings | MailgunSettings | SesSettings,
    Field(discriminator="kind"),
]
AnyBounces = Annotated[MaildirBounces | ImapBounces, Field(discriminator="kind")]
SOURCE_KINDS = ("folder", "ghost", "push", "syndication", "wordpress")
MAILER_KINDS = ("maildir", "smtp", "resend", "postmark", "mailgun", "ses")


class Settings(Section):
    """The whole file. `path` is where it was read; relative paths in it start at its folder."""

    site: SiteSettings
    store: StoreSettings = StoreSettings()
    folder: FolderSettings = FolderSettings()
    web: WebSettings = WebSettings()
    sources: tuple[AnySource, ...] = Field(default=(), strict=False)
    feeds: tuple[FeedSettings, ...] = Field(default=(), strict=False)
    newsletters: tuple[NewsletterSettings, ...] = Field(default=(), strict=False)
    mailers: tuple[AnyMailer, ...] = Field(default=(), strict=False)
    bounces: AnyBounces | None = None
    alarms: AlarmSettings = AlarmSettings()
    preflight: PreflightSettings = PreflightSettings()
