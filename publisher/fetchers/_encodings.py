"""The text of a document whose encoding was told wrong, or not at all."""

from __future__ import annotations

import codecs
import re

#: Labels of the Encoding standard (https://encoding.spec.whatwg.org/#names-and-labels) that Python does not know,
#: under a name that it knows.
_LABELS = {
    label: name
    for name, labels in {
        "utf-8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8",
        "iso8859-6": "csiso88596e csiso88596i iso-8859-6-e iso-8859-6-i iso88596",
        "iso8859-7": "iso88597 sun_eu_greek",
        "iso8859-8": "csiso88598e csiso88598i iso-8859-8-e iso-8859-8-i iso88598 logical visual",
        "iso8859-15": "csisolatin9 iso885915",
        "koi8-r": "koi koi8",
        "koi8-u": "koi8-ru",
        "mac-roman": "csmacintosh mac x-mac-roman",
        "mac-cyrillic": "x-mac-cyrillic x-mac-ukrainian",
        "cp874": "dos-874 windows-874",
        "gb18030": "csgb2312 gb_2312 gb_2312-80 x-gbk",
        "big5": "cn-big5 x-x-big5",
        "euc_jp": "cseucpkdfmtjapanese x-euc-jp",
        "cp932": "windows-31j x-sjis",
        "cp949": "cseuckr csksc56011987 iso-ir-149 ks_c_5601-1989 ksc_5601 windows-949",
        **{f"cp{number}": f"x-cp{number}" for number in range(1250, 1259)},
        **{f"iso8859-{number}": f"iso8859{number}" for number in (1, 2, 3, 4, 5, 9, 10, 11, 13, 14)},
    }.items()
    for label in labels.split()
}
#: What stands for less in Python than in a browser, by Python's own names.
_MEANT = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
#: Python's names of what a browser reads; of the rest, some are no text at all.
_READ = frozenset(
    {"utf-8", "cp866", "koi8-r", "koi8-u", "mac-roman", "mac-cyrillic", "cp874", "gb18030", "big5hkscs", "euc_jp"}
    | {"iso2022_jp", "cp932", "cp949", *(f"cp{number}" for number in range(1250, 1259))}
    | {f"iso8859-{number}" for number in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)}
)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
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
    """Python's name of an encoding, "" for none that a browser reads; and for UTF-16 and UTF-32, since a document
    that were so would have shown it in its first bytes."""
    name = label.lower()
    try:
        found = codecs.lookup(_LABELS.get(name, name)).name
    except (LookupError, ValueError):
        return ""
    meant = _MEANT.get(found, found)
    return meant if meant in _READ else ""


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
