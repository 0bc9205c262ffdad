"""What an installation gets: a wheel that carries the templates and the sample site, and locked requirements."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from publisher import __version__

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("build", "run", "test")


def run(*command: object, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder, cwd=ROOT)
    return next(folder.glob("publisher-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the wheel's content, to be found before this checkout."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", folder, wheel, cwd=folder)
    return folder


def publisher(installed: Path, cwd: Path, *arguments: object) -> str:
    return run(sys.executable, "-m", "publisher", *arguments, cwd=cwd, PYTHONPATH=str(installed))


def files_below(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(folder).as_posix()


def test_the_wheel_carries_the_templates_that_exist_once(wheel: Path) -> None:
    carried = zipfile.ZipFile(wheel).namelist()
    templates = {f"publisher/data/templates/{name}" for name in files_below(ROOT / "templates")}

    assert templates
    assert {name for name in carried if name.startswith("publisher/data/templates/")} == templates
    assert not (ROOT / "publisher" / "data" / "templates").exists()


def test_the_wheel_carries_the_sample_site_and_every_module(wheel: Path) -> None:
    carried = set(zipfile.ZipFile(wheel).namelist())
    sample = {"settings.toml", "subscribers.csv", *(f"articles/{name}" for name in files_below(ROOT / "articles"))}

    assert {f"publisher/data/sample/{name}" for name in sample} <= carried
    assert {f"publisher/{name}" for name in files_below(ROOT / "publisher")} <= carried


def test_the_wheel_carries_nothing_of_the_checkout(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"publisher", f"publisher-{__version__}.dist-info"}


def test_an_installed_publisher_lays_out_a_site_and_runs_it(installed: Path, tmp_path: Path) -> None:
    where = run(
        sys.executable, "-c", "import publisher; print(publisher.__file__)", cwd=tmp_path, PYTHONPATH=str(installed)
    )
    assert Path(where.strip()).is_relative_to(installed)

    publisher(installed, tmp_path, "init", "gazette")
    site = tmp_path / "gazette"
    first = publisher(installed, site, "run", "--once")

    assert first.strip()
    assert {"all.rss", "all.atom", "all.json"} <= set(files_below(site / "feeds"))
    mail = list((site / "var" / "maildir" / "new").iterdir())
    assert mail, "the sample site has readers"

    publisher(installed, site, "run", "--once")
    assert list((site / "var" / "maildir" / "new").iterdir()) == mail, "a second pass mails nobody"


# ---------------------------------------------------------------- requirements


def pins(name: str) -> dict[str, str]:
    """By package: its version and marker. Every line of a lock file must be understood."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = re.fullmatch(
            r"([a-z0-9._-]+(?:\[[a-z,]+\])?)==(\S+(?: ; .+?)?)((?:\s+--hash=sha256:[0-9a-f]{64})+)\s*", line
        )
        assert match, f"requirements/{name}.txt: no version or no hash, or something else: {line[:80]}"
        found[match[1]] = match[2]
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_requirements_are_locked_by_hash_and_name_no_address(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")

    assert pins(name)
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host", text)


def test_the_locks_agree() -> None:
    everything = pins("test")
    assert pins("build").items() <= everything.items()
    assert pins("run").items() <= everything.items()


@pytest.mark.parametrize("name", LOCKS)
def test_every_wanted_package_is_locked(name: str) -> None:
    wanted = (ROOT / "requirements" / f"{name}.in").read_text(encoding="utf-8").splitlines()
    names = {
        re.split(r"[<>=!;\[ ]", line)[0].lower().replace(".", "-")
        for line in wanted
        if line and not line.startswith(("#", "-r"))
    }
    locked = {package.partition("[")[0] for package in pins(name)}
    assert {name.replace(".", "-") for name in names} <= locked
