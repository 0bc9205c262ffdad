"""The command line door. `commands` lists what there is; each command or group is one file; `errors` turns what
they raise into words.

At import there is only typer: `publisher --help` must answer at once, so commands import what they work with
inside, and rich only where something is drawn.
"""

from publisher.cli.commands import app, main

__all__ = ["app", "main"]
