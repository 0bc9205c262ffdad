"""Times an edition through mailing APIs that only answer: `python -m benchmarks.api --recipients 1000000`.

Everything is in the time: the plan, and for each call the claim, one more look at every reader, the intent, the bytes,
the call over loopback, and the settling of every outcome, in a SQLite file with fsync. Each round stands beside what
binds it, measured right before: commits with fsync a second, memory copied, and the same calls with a ready body and
nothing else. Peak memory is that of a process which does this and nothing else, once for a tenth of the readers and
once for all.
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.ledger import Ledger, commits, digest, opened
from benchmarks.provider import provider
from publisher.mailers.mailgun import Mailgun
from publisher.mailers.resend import Resend
from publisher.ports import Mailer

HTML = 70_000
WHOLE = 20  # of how many readers one gets a whole message in the run with Resend


def mailers(url: str) -> dict[str, Mailer]:
    return {
        "mailgun": Mailgun("mailgun", "key-benchmark", "mg.harbour-gazette.example", base_url=url),
        "resend": Resend("resend", "re_benchmark", base_url=url),
    }


def copied(rounds: int = 8) -> float:
    """MB a second."""
    block, copy = bytearray(64 * 1024 * 1024), bytearray(64 * 1024 * 1024)
    began = time.perf_counter()
    for _ in range(rounds):
        copy[:] = block
    return rounds * 64 / (time.perf_counter() - began)


def bare_calls(url: str, size: int, rounds: int = 100) -> float:
    """Calls a second with a ready body of that size, on one connection, by the standard library."""
    connection, body = http.client.HTTPConnection(urlsplit(url).netloc), bytes(size)
    began = time.perf_counter()
    for _ in range(rounds):
        connection.request("POST", "/v3/mg.harbour-gazette.example/messages", body)
        connection.getresponse().read()
    return rounds / (time.perf_counter() - began)


def one(ledger: Ledger, mailer: Mailer, slot: str, readers: int) -> tuple[float, float]:
    """Recipients a second, and seconds of CPU for a call."""
    began, used = time.perf_counter(), time.process_time()
    sums = ledger.deliver(ledger.planned(slot, digest(HTML), mailer, readers), mailer)
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    return sums.accepted / seconds, cpu / (sums.accepted / mailer.capability.batch)


def compare(ledger: Ledger, url: str, mailer: Mailer, readers: int, rounds: int) -> None:
    each = mailer.capability.batch
    size = 350_000 if mailer.capability.shared_body else each * (HTML + 1000)
    print(f"\n{mailer.name}: {readers:,} recipients in calls of {each}, every outcome recorded")
    print(f"{'round':6}{'recipients/s':>13}{'CPU ms/call':>13}{'fsync/s':>11}{'copy MB/s':>11}{'bare calls/s':>13}")
    rates, shares = [], []
    for number in range(rounds):
        fsync, copy, bare = commits(ledger.root), copied(), bare_calls(url, size)
        rate, cpu = one(ledger, mailer, f"{mailer.name}:{number}", readers)
        rates.append(rate)
        shares.append(rate / each / bare)
        print(f"{number + 1:<6}{rate:13,.0f}{cpu * 1000:13.1f}{fsync:11,.0f}{copy:11,.0f}{bare:13,.0f}")
    print(f"median{statistics.median(rates):13,.0f}   {statistics.median(shares):.3f} of the bare calls")


def peak(readers: int) -> int:
    """MB that a process takes at most for one edition to so many, from planning to the last outcome."""
    with tempfile.TemporaryDirectory() as folder:
        with opened(Path(folder), readers):
            pass  # importing readers is not what is measured
        command = [sys.executable, "-m", "benchmarks.api", "--alone", folder]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def alone(root: Path) -> None:
    with opened(root) as ledger, provider() as url:
        mailer = mailers(url)["mailgun"]
        ledger.deliver(ledger.planned("alone", digest(HTML), mailer), mailer)
    status = Path("/proc/self/status").read_text()  # not getrusage: a parent's peak counts there as the child's
    print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipients", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        alone(options.alone)
        return
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder), options.recipients) as ledger, provider() as url:
        for name, mailer in mailers(url).items():
            readers = options.recipients if name == "mailgun" else max(options.recipients // WHOLE, 1)
            compare(ledger, url, mailer, readers, options.rounds)
    for readers in (options.recipients // 10, options.recipients):
        print(f"peak memory of a process for {readers:,} recipients through mailgun: {peak(readers)} MB")


if __name__ == "__main__":
    main()
