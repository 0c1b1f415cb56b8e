"""Headers read and written once more, by the grammars and with none of the shipped code.

What a claim expects must not come from the code of which it speaks: a fault would be on
both sides and cancel out. These functions are slow and plain.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from urllib.parse import quote_from_bytes, unquote_to_bytes

from .grammar import Grammar

WHITE = " \t"
"""Optional white space (RFC 9110, section 5.6.3)."""

STATE_KEY = Grammar("tracestate", "key")
STATE_VALUE = Grammar("tracestate", "value")
STATE_LIST = Grammar("tracestate", "list")
KEY = Grammar("baggage", "key")
VALUE = Grammar("baggage", "value")
MEMBER = Grammar("baggage", "list-member")
METADATA = Grammar("baggage", "metadata")

Members = list[tuple[str, str]]
Entries = list[tuple[str, str, str]]


@cache
def literal() -> frozenset[str]:
    """The characters of a value that are sent as they are."""
    return frozenset(c for c in map(chr, range(128)) if c != "%" and VALUE.matches(c))


def state_members(header: str) -> Members:
    """The members of a list that is one, the left-most of each key."""
    found: dict[str, str] = {}
    for piece in header.split(","):
        key, is_member, value = piece.strip(WHITE).partition("=")
        if is_member:
            found.setdefault(key, value)
    return list(found.items())


def is_state(header: str) -> bool:
    """Whether a text is a tracestate as it is sent: empty, or a list with members."""
    return header == "" or (
        "=" in header and header == header.strip(WHITE) and STATE_LIST.matches(header)
    )


def changed(members: Members, key: str, value: str) -> Members:
    """The members after one was added or given another value, which may not be valid."""
    if not (STATE_KEY.matches(key) and STATE_VALUE.matches(value)):
        return members
    return [(key, value), *(member for member in members if member[0] != key)][:32]


def written(members: Members) -> str:
    return ",".join(f"{key}={value}" for key, value in members)


def combined(values: Iterable[object]) -> str | None:
    """The text of several headers, without the white space around it; None if one is no text."""
    texts = []
    for value in values:
        if not isinstance(value, str):
            return None
        if value.strip(WHITE):
            texts.append(value)
    return ",".join(texts).strip(WHITE)


def decoded(value: str) -> str:
    return unquote_to_bytes(value).decode("utf-8", "replace")


def readable(value: str) -> str:
    """The value that comes out of a header into which this one was put."""
    return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in value)


def is_metadata(text: str) -> bool:
    return text == "" or (text == text.strip(WHITE) and METADATA.matches(text))


def properties(metadata: str) -> list[tuple[str, str | None]]:
    """The properties of metadata: keys, and values if they have any."""
    found: list[tuple[str, str | None]] = []
    if metadata and is_metadata(metadata):
        for piece in metadata.split(";"):
            key, has_value, value = piece.partition("=")
            found.append((key.strip(WHITE), decoded(value.strip(WHITE)) if has_value else None))
    return found


def entries(header: str) -> Entries:
    """The members of a baggage header that are of the grammar, of the first 180."""
    found = []
    for piece in header.split(",")[:180]:
        member = piece.strip(WHITE)
        if MEMBER.matches(member):
            pair, _, metadata = member.partition(";")
            key, _, value = pair.partition("=")
            found.append((key.strip(WHITE), decoded(value.strip(WHITE)), metadata.strip(WHITE)))
    return found


def latest(members: Iterable[tuple[str, str, str]]) -> Entries:
    """One entry for each name, in the place of the first and with the value of the last."""
    return list({member[0]: member for member in members}.values())


def member(name: str, value: str, metadata: str) -> str:
    """The member that stands for an entry."""
    sent = quote_from_bytes(readable(value).encode(), safe="".join(literal()))
    # Python leaves these as they are, and so does the grammar.
    assert {"-", ".", "_", "~"} <= literal()
    return f"{name}={sent}" + (f";{metadata}" if metadata else "")


def sendable(members: Iterable[tuple[str, str, str]]) -> Entries:
    """The members that are sent: each that can be and fits beside those before it."""
    found: Entries = []
    sent: list[str] = []
    for name, value, metadata in members:
        text = member(name, value, metadata)
        fits = len(sent) < 180 and len(",".join([*sent, text])) <= 8192
        if KEY.matches(name) and is_metadata(metadata) and fits:
            sent.append(text)
            found.append((name, value, metadata))
    return found


def baggage_header(members: Iterable[tuple[str, str, str]]) -> str:
    return ",".join(member(*each) for each in sendable(members))


def named(carrier: Iterable[tuple[object, object]], name: str) -> list[object]:
    """The values of the headers with this name, in any case of ASCII letters."""
    found: list[object] = []
    for key, value in carrier:
        if isinstance(key, str) and key.isascii() and key.lower() == name.lower():
            found += value if isinstance(value, list | tuple) else [value]
    return found
