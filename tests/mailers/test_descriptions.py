"""What our mailers send and what the fakes answer, held against the providers' own API descriptions.

tests/data/<provider>/description.json holds the part that is used, as JSON Schema, and says where and when it was read.
SES is described by botocore, whose whole model is used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import botocore.parsers
import botocore.session
import jsonschema
import pytest
import requests
from botocore.validate import ParamValidator

from publisher.mailers.mailgun import Mailgun
from publisher.mailers.postmark import Postmark
from publisher.mailers.resend import Resend
from publisher.mailers.ses import Ses
from publisher.model import Question
from tests.contracts.mailer_cases import mailing
from tests.fakes import mailgun, postmark, resend, ses

DATA = Path(__file__).parents[1] / "data"
NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
AN_HOUR_LATER = NOW + timedelta(hours=1)


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


def description(provider: str) -> dict[str, Any]:
    return json.loads((DATA / provider / "description.json").read_text(encoding="utf-8"))


def fits(value: object, schema: dict[str, Any]) -> None:
    jsonschema.validate(value, schema, format_checker=jsonschema.FormatChecker())


def question() -> Question:
    return Question(key=mailing().key, letters=mailing().letters, first_at=NOW, last_at=NOW, witness="later")


class Provider:
    """A provider's description, its fake, and our mailer for it."""

    def __init__(self, name: str, server: Any, mailer: Any, clock: Clock) -> None:
        self.name = name
        self.server = server
        self.mailer = mailer
        self.clock = clock
        self.described = description(name)

    def work(self) -> None:
        """Everything that a mailer ever asks of its provider."""
        self.mailer.check()
        self.mailer.submit(self.mailer.prepare(mailing()))
        self.clock.now = AN_HOUR_LATER
        if self.mailer.capability.evidence == "search":
            self.mailer.look_up(question(), now=AN_HOUR_LATER)

    def call_of(self, method: str, path: str) -> str:
        """The name of a call in the description."""
        for name in self.described["calls"]:
            pattern = re.sub(r"\{\w+\}", "[^/]+", name)
            if re.fullmatch(pattern, f"{method} {path}"):
                return name
        raise AssertionError(f"{method} {path} is in no description")


@pytest.fixture(params=["resend", "postmark", "mailgun"])
def provider(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Provider]:
    clock = Clock()
    servers: dict[str, Callable[[], Any]] = {
        "resend": lambda: resend.ResendServer(tmp_path, clock=clock),
        "postmark": lambda: postmark.PostmarkServer(tmp_path, clock=clock),
        "mailgun": lambda: mailgun.MailgunServer(tmp_path, clock=clock),
    }
    mailers: dict[str, Callable[[str], Any]] = {
        "resend": lambda url: Resend("resend", resend.KEY, base_url=url),
        "postmark": lambda url: Postmark("postmark", postmark.TOKEN, base_url=url),
        "mailgun": lambda url: Mailgun("mailgun", mailgun.KEY, mailgun.DOMAIN, base_url=url),
    }
    with servers[request.param]() as server:
        yield Provider(request.param, server, mailers[request.param](server.url), clock)


def test_our_calls_are_those_of_the_description(provider: Provider) -> None:
    provider.work()
    seen = set()
    for call in provider.server.calls:
        url = urlsplit(call.path)
        name = provider.call_of(call.method, url.path)
        described = provider.described["calls"][name]
        assert {one.lower() for one in described["headers"]} <= {one.lower() for one in call.headers}
        if "query" in described:
            fits(dict(parse_qsl(url.query, keep_blank_values=True)), described["query"])
        if "request" in described:
            fits(mailgun.fields(call) if provider.name == "mailgun" else json.loads(call.body), described["request"])
        seen.add(name)
    assert seen == set(provider.described["calls"])


def test_what_the_fake_answers_is_what_is_described(provider: Provider) -> None:
    provider.work()
    answered = set()
    for call in list(provider.server.calls):
        answer = requests.request(
            call.method, provider.server.url + call.path, headers=call.headers, data=call.body, timeout=10
        )
        assert answer.status_code == 200
        name = provider.call_of(call.method, urlsplit(call.path).path)
        fits(answer.json(), provider.described["calls"][name]["answer"])
        answered.add(name)
    assert answered == set(provider.described["calls"])


def test_the_webhooks_of_the_fakes_are_those_that_are_described(provider: Provider) -> None:
    provider.work()
    events = provider.described["events"]
    bodies = {"resend": resend_events, "postmark": postmark_events, "mailgun": mailgun_events}[provider.name]
    told = list(bodies(provider.server))
    for name, body in told:
        fits(json.loads(body), events[name])
    assert {name for name, _ in told} >= set(events) - {"event-data"}


def resend_events(server: resend.ResendServer) -> Iterator[tuple[str, bytes]]:
    more = {
        "email.bounced": {
            "bounce": {"type": "Permanent", "subType": "General", "message": "gone", "diagnosticCode": ["550 5.1.1"]}
        },
        "email.suppressed": {
            "suppressed": {
                "type": "OnAccountSuppressionList",
                "reason": "previous_bounce",
                "message": "it bounced",
                "diagnosticCode": [],
            }
        },
        "email.failed": {"failed": {"reason": "reached_daily_quota"}},
    }
    for name in description("resend")["events"]:
        yield name, server.event(server.mails[0], name, **more.get(name, {})).body


def postmark_events(server: postmark.PostmarkServer) -> Iterator[tuple[str, bytes]]:
    for name in description("postmark")["events"]:
        yield name, server.hook(name, server.mails[0])


def mailgun_events(server: mailgun.MailgunServer) -> Iterator[tuple[str, bytes]]:
    reader = mailing().letters[0].email
    server.happen(reader, "failed", severity="permanent", reason="bounce")
    for body in server.webhooks():
        yield "call", body


@pytest.mark.parametrize("name", ["resend", "postmark", "mailgun"])
def test_a_wrong_call_and_a_wrong_answer_would_be_seen(name: str) -> None:
    for described in description(name)["calls"].values():
        with pytest.raises(jsonschema.ValidationError):
            fits({"id": 7, "TotalCount": "7", "domain": 7, "data": 7, "ID": 7}, described["answer"])
        for wrong in (7, [{"frm": "a"}], {"form": ["a"]}) if "request" in described else ():
            with pytest.raises(jsonschema.ValidationError):
                fits(wrong, described["request"])


# ---------------------------------------------------------------- SES, by its own model


def test_ses_is_asked_and_answers_as_its_model_says(tmp_path: Path) -> None:
    model = botocore.session.get_session().get_service_model("sesv2")
    operations = {
        (one.http["method"], one.http["requestUri"]): one for one in map(model.operation_model, model.operation_names)
    }
    with ses.SesServer(tmp_path) as server:
        mailer = Ses("ses", ses.REGION, ses.KEY_ID, ses.SECRET, configuration_set="newsletters", base_url=server.url)
        mailer.check()
        mailer.submit(mailer.prepare(mailing()))
        assert len(server.calls) >= 2
        for call in list(server.calls):
            operation = operations[call.method, call.path]
            if call.body:
                assert not ParamValidator().validate(json.loads(call.body), operation.input_shape).generate_report()
            answer = requests.request(
                call.method, server.url + call.path, headers=call.headers, data=call.body, timeout=10
            )
            parser = botocore.parsers.create_parser(model.protocol)
            told = {"status_code": answer.status_code, "headers": answer.headers, "body": answer.content}
            parsed = parser.parse(told, operation.output_shape)
            parsed.pop("ResponseMetadata")
            assert not ParamValidator().validate(parsed, operation.output_shape).generate_report()
            assert set(answer.json()) == set(parsed) <= set(operation.output_shape.members)


@pytest.mark.parametrize("fault", ["429", "400"])
def test_an_error_of_the_fake_is_one_that_the_model_knows(tmp_path: Path, fault: str) -> None:
    model = botocore.session.get_session().get_service_model("sesv2")
    known = {shape.name for shape in model.operation_model("SendBulkEmail").error_shapes}
    with ses.SesServer(tmp_path) as server:
        mailer = Ses("ses", ses.REGION, ses.KEY_ID, ses.SECRET, base_url=server.url)
        mailer.submit(mailer.prepare(mailing()))
        server.plan(fault)
        call = server.calls[-1]
        answer = requests.request(call.method, server.url + call.path, headers=call.headers, data=call.body, timeout=10)
        parser = botocore.parsers.create_parser(model.protocol)
        told = {"status_code": answer.status_code, "headers": answer.headers, "body": answer.content}
        assert parser.parse(told, None)["Error"]["Code"] in known
