"""`publisher run` keeps a site going; `run --once` does its whole job one time; `serve` answers readers only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from publisher.cli.door import Terminated, door
from publisher.cli.once import one_pass

if TYPE_CHECKING:
    from publisher.app import App

Host = Annotated[str | None, typer.Option(help="Where to listen; else as the settings say.")]
Port = Annotated[int | None, typer.Option(min=0, max=65535, help="Where to listen; else as the settings say.")]


def run(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="One whole pass now, whatever the hour, then stop.")] = False,
    host: Host = None,
    port: Port = None,
    json: Annotated[bool, typer.Option("--json", help="For programs; with --once.")] = False,
) -> None:
    """Keep everything going, on its schedule."""
    if json and not once:
        raise typer.BadParameter("goes with --once", param_hint="--json")
    with door(context).opened(informed=not once) as app:
        if once:
            raise typer.Exit(one_pass(app, json=json))
        from publisher import schedule

        there, host, port = _listening(app, host, port)
        schedule.run(there, host=host, port=port)


def serve(context: typer.Context, host: Host = None, port: Port = None) -> None:
    """Serve the feeds and the readers' pages only."""
    import structlog

    from publisher.web import Server

    with door(context).opened(informed=True) as app:
        there, host, port = _listening(app, host, port)
        server = Server(there.parts, host, port)
        structlog.get_logger("publisher").info("serving", address=f"http://{host}:{server.port}")
        try:
            server.run()
        except (KeyboardInterrupt, Terminated):
            return  # a server that is asked to stop has not failed


def _listening(app: App, host: str | None, port: int | None) -> tuple[App, str, int]:
    """Where to listen, and the site whose links lead there."""
    host = host or app.settings.web.host
    port = app.settings.web.port if port is None else port
    name = f"[{host}]" if ":" in host else host
    site = replace(app.parts.site, local_url=f"http://{name}:{port}")
    return replace(app, parts=replace(app.parts, site=site)), host, port
