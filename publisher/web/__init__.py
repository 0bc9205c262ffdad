"""The web door: unsubscribe links, feeds, and the pages around them. Serves one site."""

from publisher.web.application import application
from publisher.web.server import Server, serve

__all__ = ["Server", "application", "serve"]
