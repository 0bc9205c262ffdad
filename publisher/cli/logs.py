"""Structured logs on standard error: one event a line, for people or as JSON. Secrets never get there."""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING

import structlog

from publisher.cli import console

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

#: Names of values that are never shown. `key` alone is the key of a piece of work, and is.
_SECRET = re.compile(r"pass(word|wd)?$|secret|token|api_?key|credential|authorization", re.IGNORECASE)
#: A password in an address, and what follows "Bearer".
_INSIDE = re.compile(r"(://[^/\s@:]*:)[^/\s@]*(?=@)|(bearer\s+)\S+", re.IGNORECASE)


def configure(form: str, verbosity: int) -> None:
    """Log to standard error as "text" or "json": warnings, with verbosity 1 what is done, with 2 everything,
    with -1 errors only. Events of libraries come only as warnings."""
    level = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}.get(max(verbosity, -1), logging.DEBUG)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _Printable(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(form)],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
    logging.getLogger("publisher").setLevel(level)


class _Printable(structlog.stdlib.ProcessorFormatter):
    """Lines without control characters: titles, and what servers say, are logged too."""

    def format(self, record: logging.LogRecord) -> str:
        return console.safe(super().format(record))


def _renderers(form: str) -> list[Processor]:
    if form == "json":
        return [structlog.processors.JSONRenderer(ensure_ascii=False)]
    return [structlog.dev.ConsoleRenderer(colors=False, pad_event_to=20)]


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Values under a secret's name, and passwords inside addresses, become "***"."""
    return {
        name: "***" if _SECRET.search(name) else _INSIDE.sub(r"\1\2***", value) if isinstance(value, str) else value
        for name, value in event.items()
    }
