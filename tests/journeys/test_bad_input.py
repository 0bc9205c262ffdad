"""Whatever comes in, on a whole site: a message that names culprit and remedy, the last good state kept, and the
next pass carries on."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from publisher import pipeline
from publisher.app import App
from publisher.errors import SourceInvalid, SourceUnavailable
from publisher.kit import slots
from publisher.model import EditionState
from tests.cli.calling import call, process
from tests.fakes.newsroom import Newsroom, Request, endless, huge
from tests.fakes.resend import KEY, ResendServer
from tests.sites import (
    LANTERNS,
    SETTINGS,
    TestClock,
    add_readers,
    addressees,
    lay_out,
    mailbox,
    open_site,
    run_due,
    write,
)

#: An hour before the daily edition is due.
EARLY = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
FOLDER = 'kind = "folder"\npath = "articles"\ncategories = "folders"'
PUBLIC = "93.184.216.34"
READERS = ("ben@mail.example", "carla@mail.example")


@pytest.fixture
def clock() -> TestClock:
    return TestClock(EARLY)


@pytest.fixture
def paper() -> Iterator[Newsroom]:
    """A newsroom's web site with one story."""
    with Newsroom(now=EARLY - timedelta(hours=4)) as site:
        site.publish("ferry", "The ferry returns", "It sails on Friday.")
        yield site


def follows(root: Path, url: str, *, private: bool = True) -> Path:
    """A site that collects from one feed."""
    source = f'kind = "syndication"\nurl = "{url}"\nallow_private = {str(private).lower()}'
    return lay_out(root, SETTINGS.replace(FOLDER, source), articles={})


def feeds(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / "feeds").iterdir()}


def articles(app: App) -> list[tuple[str, str, int]]:
    return [(a.entry_id, a.revision.title, a.revision.number) for a in app.parts.store.articles.each()]


def titles(app: App) -> list[str]:
    return sorted(title for _, title, _ in articles(app))


def last_error(app: App) -> str:
    return app.parts.store.sources.all()[0].last_error


# ---------------------------------------------------------------- a source that fails as a whole


def hang_up(request: Request) -> None:
    request.close_connection = True
    request.connection.shutdown(socket.SHUT_RDWR)


def web_page(request: Request) -> None:
    body = b"<!doctype html><html><title>We are moving</title><p>Back soon.</p></html>"
    request.reply(200, body, {"Content-Type": "text/html"})


def broken_xml(request: Request) -> None:
    body = b'<?xml version="1.0"?><rss version="2.0"><channel><title>Gazette</title></channel'
    request.reply(200, body, {"Content-Type": "application/rss+xml"})


def nowhere(request: Request) -> None:
    request.reply(302, b"", {"Location": "http://[gazette"})


@pytest.mark.parametrize(
    ("what", "kind", "words"),
    [
        (hang_up, SourceUnavailable, ["broke off"]),
        (web_page, SourceInvalid, ["a web page titled “We are moving”", "instead of a feed", "publisher init --from"]),
        (huge, SourceInvalid, ["more than 20 MB", "point the url at a smaller document"]),
        (endless, SourceInvalid, ["more than 20 MB", "point the url at a smaller document"]),
        (broken_xml, SourceInvalid, ["not well-formed XML", "line 1", "its maker has to mend it"]),
        (nowhere, SourceInvalid, ["redirects to something that is not an address", "correct the url"]),
    ],
)
def test_a_source_that_answers_badly_keeps_what_it_gave(
    tmp_path: Path,
    paper: Newsroom,
    clock: TestClock,
    what: Callable[[Request], None],
    kind: type[Exception],
    words: list[str],
) -> None:
    root = follows(tmp_path / "site", f"{paper.url}feed/")
    with closing(open_site(root, clock)) as app:
        assert run_due(app) == []
        published, stored = feeds(root), articles(app)
        paper.misbehave("/feed/", what)
        clock.move(minutes=11)
        (error,) = run_due(app)
        assert type(error) is kind
        for word in [f"{paper.url}feed/", *words]:
            assert word in str(error)
        assert last_error(app) == str(error)
        assert (feeds(root), articles(app)) == (published, stored)
        del paper.answers["/feed/"]
        paper.publish("lanterns", "Lantern night")
        clock.move(hours=1)
        assert run_due(app) == []
        assert (titles(app), last_error(app)) == (["Lantern night", "The ferry returns"], "")
        assert b"Lantern night" in feeds(root)["all.rss"]


def test_a_source_that_is_not_there_is_found_when_it_comes(tmp_path: Path, clock: TestClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/feed/"
    root = follows(tmp_path / "site", url)
    with closing(open_site(root, clock)) as app:
        (error,) = run_due(app)
        assert type(error) is SourceUnavailable
        assert str(error) == f"{url} does not take connections"
        assert last_error(app) == str(error)
        looked = app.parts.store.sources.all()[0]
        assert looked.next_fetch_at is not None
        assert looked.next_fetch_at > clock.now()
    with Newsroom(now=EARLY - timedelta(hours=4)) as paper:
        paper.publish("ferry", "The ferry returns")
        clock.move(hours=1)
        follows(root, f"{paper.url}feed/")
        with closing(open_site(root, clock)) as app:
            assert run_due(app) == []
            assert titles(app) == ["The ferry returns"]


def test_a_source_that_leads_into_our_own_network_is_not_followed(
    tmp_path: Path, paper: Newsroom, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Elsewhere(socket.socket):
        """A connection to loopback whose other end says it is a public address."""

        def getpeername(self) -> tuple[str, int]:
            return PUBLIC, 80

    def connect(address: tuple[str, int], timeout: float, **_: object) -> socket.socket:
        sock = Elsewhere() if address[0].endswith(".example") else socket.socket()
        sock.settimeout(timeout)
        sock.connect(("127.0.0.1", address[1]))
        return sock

    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    url = paper.origin.replace("127.0.0.1", "gazette.example") + "/feed/"
    root = follows(tmp_path / "site", url, private=False)
    with closing(open_site(root, clock)) as app:
        assert run_due(app) == []
        published, stored = feeds(root), articles(app)
        paper.answer("/feed/", status=302, Location=f"{paper.origin}/secret")
        paper.answer(
            "/secret", b"<rss version='2.0'><channel><item><title>The safe is open</title></item></channel></rss>"
        )
        clock.move(minutes=11)
        (error,) = run_due(app)
        assert type(error) is SourceInvalid
        for word in ("127.0.0.1, a private address", "correct the url", "set url to where the redirect leads"):
            assert word in str(error)
        assert "GET /secret" not in paper.requests
        assert (feeds(root), articles(app)) == (published, stored)
        del paper.answers["/feed/"]
        clock.move(hours=1)
        assert run_due(app) == []
        assert last_error(app) == ""


# ---------------------------------------------------------------- a source with odd articles

ITEM = "<item><guid>{guid}</guid><title>{title}</title><description>{text}</description></item>"


def rss(*items: str, encoding: str = "utf-8", declared: str = "utf-8") -> bytes:
    head = f'<?xml version="1.0" encoding="{declared}"?><rss version="2.0"><channel><title>Gazette</title>'
    return f"{head}{''.join(items)}</channel></rss>".encode(encoding)


@pytest.mark.parametrize(("encoding", "declared"), [("cp1252", "utf-8"), ("utf-8", "iso-8859-1"), ("cp1252", "x-none")])
def test_a_wrong_encoding_is_read_as_what_it_is(
    tmp_path: Path, paper: Newsroom, clock: TestClock, encoding: str, declared: str
) -> None:
    item = ITEM.format(guid="1", title="Café “Brigid” öffnet", text="Naïve fishermen’s prices: 5 €.")
    paper.answer("/odd.xml", rss(item, encoding=encoding, declared=declared), type="text/xml")
    root = follows(tmp_path / "site", f"{paper.origin}/odd.xml")
    with closing(open_site(root, clock)) as app:
        assert run_due(app) == []
        assert titles(app) == ["Café “Brigid” öffnet"]
        assert "fishermen’s prices: 5 €" in feeds(root)["all.atom"].decode()


def test_an_article_without_a_date_or_a_title_gets_them_and_one_with_nothing_is_named(
    tmp_path: Path, paper: Newsroom, clock: TestClock
) -> None:
    items = (
        ITEM.format(guid="no-date", title="No date", text="It is still news."),
        ITEM.format(guid="no-title", title="", text="The lighthouse keeper has retired. He kept it for forty years."),
        "<item></item>",
        ITEM.format(guid="bad-date", title="Bad date", text="Sometime.").replace(
            "</guid>", "</guid><pubDate>last Tuesday-ish</pubDate>"
        ),
    )
    paper.answer("/odd.xml", rss(*items), type="text/xml")
    root = follows(tmp_path / "site", f"{paper.origin}/odd.xml")
    result = call(root, "collect")
    assert "left out item 3: it has neither title, address nor text" in result.stderr
    with closing(open_site(root, clock)) as app:
        run_due(app)
        first = articles(app)
        assert titles(app)[:2] == ["Bad date", "No date"]
        assert titles(app)[2].startswith("The lighthouse keeper has retired")
        published = feeds(root)
        clock.move(days=1, hours=8)  # undated articles keep the time at which they were first seen
        assert run_due(app) == []
        assert (articles(app), feeds(root)) == (first, published)


def test_of_two_articles_with_one_id_the_first_is_taken_and_the_other_named(
    tmp_path: Path, paper: Newsroom, clock: TestClock
) -> None:
    twice = (ITEM.format(guid="1", title="The ferry", text="A."), ITEM.format(guid="1", title="The pier", text="B."))
    paper.answer("/odd.xml", rss(*twice), type="text/xml")
    root = follows(tmp_path / "site", f"{paper.origin}/odd.xml")
    result = call(root, "collect")
    assert "left out The pier: another item has the same id, 1: each needs its own" in result.stderr
    paper.answer("/odd.xml", rss(twice[0], twice[1].replace("<guid>1", "<guid>2")), type="text/xml")
    with closing(open_site(root, clock)) as app:
        assert titles(app) == ["The ferry"]
        clock.move(days=1)
        assert run_due(app) == []
        assert titles(app) == ["The ferry", "The pier"]


def test_two_files_with_one_id_keep_the_one_that_was_there(tmp_path: Path, clock: TestClock) -> None:
    text = "---\nid: ferry\ntitle: {}\n---\nIt sails.\n"
    root = lay_out(tmp_path / "site", articles={"a.md": text.format("The ferry"), "b.md": text.format("The copy")})
    result = call(root, "collect")
    assert "left out b.md: same id as a.md, 'ferry': give each its own" in result.stderr
    with closing(open_site(root, clock)) as app:
        assert titles(app) == ["The ferry"]


# ---------------------------------------------------------------- what people here write


def test_a_template_with_a_syntax_error_leaves_a_draft_that_goes_when_it_is_mended(
    tmp_path: Path, clock: TestClock
) -> None:
    root = lay_out(tmp_path / "site")
    own = root / "templates" / "digest" / "daily"
    own.mkdir(parents=True)
    with closing(open_site(root, clock)) as app:
        add_readers(app, *READERS)
        run_due(app)
        published = feeds(root)
        (own / "body.html").write_text("<p>fine</p>\n{% for story in items %}\n<p>{{ story.title }\n{% endfor %}\n")
        clock.move(hours=1)
        (error,) = run_due(app)
        assert f"{own / 'body.html'}, line 3" in str(error)
        assert "unexpected '}'" in str(error)
        draft = app.parts.store.editions.newest(1)[0]
        assert (draft.state, draft.reason) == (EditionState.DRAFT, str(error))
        assert (feeds(root), mailbox(root)) == (published, [])
        (own / "body.html").write_text(
            "<p>{{ lead.title }}</p><p>{{ site.postal_address }}</p><a href='{{ unsubscribe_url }}'>leave</a>"
        )
        clock.move(minutes=1)
        assert run_due(app) == []
        assert addressees(root) == sorted(READERS)


def test_a_file_of_readers_with_garbage_in_it_is_taken_without_it(tmp_path: Path) -> None:
    root = lay_out(tmp_path / "site")
    good = [f"reader{number}@mail.example,Reader {number}" for number in range(990)]
    bad = [
        "no address",
        "@,@",
        "x@",
        ",Nobody",
        "a b@mail.example,",
        "\x00\x01\x02",
        "=1+1,",
        "a@b@c,x",
        "ü@,",
        "a@-.x,",
    ]
    lines: list[str] = []
    for start, one in zip(range(0, 990, 99), bad, strict=True):
        lines += [*good[start : start + 99], one]
    (root / "readers.csv").write_text("\n".join(["email,name", *lines]) + "\n")
    for expected in ("990 added", "990 known"):
        result = call(root, "subscribers", "import", root / "readers.csv", "--refused", root / "refused.csv")
        assert result.exit_code == 1
        assert f"1,000 lines read, {expected}, 10 refused" in result.stdout
        refused = (root / "refused.csv").read_text().splitlines()
        assert [line.partition(",")[0] for line in refused[1:]] == [f"line {101 + 100 * n}" for n in range(10)]
        assert all(line.partition(",")[2].strip('" ') for line in refused)
    exported = call(root, "subscribers", "export").stdout.splitlines()
    assert [line.split(",")[0] for line in exported[1:]] == [line.split(",")[0] for line in good]


# ---------------------------------------------------------------- the disk

IN_MEMORY = SETTINGS + '[store]\nurl = "sqlite://"\n'  # so that no limit on files reaches the store
LONG = LANTERNS.replace("rope works", "rope works, one beside the other," + " and one more" * 8000)
ROOT = os.geteuid() == 0


class Disk:
    """A small disk at a folder; where none may be mounted, a limit on the size of files while `full`."""

    def __init__(self, path: Path, kilobytes: int) -> None:
        self.path, self.kilobytes = path, kilobytes
        path.mkdir(parents=True)
        options = f"size={kilobytes}k,mode=700"
        self.mounted = ROOT and _ran("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path))

    @contextmanager
    def full(self) -> Iterator[None]:
        """In here a file larger than the disk finds no room."""
        if self.mounted:
            yield
            return
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.kilobytes * 1024, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    def grow(self) -> None:
        if self.mounted:
            assert _ran("mount", "-o", "remount,size=64m", str(self.path))

    def close(self) -> None:
        if self.mounted:
            assert _ran("umount", "-l", str(self.path))


def _ran(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_a_full_disk_keeps_the_last_good_feeds(tmp_path: Path, clock: TestClock) -> None:
    root = lay_out(tmp_path / "site", IN_MEMORY)
    with closing(Disk(root / "feeds", 96)) as disk, closing(open_site(root, clock)) as app:
        assert run_due(app) == []
        published = feeds(root)
        write(root, "culture/lanterns.txt", LONG)
        clock.move(minutes=2)
        with disk.full():
            errors = run_due(app, rounds=2)
        assert errors
        for error in errors:
            assert str(root / "feeds") in str(error)
            assert "cannot be written: the disk is full; free some space" in str(error) or not disk.mounted
        kept = feeds(root)
        assert {name: kept[name] for name in published} == published
        assert not list((root / "feeds").glob(".*"))
        assert len(articles(app)) == 2
        assert "cannot be written" in app.parts.store.feeds.states()["all"][1]
        disk.grow()
        clock.move(minutes=2)
        assert run_due(app) == []
        assert b"Lantern night" in feeds(root)["all.atom"]
        assert app.parts.store.feeds.states()["all"][1] == ""


def test_a_full_disk_keeps_mail_back_until_there_is_room_and_nobody_gets_it_twice(
    tmp_path: Path, clock: TestClock
) -> None:
    root = lay_out(tmp_path / "site", IN_MEMORY)
    own = root / "templates" / "digest" / "daily"
    own.mkdir(parents=True)
    (own / "body.html").write_text(
        f"<p>{{{{ site.postal_address }}}} <a href='{{{{ unsubscribe_url }}}}'>leave</a></p><p>{'tide ' * 15_000}</p>"
    )
    with closing(Disk(root / "var" / "maildir", 64)) as disk, closing(open_site(root, clock)) as app:
        add_readers(app, *READERS, "dora@mail.example", "eamon@mail.example")
        run_due(app)
        clock.move(hours=1)
        with disk.full():
            run_due(app)
        sums = app.parts.store.outbox.sums(app.parts.store.editions.newest(1)[0].id)
        there = len(mailbox(root))
        assert (sums.accepted, sums.waiting) == (there, 4 - there)
        assert sums.waiting
        batch = next(
            b for b in app.parts.store.outbox.batches(app.parts.store.editions.newest(1)[0].id) if b.last_error
        )
        assert f"{root / 'var' / 'maildir'} cannot be written" in batch.last_error
        assert "make room and it goes on by itself" in batch.last_error or not disk.mounted
        assert not list((root / "var" / "maildir" / "tmp").iterdir())
        disk.grow()
        clock.move(minutes=30)
        run_due(app)
        assert addressees(root) == sorted([*READERS, "dora@mail.example", "eamon@mail.example"])


def test_a_full_disk_keeps_what_the_store_has(tmp_path: Path) -> None:
    root = lay_out(tmp_path / "site")
    with closing(Disk(root / "var", 1500)) as disk:
        assert collected(root, disk).returncode == 0
        for number in range(30):
            write(root, f"culture/lanterns-{number}.txt", LONG)
        failed = collected(root, disk)
        assert failed.returncode == 5, failed.stderr
        assert f"The store sqlite:///{root / 'var' / 'publisher.db'} cannot be used" in failed.stderr
        assert "Free some space on the disk; nothing that was committed is lost." in failed.stderr or not disk.mounted
        assert "Traceback" not in failed.stderr
        with closing(open_site(root, TestClock(EARLY))) as app:
            assert titles(app) == ["The ferry returns after forty years"]
        disk.grow()
        disk.kilobytes = 64_000
        again = collected(root, disk)
        assert (again.returncode, again.stdout) == (0, "newsroom: 30 new\n")


def collected(root: Path, disk: Disk) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        if not disk.mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (disk.kilobytes * 1024,) * 2)

    command = [sys.executable, "-m", "publisher", "--site", str(root), "collect"]
    return subprocess.run(command, check=False, capture_output=True, text=True, preexec_fn=limit)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    if ROOT and _ran("mount", "--bind", str(folder), str(folder)):
        try:
            assert _ran("mount", "-o", "remount,ro,bind", str(folder))
            yield
        finally:
            assert _ran("umount", "-l", str(folder))
        return
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o755)


def test_a_read_only_folder_keeps_the_last_good_feeds(tmp_path: Path, clock: TestClock) -> None:
    root = lay_out(tmp_path / "site")
    with closing(open_site(root, clock)) as app:
        assert run_due(app) == []
        published = feeds(root)
        write(root, "news/lanterns.txt", LANTERNS)
        clock.move(minutes=2)
        with read_only(root / "feeds"):
            errors = run_due(app, rounds=2)
            assert feeds(root) == published
        assert len(errors) == 2  # the two feeds, each once
        for error in errors:
            assert str(root / "feeds") in str(error)
            assert "read-only" in str(error) or "may not write there" in str(error)
            assert "set another [folder] path" in str(error)
        assert app.parts.store.feeds.states()["all"][1]
        clock.move(minutes=2)
        assert run_due(app) == []
        documents = [name for name in published if name.endswith((".rss", ".atom", ".json"))]
        assert documents
        assert all(b"Lantern night" in feeds(root)[name] for name in documents)


# ---------------------------------------------------------------- SIGTERM in the middle


def test_sigterm_in_the_middle_of_collecting_keeps_what_was_read_and_goes_on_there(
    tmp_path: Path, paper: Newsroom
) -> None:
    for number in range(150):
        paper.publish(f"story-{number}", f"Story {number}")
    source = f'kind = "wordpress"\nurl = "{paper.url}"\nallow_private = true'
    root = lay_out(tmp_path / "site", SETTINGS.replace(FOLDER, source), articles={})
    asked, posts = threading.Event(), Request._wordpress

    def second_page(request: Request) -> None:
        query = dict(parse_qsl(urlsplit(request.path).query))
        if int(query.get("offset", 0)):
            asked.set()
            paper.stopping.wait(60)
        posts(request, "/wp-json/wp/v2/posts", query)

    paper.misbehave("/wp-json/wp/v2/posts", second_page)
    with process(root, "collect") as running:
        try:
            assert asked.wait(30)
            running.send_signal(signal.SIGTERM)
            _, said = running.communicate(timeout=30)
        finally:
            running.kill()
    assert running.returncode == 143
    assert said == "Stopped, as asked. What was done is kept; the same command carries on.\n"
    with closing(open_site(root, TestClock(EARLY))) as app:
        first = articles(app)
    assert len(first) == 100
    del paper.answers["/wp-json/wp/v2/posts"]
    before = len(paper.requests)
    assert call(root, "collect").stdout == "newsroom: 51 new\n"
    assert not [one for one in paper.requests[before:] if "offset=0" in one]
    with closing(open_site(root, TestClock(EARLY))) as app:
        assert articles(app)[:100] == first
        assert len(set(titles(app))) == 151


def test_sigterm_in_the_middle_of_delivering_finishes_the_call_in_hand_and_nobody_gets_it_twice(
    tmp_path: Path,
) -> None:
    clock = TestClock(datetime.now(UTC))
    readers = sorted(f"reader{number}@mail.example" for number in range(250))
    with ResendServer(tmp_path) as resend:
        settings = SETTINGS.replace('kind = "maildir"', f'kind = "resend"\nbase_url = "{resend.url}"')
        root = lay_out(tmp_path / "site", settings)
        with closing(open_site(root, clock, {"RESEND_API_KEY": KEY})) as app:
            add_readers(app, *readers)
            pipeline.collect(app.parts, "newsroom")
            newsletter = app.parts.newsletters[0]
            slot = slots.today(newsletter.timetable(), clock.now())
            pipeline.compose_slot(app.parts, newsletter, slot, by_hand=True)
        resend.plan("slow")
        with process(root, "deliver", RESEND_API_KEY=KEY) as running:
            try:
                assert resend.waiting.wait(30)
                running.send_signal(signal.SIGTERM)
                resend.release()
                _, said = running.communicate(timeout=30)
            finally:
                running.kill()
        assert (running.returncode, len(resend.mails)) == (143, 100)
        assert "Stopped, as asked. What was done is kept; the same command carries on." in said
        with closing(open_site(root, clock, {"RESEND_API_KEY": KEY})) as app:
            sums = app.parts.store.outbox.sums(app.parts.store.editions.newest(1)[0].id)
            assert (sums.accepted, sums.waiting, sums.unknown) == (100, 150, 0)
        with process(root, "deliver", RESEND_API_KEY=KEY) as again:
            _, said = again.communicate(timeout=30)
        assert again.returncode == 0, said
        assert sorted(mail.recipient for mail in resend.mails) == readers
