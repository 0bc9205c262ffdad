"""The README's table of mailers says what the mailers themselves declare."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_readme_has_the_table_that_the_mailers_give() -> None:
    spec = importlib.util.spec_from_file_location("mailer_table", ROOT / ".ci" / "mailer_table.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    readme = (ROOT / "README.md").read_text()
    assert "<!-- mailers -->" in readme
    assert script.written(readme) == readme, "run .venv/bin/python .ci/mailer_table.py"
    kinds = {path.stem for path in (ROOT / "publisher" / "mailers").glob("[a-z]*.py")}
    assert {name for name, _ in script.capabilities()} == kinds
