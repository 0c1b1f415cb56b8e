"""The baggage header (W3C Baggage, "Header Content") and the baggage that it carries.

    baggage-string = list-member 0*179( OWS "," OWS list-member )
    list-member    = key OWS "=" OWS value *( OWS ";" OWS property )
    property       = key OWS "=" OWS value
    property       =/ key OWS
    key            = token ; as defined in RFC 7230, section 3.2.6
    value          = *baggage-octet
    baggage-octet  = %x21 / %x23-2B / %x2D-3A / %x3C-5B / %x5D-7E

A value is any string; it is sent as UTF-8, percent-encoded where it must be. A key is
sent as it is, so an entry whose name is not a token is kept but not sent. The properties
of a member are one piece of metadata, which is sent on as it came.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from verified.contracts import ensure

NAME: Final = "baggage"
"""The name of the header, in the case in which it is sent."""

MAX_MEMBERS: Final = 180
"""The number of list-members that are read, and that are sent; the standard asks for 64."""

MAX_BYTES: Final = 8192
"""The size of a header that is sent, as large as the standard asks for."""

_KEY: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r"[!#-+\--:<-\[\]-~]*")
# What follows neither begins nor ends with OWS. The value has a character or is not there,
# and each piece of white space has one place, so there is one way to match a text at most.
_PROPERTY: Final = re.compile(rf"{_KEY.pattern}(?:[ \t]*=(?:[ \t]*[!#-+\--:<-\[\]-~]+)?)?")
_METADATA: Final = re.compile(rf"{_PROPERTY.pattern}(?:[ \t]*;[ \t]*{_PROPERTY.pattern})*")
_MEMBER: Final = re.compile(
    rf"({_KEY.pattern})[ \t]*=(?:[ \t]*([!#-+\--:<-\[\]-~]+))?"
    rf"(?:[ \t]*;[ \t]*({_METADATA.pattern}))?"
)
# A baggage-string that has neither OWS nor properties.
_PAIR: Final = f"{_KEY.pattern}={_VALUE.pattern}"
_PLAIN: Final = re.compile(f"{_PAIR}(?:,{_PAIR}){{0,{MAX_MEMBERS - 1}}}")
# The values that are sent as they are: of baggage-octets other than "%".
_LITERAL: Final = re.compile(r"[!#$&-+\--:<-\[\]-~]*")
# Percent-encoded octets next to each other: what is not encoded ends a UTF-8 sequence.
_ESCAPES: Final = re.compile("(?:%[0-9A-Fa-f]{2})+")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")

_ENCODED: Final = tuple(
    chr(octet) if _LITERAL.fullmatch(chr(octet)) else f"%{octet:02X}" for octet in range(256)
)
"""What each octet is sent as."""

_ASCII: Final = {
    high + low: chr(int(high + low, 16)) for high in "01234567" for low in "0123456789ABCDEFabcdef"
}
"""The character for the digits of an octet that is one."""


@ensure(
    lambda value, result: (
        not value.isascii() or result == unquote_to_bytes(value).decode("utf-8", "replace")
    )
)
def decode(value: str) -> str:
    """Return the value that was sent so.

    Percent-encoded octets that are not UTF-8 are replaced by U+FFFD; a "%" without two
    hexadecimal digits stands for itself, and so does "+".
    """
    if "%" not in value:
        return value
    pieces = value.split("%")
    text = pieces[0]
    for piece in pieces[1:]:
        character = _ASCII.get(piece[:2])
        if character is None:
            return _ESCAPES.sub(_characters, value)
        text += character + piece[2:]
    return text


def _characters(escapes: re.Match[str]) -> str:
    """The characters that percent-encoded octets next to each other stand for."""
    return bytes.fromhex(escapes[0].replace("%", "")).decode(errors="replace")


@ensure(lambda result: _VALUE.fullmatch(result) is not None)
@ensure(lambda value, result: decode(result) == _SURROGATE.sub("\ufffd", value))
def encode(value: str) -> str:
    """Return the value as it is sent, in baggage-octets.

    Characters outside of baggage-octet are percent-encoded as UTF-8, and so is "%".
    A surrogate, which has no UTF-8, is sent as U+FFFD.
    """
    if not value.isascii():
        # Each octet of the UTF-8 as the character of the same number.
        value = _SURROGATE.sub("\ufffd", value).encode().decode("latin-1")
    return value.translate(_ENCODED)


class Entry(NamedTuple):
    """A name, its value, and its metadata: properties in the form in which they are sent."""

    name: str
    value: str
    metadata: str = ""


@dataclass(frozen=True, slots=True)
class Baggage:
    """Immutable baggage: entries in order, one for a name (OpenTelemetry API, "Baggage").

    Names and values are case-sensitive. Every method that changes the baggage returns a
    new one, or the same one if there is nothing to change or what was asked for is not
    valid; none of them raises.

    :raises ValueError: if an entry is not valid, or two have the same name.
    """

    entries: tuple[Entry, ...] = ()

    def __post_init__(self) -> None:
        names = {entry.name for entry in self.entries if _is_entry(*entry)}
        if len(names) != len(self.entries):
            raise ValueError(f"not valid, or not one entry for each name: {self.entries!r}")

    def __bool__(self) -> bool:
        return self.entries != ()

    @ensure(
        lambda self, name, result: (
            [result] == ([e for e in self.entries if e.name == name] or [None])
        )
    )
    def entry(self, name: str) -> Entry | None:
        """Return the entry of a name; None if there is none."""
        return next((entry for entry in self.entries if entry.name == name), None)

    @ensure(lambda self, name, result: result == {n: v for n, v, _ in self.entries}.get(name))
    def get(self, name: str) -> str | None:
        """Return the value of a name; None if there is none."""
        entry = self.entry(name)
        return None if entry is None else entry.value

    @ensure(
        lambda self, name, value, metadata, result: (
            result.entry(name) == (name, value, metadata)
            if _is_entry(name, value, metadata)
            else result is self
        )
    )
    @ensure(lambda self, name, result: _without(name, result) == _without(name, self))
    def set(self, name: str, value: str, metadata: str = "") -> "Baggage":
        """Return the baggage in which the name has this value and metadata.

        A name that is there already keeps its place. The same baggage is returned if the
        name is empty, or if the metadata is not properties separated by semicolons.
        """
        if not _is_entry(name, value, metadata):
            return self
        entries = {entry.name: entry for entry in self.entries}
        entries[name] = Entry(name, value, metadata)
        return _trusted(entries.values())

    @ensure(lambda self, name, result: result.entries == _without(name, self))
    @ensure(lambda self, name, result: (result is self) == (self.entry(name) is None))
    def remove(self, name: str) -> "Baggage":
        """Return the baggage without the entry of this name; the same if there is none."""
        return self if self.entry(name) is None else _trusted(_without(name, self))

    @ensure(lambda result: not result)
    def clear(self) -> "Baggage":
        """Return the baggage without entries; the same if it has none."""
        return EMPTY if self else self


EMPTY: Final = Baggage()
"""The baggage without entries."""


@ensure(lambda result: len(result) <= MAX_MEMBERS and all(_is_entry(*member) for member in result))
def members(baggage: str) -> list[tuple[str, str, str]]:
    """Return the list-members of a header in order: key, decoded value, metadata.

    Members that are not of the form above are left out, and so is what comes after the
    180 members that a baggage-string can have. Several headers are one, their values
    joined by commas in order (RFC 7230, section 3.2.2).
    """
    if _PLAIN.fullmatch(baggage) is not None:
        return [
            (key, decode(value) if "%" in value else value, "")
            for member in baggage.split(",")
            for key, _, value in [member.partition("=")]
        ]
    found = []
    for member in baggage.split(",", MAX_MEMBERS)[:MAX_MEMBERS]:
        match = _MEMBER.fullmatch(member.strip(" \t"))
        if match is not None:
            key, value, metadata = match.groups("")
            found.append((key, decode(value), metadata))
    return found


@ensure(
    lambda result: len(result) <= MAX_BYTES and result.isascii() and result.count(",") < MAX_MEMBERS
)
@ensure(lambda result: all(_MEMBER.fullmatch(m) for m in result.split(",") if result))
def header(members: Iterable[tuple[str, str, str]]) -> str:
    """Return the header for names, values and metadata, in order; it may be empty.

    Left out are names that are not tokens, metadata that is not properties, members that
    do not fit into 8192 bytes beside those before them, and what comes after 180 members.
    What is sent of a member is all of it ("Limits").
    """
    sent = []
    is_key = _KEY.fullmatch
    for name, value, metadata in members:
        if is_key(name) is None:
            continue
        # What encode does with most values, without the call.
        member = f"{name}={value.translate(_ENCODED) if value.isascii() else encode(value)}"
        if metadata:
            if _METADATA.fullmatch(metadata) is None:
                continue
            member = f"{member};{metadata}"
        sent.append(member)
    header = ",".join(sent)
    if len(header) <= MAX_BYTES and len(sent) <= MAX_MEMBERS:
        return header
    return ",".join(_fitting(sent))


def _fitting(members: Iterable[str]) -> list[str]:
    """The members that are sent if not all can be, each one that fits beside those before it."""
    fitting: list[str] = []
    size = 0
    for member in members:
        if fits(len(fitting), size, len(member)):
            size = size_with(size, len(member))
            fitting.append(member)
    return fitting


@ensure(lambda size, length, result: result == (size + 1 + length if size > 0 else size + length))
def size_with(size: int, length: int) -> int:
    """Return the size of a header of ``size`` bytes to which a member of ``length`` is added.

    A comma stands between them, unless the header was empty.
    """
    return size + length + (size > 0)


@ensure(
    lambda count, size, length, result: (
        result == (count < MAX_MEMBERS and size_with(size, length) <= MAX_BYTES)
    )
)
def fits(count: int, size: int, length: int) -> bool:
    """Whether a member of ``length`` bytes may be added to ``count`` others of ``size`` bytes."""
    return count < MAX_MEMBERS and size_with(size, length) <= MAX_BYTES


@ensure(
    lambda baggage, result: (
        isinstance(result.entries, tuple)
        and {entry.name: tuple(entry) for entry in result.entries}
        == {member[0]: member for member in members(baggage)}
    )
)
def parse(baggage: str) -> Baggage:
    """Return the baggage that a header carries; of members with the same key the last counts."""
    return _latest(members(baggage))


@ensure(
    lambda baggage, result: all(
        (read.value, read.metadata) == (decode(encode(held.value)), held.metadata)
        for read in parse(result).entries
        for held in [baggage.entry(read.name)]
    )
)
def format(baggage: Baggage) -> str:
    """Return the header for baggage; an empty one is not to be sent."""
    return header(baggage.entries)


@ensure(lambda metadata, result: bool(result) == (_METADATA.fullmatch(metadata) is not None))
def properties(metadata: str) -> tuple[tuple[str, str | None], ...]:
    """Return the properties that metadata holds: keys, each with its decoded value or None.

    There are none if the metadata is not of the form above.
    """
    if _METADATA.fullmatch(metadata) is None:
        return ()
    found: list[tuple[str, str | None]] = []
    for text in metadata.split(";"):
        key, assigned, value = text.partition("=")
        # Metadata has no white space but spaces and tabs.
        found.append((key.strip(), decode(value.strip()) if assigned else None))
    return tuple(found)


def _latest(members: Iterable[tuple[str, str, str]]) -> Baggage:
    """Baggage of valid members; of those with the same name the last counts."""
    return _trusted({member[0]: Entry(*member) for member in members}.values())


def _trusted(entries: Iterable[Entry]) -> Baggage:
    """Baggage of these entries, which are valid and of different names."""
    baggage = object.__new__(Baggage)
    object.__setattr__(baggage, "entries", tuple(entries))
    return baggage


def _without(name: str, baggage: Baggage) -> tuple[Entry, ...]:
    return tuple(entry for entry in baggage.entries if entry.name != name)


def _is_entry(name: object, value: object, metadata: object) -> bool:
    return (
        isinstance(name, str)
        and isinstance(value, str)
        and isinstance(metadata, str)
        and name != ""
        and (metadata == "" or _METADATA.fullmatch(metadata) is not None)
    )
