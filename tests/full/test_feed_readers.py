"""Our feeds in a feed reader that shares no code with us: sfeed 1.7 (Debian's package)."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from publisher.formats.atom import Atom
from publisher.formats.rss import Rss
from publisher.ports import Format
from tests.contracts.format_cases import BRIDGE, GAZETTE, LAMP, TIDES

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(not shutil.which("sfeed"), reason="needs sfeed: apt-get install sfeed"),
]


@pytest.mark.parametrize("format", [Rss(), Atom()])
def test_sfeed_reads_every_article_with_its_date(format: Format) -> None:
    output = subprocess.run(["sfeed"], input=format.write(GAZETTE), capture_output=True, check=True).stdout.decode()
    bridge, tides, lamp = (line.split("\t") for line in output.splitlines())
    for fields, one in ((bridge, BRIDGE), (tides, TIDES), (lamp, LAMP)):
        stamp, title, _link, _content, kind, id, *_ = fields
        assert (id, title, kind) == (one.entry_id, one.revision.title, "html")
        assert int(stamp) == one.revision.published_at.timestamp()
    assert bridge[2] == BRIDGE.canonical_url
    assert bridge[3].replace("\\n", "\n") == BRIDGE.revision.content_html
    assert (bridge[6], bridge[8]) == ("Aoife Brennan", "Harbour|Music|ferries")
    assert "harbour-gazette.example/bridge." in bridge[7]
