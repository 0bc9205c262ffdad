"""HTML: make it safe, and read it as text.

nh3 parses and takes out what is not allowed; a small writer then sets addresses, drops what shows nothing,
and writes the result so that it is well-formed XML as well as HTML. Nothing here trusts its input: size,
depth and the number of tags are bounded, and every function takes any string.
"""

from publisher.kit.html._parse import MAXIMUM, MAXIMUM_TAGS, bounded, scrub
from publisher.kit.html._read import cut, excerpt, first_image, paragraphs, plain, running, text
from publisher.kit.html._write import address, clean

__all__ = [
    "MAXIMUM",
    "MAXIMUM_TAGS",
    "address",
    "bounded",
    "clean",
    "cut",
    "excerpt",
    "first_image",
    "paragraphs",
    "plain",
    "running",
    "scrub",
    "text",
]
