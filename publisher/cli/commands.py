"""Every command, and the options that stand before one."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from publisher import __version__
from publisher.cli import articles, deliver, receipt, subscribers
from publisher.cli.check import check
from publisher.cli.door import Door, LogFormat
from publisher.cli.errors import in_words
from publisher.cli.init import init
from publisher.cli.preflight import preflight
from publisher.cli.preview import preview
from publisher.cli.rebuild import rebuild
from publisher.cli.run import run, serve
from publisher.cli.send import send
from publisher.cli.status import status
from publisher.cli.steps import collect, compose, syndicate


class _Guarded(TyperGroup):
    """The group of all commands: what any of them raises is turned into words here."""

    def invoke(self, ctx: Any) -> Any:
        options = ctx.params
        with in_words(options.get("site") or Path(), options.get("verbose") or 0):
            return super().invoke(ctx)


app = typer.Typer(
    cls=_Guarded,
    name="publisher",
    help="Publisher: from a newsroom's articles to feed readers and mailboxes.",
    epilog="Start with: publisher init DIR",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"publisher {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    *,
    site: Annotated[Path, typer.Option(help="The site's folder, with its settings.toml.", metavar="DIR")] = Path(),
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, show_default=False, help="Log what is done; -vv: everything.")
    ] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Log errors only.")] = False,
    log_format: Annotated[LogFormat, typer.Option(help="How logs are written, on standard error.")] = LogFormat.TEXT,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show which Publisher this is.")
    ] = False,
) -> None:
    context.obj = Door(root=site, verbosity=-1 if quiet else verbose, log_format=log_format)


_STEPS = (init, check, run, serve, status, collect, syndicate, compose, preview, preflight, send, rebuild)
for _command in (*_STEPS, articles.why):
    app.command()(_command)
app.add_typer(articles.app, name="articles")
app.add_typer(deliver.app, name="deliver")
app.add_typer(receipt.app, name="receipt")
app.add_typer(subscribers.app, name="subscribers")


def main() -> None:
    """Run the command in `sys.argv`, and exit with its code (see `exits`)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a letter is no error
    app(prog_name="publisher")
