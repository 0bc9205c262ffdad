"""A real IMAP server (Dovecot) on loopback, of our own: started for the run in a folder under the temporary one.

Any user name opens a mailbox of its own with the one password; it speaks plainly and with STARTTLS on `port`, and with
TLS from the first byte on `tls_port`.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.smtp import Certificate

PASSWORD = "pilot-cutter"
MISSING = "no IMAP server: install one (Debian: apt-get install dovecot-imapd)"

_SETTINGS = """
base_dir = {root}/run
state_dir = {root}/run
log_path = {root}/log
protocols = imap
listen = 127.0.0.1, 127.0.0.2
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{root}/mail/%n
mail_max_userip_connections = 50
auth_failure_delay = 0
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={root}/mail/%n
}}
namespace inbox {{
  inbox = yes
  prefix = {prefix}
  separator = {separator}
}}
imap_capability = {capability}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""

#: What servers of twenty years ago can do.
OLD = "IMAP4rev1 STARTTLS"


@dataclass(frozen=True, slots=True)
class Dovecot:
    root: Path
    port: int
    tls_port: int
    certificate: Certificate

    def folder(self, user: str, name: str = "") -> list[Path]:
        """The files of a mailbox's folder, "" for the inbox."""
        place = self.root / "mail" / user / (f".{name}" if name else "")
        return sorted(path for part in ("new", "cur") for path in (place / part).glob("*"))


@contextmanager
def server(*, old: bool = False, prefix: str = "") -> Iterator[Dovecot]:
    """Skips the test when there is none to be had. `old`: without MOVE, UIDPLUS and NAMESPACE."""
    program = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip(MISSING)
    root = Path(tempfile.mkdtemp(prefix="publisher-imap-"))
    with _unused() as port, _unused() as tls_port:
        ports = (port, tls_port)
    made = Dovecot(root, *ports, Certificate.make(root))
    process = None
    try:
        config = _lay_out(made, old=old, prefix=prefix)
        process = subprocess.Popen([program, "-F", "-c", str(config)], start_new_session=True)
        _wait(made, process)
        yield made
    finally:
        if process is not None:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        shutil.rmtree(root, ignore_errors=True)


def _lay_out(made: Dovecot, *, old: bool, prefix: str) -> Path:
    """Dovecot keeps no mail of root's: as root, another account's."""
    who = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    (made.root / "mail").mkdir()
    (made.root / "run").mkdir()
    made.root.chmod(0o755)
    if os.getuid() == 0:
        os.chown(made.root / "mail", who.pw_uid, who.pw_gid)
    config = made.root / "dovecot.conf"
    config.write_text(
        _SETTINGS.format(
            root=made.root,
            certificate=made.certificate.certificate,
            key=made.certificate.key,
            user=who.pw_name,
            group=grp.getgrgid(who.pw_gid).gr_name,
            uid=who.pw_uid,
            gid=who.pw_gid,
            password=PASSWORD,
            port=made.port,
            tls_port=made.tls_port,
            prefix=prefix,
            separator="." if prefix else "/",
            capability=OLD if old else "",
        )
    )
    return config


@contextmanager
def _unused() -> Iterator[int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield int(sock.getsockname()[1])


def _wait(made: Dovecot, process: subprocess.Popen[bytes]) -> None:
    """Until it greets."""
    until = time.monotonic() + 20
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", made.port), timeout=5) as sock:
            if sock.recv(100).startswith(b"* OK"):
                return
        time.sleep(0.05)
    log = made.root / "log"
    raise RuntimeError(f"Dovecot does not start: {log.read_text() if log.exists() else process.poll()}")
