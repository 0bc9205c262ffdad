"""A crew at work in a process of its own, and what befalls its database meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.faults.crew import Spec


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is done to the database at most so many times, with so many seconds between."""

    strike: Callable[[], None]
    times: int
    pause: float


def run(wanted: Spec, folder: Path, trouble: Trouble | None = None) -> tuple[dict[str, Any], int]:
    """What the crew reports, and how often the trouble came."""
    path, times = folder / "spec.json", 0
    path.write_text(json.dumps(asdict(wanted)))
    command = [sys.executable, "-m", "tests.faults.crew", str(path)]
    with (
        (folder / "errors").open("w+") as errors,
        subprocess.Popen(command, stdout=-1, stderr=errors, text=True) as crew,
    ):
        while trouble is not None and times < trouble.times:
            try:
                crew.wait(trouble.pause)
                break
            except subprocess.TimeoutExpired:
                trouble.strike()
                times += 1
        out, _ = crew.communicate()
        errors.seek(0)
        said = errors.read()
    assert "BUG" not in said, said[-3000:]
    assert crew.returncode == 0, said[-3000:]
    found: dict[str, Any] = json.loads(out)
    return found, times
