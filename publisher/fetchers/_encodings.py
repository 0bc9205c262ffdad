"""The text of a document whose encoding was told wrong, or not at all."""

from __future__ import annotations

import codecs
import re

#: How the WHATWG Encoding standard reads labels that say less than they mean.
_LABELS = {
    **dict.fromkeys(("iso-8859-1", "iso8859-1", "latin1", "latin-1", "l1", "us-ascii", "ascii"), "cp1252"),
    **dict.fromkeys(("gb2312", "gbk", "x-gbk", "gb_2312-80"), "gb18030"),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j"), "cp932"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987", "korean"), "cp949"),
    **dict.fromkeys(("iso-8859-9", "latin5"), "cp1254"),
    **dict.fromkeys(("tis-620", "iso-8859-11"), "cp874"),
    "big5": "big5hkscs",
    "macintosh": "mac_roman",
}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
_READABLE = re.compile(
    r"utf-?(?:8|16|32)(?:-?[bl]e)?|(?:windows-|cp)\d+|iso-?8859-\d+|koi8-[ru]|euc-jp|iso-2022-jp|gb18030"
)
_PIECE = 65_536  # bytes
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.I)
_DECLARED = re.compile(rb"\s*<\?xml[^>]*?encoding\s*=\s*[\"']([\w.:-]+)")


def decoded(body: bytes, content_type: str) -> str:
    """The text of a document: byte order mark, then the header's charset, then the XML declaration, then UTF-8.

    A wrong declaration is set right where the bytes prove it: what reads as UTF-8 beyond ASCII is UTF-8, and
    single bytes that are no UTF-8 are windows-1252.
    """
    encoding = _encoding(body, content_type)
    return body.decode(encoding, "replace").removeprefix("\ufeff") if encoding else _forgiving_utf8(body)


def in_utf8(body: bytes, content_type: str) -> bytes:
    """The same text in UTF-8: the very bytes, where they are, since of a large document each copy takes its time."""
    if not _encoding(body, content_type) and _is_utf8(body):
        return body
    return decoded(body, content_type).encode("utf-8", "ignore")


def _encoding(body: bytes, content_type: str) -> str:
    """How the bytes are to be read, "" for UTF-8 that nothing but themselves may prove."""
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            return encoding
    header, inside = _CHARSET.search(content_type), _DECLARED.match(body[:300])
    for label in (header and header[1], inside and inside[1].decode()):
        encoding = _labelled(label or "")
        if encoding and encoding != "utf-8" and not (encoding.startswith("cp125") and _is_utf8(body)):
            return encoding
    return ""


def _labelled(label: str) -> str:
    name = _LABELS.get(label.lower(), label.lower())
    if name.startswith(("utf-16", "utf-32")):
        return ""  # a document that were so would have shown it in its first bytes
    try:
        return codecs.lookup(name).name if name in _LABELS.values() or _READABLE.fullmatch(name) else ""
    except LookupError:
        return ""


def _is_utf8(body: bytes) -> bool:
    """By pieces: one text of all of it takes three times as long."""
    if body.isascii():
        return True
    read, there = codecs.getincrementaldecoder("utf-8")(), memoryview(body)
    try:
        for start in range(0, len(body), _PIECE):
            read.decode(there[start : start + _PIECE])
        read.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _forgiving_utf8(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        stray = {0xDC00 + byte: bytes([byte]).decode("cp1252", "replace") for byte in range(0x80, 0x100)}
        return body.decode("utf-8", "surrogateescape").translate(stray)
