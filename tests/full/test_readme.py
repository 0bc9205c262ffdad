"""The README, done as it stands: its commands, in order, in an empty folder, with a real WordPress and mail server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.smtp import Certificate, SmtpServer
from tests.full.wordpress_site import WordPressSite, what_is_missing

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(what_is_missing()), reason=f"needs {what_is_missing()}: `.ci/system-packages full`"),
]

ROOT = Path(__file__).parents[2]
PASSWORD = "the-password-of-that-account"


@pytest.fixture
def wordpress() -> Iterator[WordPressSite]:
    with WordPressSite() as site:
        site.publish("The ferry returns", "<p>The island service starts again on Friday.</p>")
        site.publish("Lantern night moves indoors", "<p>The storm is to blame, and the fire brigade.</p>")
        yield site


@pytest.fixture
def mail_server(tmp_path: Path) -> Iterator[tuple[SmtpServer, Path]]:
    certificate = Certificate.make(tmp_path)
    with SmtpServer(tls=certificate, users={"publisher": PASSWORD}) as server:
        yield server, certificate.certificate


def checkout(folder: Path) -> Path:
    """What git holds, and what is about to be committed, in an empty folder."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def blocks() -> list[tuple[str, str]]:
    """The fenced blocks of the README that a reader types (sh) or puts into a file (toml), in order."""
    text = (ROOT / "README.md").read_text()
    return [(kind, body) for kind, body in re.findall(r"```(\w+)\n(.*?)```", text, re.S) if kind in ("sh", "toml")]


def edit(settings: Path, block: str, server: SmtpServer, certificate: Path) -> None:
    """What the README tells the reader to change by hand, with our mail server for theirs."""
    mailer = block.replace("smtp.your-site.example", "localhost").replace("587", str(server.port))
    text = settings.read_text()
    text = text.replace('mailer = "maildir"', 'mailer = "smtp"', 1)
    for key, value in (
        ("public_url", "https://news.your-site.example"),
        ("postal_address", "1 Quay Street, Kilmarnagh"),
    ):
        text, found = re.subn(rf"(?m)^#? ?{key} = .*$", f'{key} = "{value}"', text, count=1)
        assert found, f"settings.toml of a new site should have a line for {key}"
    # The WordPress of this test is on this machine, and so are the addresses that its articles have.
    here = '[preflight]\nnetwork = false\nlevels = { link-private = "off" }\n'
    settings.write_text(f'{text}\n{mailer}ca_file = "{certificate}"\n\n{here}')


class Shell:
    """One shell session: where it is and what was exported carries over from block to block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.before = ""

    def run(self, block: str) -> str:
        script = f"set -e\n{self.before}\n{block}\n"
        environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
        done = subprocess.run(
            ["bash", "-c", script],
            check=False,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=400,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"{block}\n{said}"
        lasting = [line for line in block.splitlines() if re.match(r"(\.|cd|export) ", line)]
        self.before = "\n".join([self.before, *lasting])
        return said


def test_the_commands_of_the_readme_take_a_stranger_from_nothing_to_mail(
    tmp_path: Path, wordpress: WordPressSite, mail_server: tuple[SmtpServer, Path]
) -> None:
    server, certificate = mail_server
    folder = tmp_path / "empty"
    folder.mkdir()
    shell = Shell(checkout(folder))
    said: dict[str, str] = {}
    for kind, block in blocks():
        if kind == "toml":
            edit(tmp_path / "newsroom" / "settings.toml", block, server, certificate)
            continue
        typed = block.replace("https://your-site.example", f"{wordpress.url} --allow-private")
        said[block.split()[-1] if block.startswith("make") else block.splitlines()[0]] = shell.run(typed)

    site = tmp_path / "newsroom"
    feed = (site / "feeds" / "all.rss").read_text()
    assert "The ferry returns" in feed
    assert "Lantern night moves indoors" in feed
    tested, sent = [message for message in server.received if message.recipient == "you@your-site.example"]
    assert str(tested.message["Subject"]).startswith("[Test]")
    assert "List-Unsubscribe-Post" in sent.message
    body = sent.message.get_body(("plain",))
    assert body is not None
    assert "The ferry returns" in body.get_content()
    assert len(server.received) == 2
    everything = "\n".join(said.values())
    assert PASSWORD not in everything.replace(f"export SMTP_PASSWORD={PASSWORD}", "")
