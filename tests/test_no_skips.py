from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

LEFT_OUT = [
    'def test_it():\n    pytest.skip("no server")',
    '@pytest.mark.skip(reason="no server")\ndef test_it():\n    pass',
    '@pytest.mark.xfail(reason="no server")\ndef test_it():\n    raise OSError',
    'pytest.skip("no server", allow_module_level=True)',
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, test in enumerate(LEFT_OUT):
        (tmp_path / f"test_{number}.py").write_text(f"import pytest\n\n{test}\n")
    (tmp_path / "test_good.py").write_text("def test_it():\n    pass\n")
    return tmp_path


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_test_left_out_is_a_failure_with_its_reason(folder: Path, workers: str) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "tests.no_skips", "-n", workers]
    command += ["--continue-on-collection-errors", f"--rootdir={folder}", str(folder)]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "2 failed, 1 passed, 2 errors" in done.stdout  # an error is a failure outside the test itself
    assert done.stdout.count("left out, which is refused here: ") >= len(LEFT_OUT)
    assert "no server" in done.stdout
