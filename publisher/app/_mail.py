"""Mailers and mailboxes from the settings. A new one is one case here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from publisher.errors import Problem, SettingsError
from publisher.ports import Keys, Mailbox, Mailer
from publisher.settings import (
    AnyBounces,
    AnyMailer,
    ImapBounces,
    MaildirBounces,
    MaildirSettings,
    MailgunSettings,
    PostmarkSettings,
    ResendSettings,
    SesSettings,
    SmtpSettings,
)

if TYPE_CHECKING:
    from publisher.kit.dkim import Signer
    from publisher.kit.verp import ReturnPaths


def mailer_of(root: Path, mailer: AnyMailer, environment: Mapping[str, str], keys: Keys) -> Mailer:
    """Raises SettingsError for values that only the mailer itself can judge."""
    try:
        return _mailer(root, mailer, environment, keys)
    except ValueError as error:
        problem = Problem(key=f"mailers[{mailer.name}]", value=None, remedy=str(error))
        raise SettingsError([problem]) from error


def _mailer(root: Path, mailer: AnyMailer, environment: Mapping[str, str], keys: Keys) -> Mailer:
    def secret(variable: str) -> str:
        return environment.get(variable, "") if variable else ""

    match mailer:
        case MaildirSettings():
            from publisher.mailers.maildir import Maildir

            return Maildir(mailer.name, root / mailer.path)
        case SmtpSettings():
            from publisher.mailers.smtp import Smtp

            return Smtp(
                mailer.name,
                mailer.host,
                port=mailer.port,
                security=mailer.security,
                username=mailer.username,
                password=secret(mailer.password_env),
                ca_file=str(root / mailer.ca_file) if mailer.ca_file else "",
                signer=_signer(mailer, secret),
                return_paths=_return_paths(mailer, keys),
                connections=mailer.connections,
            )
        case _:
            return _api_mailer(mailer, secret)


def mailboxes(root: Path, bounces: AnyBounces | None, environment: Mapping[str, str]) -> dict[str, Mailbox]:
    match bounces:
        case MaildirBounces():
            from publisher.mailboxes.maildir import Maildir

            return {bounces.mailer: Maildir(bounces.mailer, root / bounces.path, interval=bounces.interval)}
        case ImapBounces():
            from publisher.mailboxes.imap import Imap

            box = Imap(
                bounces.mailer,
                bounces.host,
                port=bounces.port,
                security=bounces.security,
                username=bounces.username,
                password=environment.get(bounces.password_env, ""),
                folder=bounces.folder,
                ca_file=str(root / bounces.ca_file) if bounces.ca_file else "",
                interval=bounces.interval,
            )
            return {bounces.mailer: box}
    return {}


def _return_paths(mailer: SmtpSettings, keys: Keys) -> ReturnPaths | None:
    """Raises ValueError when letters cannot be named in it."""
    if not mailer.return_path:
        return None
    from publisher.kit import verp

    return verp.ReturnPaths(mailer.return_path, keys.derived(verp.PURPOSE))


def _signer(mailer: SmtpSettings, secret: Callable[[str], str]) -> Signer | None:
    """Raises SettingsError when the key is none."""
    if not mailer.dkim_key_env:
        return None
    from publisher.kit.dkim import Signer

    try:
        return Signer.load(mailer.dkim_domain, mailer.dkim_selector, secret(mailer.dkim_key_env))
    except ValueError as error:
        key = f"mailers[{mailer.name}].dkim_key_env"
        raise SettingsError([Problem(key=key, value=mailer.dkim_key_env, remedy=str(error))]) from error


def _api_mailer(
    mailer: ResendSettings | PostmarkSettings | MailgunSettings | SesSettings, secret: Callable[[str], str]
) -> Mailer:
    match mailer:
        case ResendSettings(name=name, base_url=base_url):
            from publisher.mailers.resend import Resend

            webhook_secret = secret(mailer.webhook_secret_env)
            return Resend(name, secret(mailer.key_env), webhook_secret=webhook_secret, base_url=base_url)
        case PostmarkSettings(name=name, base_url=base_url):
            from publisher.mailers.postmark import Postmark

            return Postmark(
                name,
                secret(mailer.token_env),
                stream=mailer.stream,
                base_url=base_url,
                webhook_user=mailer.webhook_user,
                webhook_password=secret(mailer.webhook_password_env),
            )
        case MailgunSettings(name=name, base_url=base_url):
            from publisher.mailers.mailgun import Mailgun

            key, webhook_key = secret(mailer.key_env), secret(mailer.webhook_key_env)
            return Mailgun(name, key, mailer.domain, base_url=base_url, webhook_key=webhook_key)
        case SesSettings():
            from publisher.mailers.ses import Ses

            return Ses(
                mailer.name,
                mailer.region,
                secret(mailer.key_id_env),
                secret(mailer.secret_env),
                configuration_set=mailer.configuration_set,
                topic_arn=mailer.topic_arn,
                base_url=mailer.base_url,
            )
