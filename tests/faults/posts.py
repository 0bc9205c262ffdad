"""The six ways of mailing in fault runs: what each promises, and its fake, which misbehaves as it is told.

The judge is what the fake has taken: its own log, to which only it adds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email import policy
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

from publisher.mailers.maildir import Maildir
from publisher.mailers.mailgun import Mailgun
from publisher.mailers.postmark import Postmark
from publisher.mailers.resend import Resend
from publisher.mailers.ses import Ses
from publisher.mailers.smtp import Smtp
from publisher.ports import Mailer
from tests.fakes import mailgun, postmark, resend, ses, sns
from tests.fakes.mailgun import MailgunServer
from tests.fakes.postmark import PostmarkServer
from tests.fakes.resend import ResendServer
from tests.fakes.ses import SesServer
from tests.fakes.smtp import Fault, SmtpServer
from tests.faults.clock import FastClock

NAME = "post"  # the mailer's, in the settings of every fault run

#: Faults after which nobody can tell what the call came to.
_UNCLEAR = frozenset({"accept_then_drop", "accept_then_500", "truncated", "hang", "drop_before", "500"})
_FAULTS = ("accept_then_drop", "accept_then_500", "truncated", "hang", "drop_before", "500", "429")

#: A webhook call: it is signed when it is made.
Hook = Callable[[datetime], tuple[dict[str, str], bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`call` is how many recipients a call has here: so few that many calls can be struck. Nobody may be mailed twice,
    and nobody lost; only with `holds` may there be readers whom nothing can tell about, and who are listed. `kills` is
    the share of the kills that such a cell gets."""

    name: str
    guarantee: str
    call: int
    holds: bool = False
    kills: float = 1.0
    hooks: float = 0.0  # how much of what becomes of its mail it tells of


KINDS = {
    kind.name: kind
    for kind in (
        Kind(name="maildir", guarantee="de-duplication", call=25),
        Kind(name="resend", guarantee="keys", call=25, hooks=0.02),
        Kind(name="postmark", guarantee="look-up", call=25, hooks=0.02),
        Kind(name="mailgun", guarantee="look-up", call=25, hooks=0.02),
        Kind(name="ses", guarantee="events", call=25, holds=True, hooks=1.0),
        Kind(name="smtp", guarantee="none", call=40, holds=True, kills=0.2),
    )
}


def settings(kind: str, url: str = "http://127.0.0.1:1") -> str:
    """The mailer in settings.toml."""
    more = {
        "maildir": 'path = "var/maildir"',
        "resend": f'base_url = "{url}"',
        "postmark": f'base_url = "{url}"',
        "mailgun": f'base_url = "{url}"\ndomain = "{mailgun.DOMAIN}"',
        "ses": f'base_url = "{url}"\nregion = "{ses.REGION}"\ntopic_arn = "{sns.TOPIC}"',
        "smtp": 'host = "127.0.0.1"\nport = 1\nsecurity = "none"',
    }
    return f'\n[[mailers]]\nname = "{NAME}"\nkind = "{kind}"\n{more[kind]}\n'


ENVIRONMENT = {
    "RESEND_API_KEY": resend.KEY,
    "POSTMARK_SERVER_TOKEN": postmark.TOKEN,
    "MAILGUN_API_KEY": mailgun.KEY,
    "AWS_ACCESS_KEY_ID": ses.KEY_ID,
    "AWS_SECRET_ACCESS_KEY": ses.SECRET,
}


def mailer(
    kind: str,
    root: Path,
    url: str,
    *,
    patience: float = 60.0,
    call: int = 0,
    certificates: Callable[[str], bytes] | None = None,
) -> Mailer:
    """The real mailer: as `app` makes it, but that it waits `patience` wall seconds for an answer, so that a call that
    hangs does not take a minute, and that a call has `call` recipients."""
    port = int(url.rpartition(":")[2]) if url else 0
    made: Any = {
        "maildir": lambda: Maildir(NAME, root / "var" / "maildir"),
        "resend": lambda: Resend(
            NAME, resend.KEY, base_url=url, webhook_secret=resend.WEBHOOK_SECRET, patience=patience
        ),
        "postmark": lambda: Postmark(
            NAME,
            postmark.TOKEN,
            base_url=url,
            webhook_user=postmark.HOOK_USER,
            webhook_password=postmark.HOOK_PASSWORD,
            patience=patience,
        ),
        "mailgun": lambda: Mailgun(
            NAME, mailgun.KEY, mailgun.DOMAIN, base_url=url, webhook_key=mailgun.WEBHOOK_KEY, patience=patience
        ),
        "ses": lambda: Ses(
            NAME,
            ses.REGION,
            ses.KEY_ID,
            ses.SECRET,
            base_url=url,
            topic_arn=sns.TOPIC,
            patience=patience,
            certificates=certificates,
        ),
        "smtp": lambda: Smtp(NAME, "127.0.0.1", port=port, security="none", patience=patience),
    }[kind]()
    made.capability = replace(made.capability, batch=call or KINDS[kind].call)
    return made


class Post:
    """One fake, running. `clock` is the provider's own."""

    def __init__(self, kind: Kind, root: Path, server: Any, url: str) -> None:
        self.kind, self.root, self.server, self.url = kind, root, server, url
        self._told = 0
        self._planned: list[str] = []

    @property
    def certificates(self) -> Callable[[str], bytes] | None:
        return self.server.topic.certificates if self.kind.name == "ses" else None

    def taken(self) -> int:
        """How many messages were taken, those of notices as well."""
        if self.kind.name == "maildir":  # nobody reads them, so none is in `cur`
            return len(list((self.root / "var" / "maildir" / "new").glob("*")))
        return sum(1 for _ in self.arrived())

    def arrived(self) -> Iterator[str]:
        """The address of every message that was taken, as often as it was."""
        match self.kind.name:
            case "maildir":
                folder = self.root / "var" / "maildir"
                for path in (*(folder / "new").glob("*"), *(folder / "cur").glob("*")):
                    with path.open("rb") as file:
                        head = BytesHeaderParser(policy=policy.default).parse(file)
                    yield str(head["To"].addresses[0].addr_spec)
            case "mailgun":
                yield from (recipient for recipient, _, _ in self.server.deliveries())
            case "smtp":
                yield from self.server.recipients()
            case _:
                yield from (mail.recipient for mail in self.server.mails)

    def misbehave(self, share: float, calls: int, seed: int) -> None:
        """From now on, for that many calls, that share of them goes wrong in one of the ways it knows."""
        chance = random.Random(seed)
        if self.kind.name == "smtp":
            self.server.share = share / self.kind.call
        elif self.kind.name != "maildir":
            self._planned = [chance.choice(_FAULTS) if chance.random() < share else "" for _ in range(calls)]
            self.server.plan(*self._planned)

    @property
    def unclear(self) -> int:
        """Recipients of calls whose answer this server left open."""
        if self.kind.name in ("smtp", "maildir"):
            return int(getattr(self.server, "unclear", 0))
        used = self._planned[: len(self._planned) - len(self.server._faults)]
        return sum(fault in _UNCLEAR for fault in used) * self.kind.call

    def forget_calls(self) -> None:
        if hasattr(self.server, "calls"):
            self.server.calls.clear()

    def hooks(self, chance: random.Random) -> list[Hook]:
        """What it tells of letters that it has taken since it was last asked; some twice, and not in order."""
        found = list(self._hooks(chance))
        found += [hook for hook in found if chance.random() < 0.1]
        chance.shuffle(found)
        return found

    def _hooks(self, chance: random.Random) -> Iterator[Hook]:
        server = self.server
        if self.kind.name == "mailgun":
            entries = list(server.deliveries())[self._told :]
            self._told += len(entries)
            for recipient, batch, _ in entries:
                if chance.random() < self.kind.hooks:
                    item = server.happen(recipient, "delivered", batch=batch)
                    yield lambda at, item=item: ({}, server.signed(item, at=at))
            return
        mails = server.mails[self._told :]
        self._told += len(mails)
        for mail in mails:
            if chance.random() >= self.kind.hooks:
                continue
            if self.kind.name == "resend":
                hook = server.event(mail)
                yield lambda at, hook=hook: (hook.headers(at), hook.body)
            else:
                body = server.hook("Delivery", mail)
                yield lambda _, body=body: (postmark.hook_headers(), body)


@contextmanager
def post(name: str, folder: Path, root: Path, clock: FastClock, seed: int) -> Iterator[Post]:
    kind = KINDS[name]
    if name == "maildir":
        yield Post(kind, root, None, "")
        return
    if name == "smtp":
        with MoodyServer(seed) as server:
            yield Post(kind, root, server, f"smtp://127.0.0.1:{server.port}")
        return
    servers: dict[str, Callable[[], AbstractContextManager[Any]]] = {
        "resend": lambda: ResendServer(folder, clock=clock.true),
        "postmark": lambda: PostmarkServer(folder, clock=clock.true, lag=timedelta(minutes=3)),
        "mailgun": lambda: MailgunServer(folder, clock=clock.true, lag=timedelta(minutes=5)),
        "ses": lambda: SesServer(folder, clock=clock.true, daily=10**9, publishes={"Send", "Delivery", "Bounce"}),
    }
    with servers[name]() as running:
        yield Post(kind, root, running, running.url)


class MoodyServer(SmtpServer):
    """A mail server at which that `share` of the transactions goes wrong somewhere. `unclear` counts the messages about
    which nobody was told: the only ones for which a sender may not know."""

    FAULTS = (
        Fault("MAIL", reply="451 4.3.0 try again later"),
        Fault("RCPT", reply="450 4.2.0 try again later"),
        Fault("DATA"),
        Fault("BODY"),
        Fault("DOT", reply="451 4.3.0 not taken"),
        Fault("DOT"),
        Fault("DOT", keep=True),
        Fault("DOT", keep=True, silent=True),
    )

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.share, self.unclear = 0.0, 0
        self._chance = random.Random(seed)

    def fault(self, at: str, recipient: str = "") -> Fault | None:
        possible = [fault for fault in self.FAULTS if fault.at == at]
        if not possible or self._chance.random() >= self.share * len(possible) / len(self.FAULTS):
            return super().fault(at, recipient)
        chosen = self._chance.choice(possible)
        self.unclear += at == "DOT" and not chosen.reply
        return chosen
