"""The table of what mail programs can show: what it holds, and how it is made anew."""

from __future__ import annotations

import json
from typing import Any

import pytest

from publisher import preflight
from publisher.errors import PublisherError


def feature(slug: str, title: str, **stats: dict[str, dict[str, str]]) -> dict[str, Any]:
    families = {name.replace("_", "-"): platforms for name, platforms in stats.items()}
    return {"slug": slug, "title": title, "category": slug.partition("-")[0], "stats": families}


def published(*more: dict[str, Any]) -> bytes:
    filler = [feature(f"css-filler-{number}", "filler") for number in range(100)]
    return json.dumps({"last_update_date": "2026-03-01 10:00:00 +0000", "data": [*filler, *more]}).encode()


def test_the_packaged_table_tells_its_date_and_what_everybody_knows() -> None:
    table = preflight.table()
    by_slug = {one.slug: one for one in table.features}
    assert table.date >= "2025-09-09"
    assert "Outlook for Windows" in by_slug["css-display-flex"].lacking
    assert "Samsung Email" not in by_slug["css-display-flex"].lacking
    assert not by_slug["html-table"].lacking


def test_the_newest_version_and_the_worst_platform_count() -> None:
    gmail = {
        "desktop-webmail": {"2019-01": "n", "2025-01": "y #1"},
        "ios": {"2020": "a"},
        "mobile-webmail": {"2020": "n"},
    }
    one = feature("css-gap", "gap, column-gap, row-gap", gmail=gmail, outlook={"windows": {"2007": "y", "2019": "n"}})
    made = json.loads(preflight.refreshed(published(one)))
    title, support, marks = made["features"]["css-gap"]
    assert (title, support) == ("gap, column-gap, row-gap", "anuuuu")
    assert ["property", "row-gap"] in marks
    assert made["date"] == "2026-03-01"


def test_the_same_data_gives_the_same_table() -> None:
    assert preflight.refreshed(published()) == preflight.refreshed(published())


@pytest.mark.parametrize("data", [b"<html>", b"{}", b'{"last_update_date": "2026", "data": []}', b'{"data": [1]}'])
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(PublisherError, match=r"support data|not the whole"):
        preflight.refreshed(data)
