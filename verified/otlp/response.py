"""What a receiver says in protobuf: trace_service.proto, google/rpc/status.proto.

    message ExportTraceServiceResponse { ExportTracePartialSuccess partial_success = 1; }
    message ExportTracePartialSuccess { int64 rejected_spans = 1; string error_message = 2; }
    message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
    message Any { string type_url = 1; bytes value = 2; }
    message RetryInfo { Duration retry_delay = 1; }
    message Duration { int64 seconds = 1; int32 nanos = 2; }

A field that is not known, or not of the wire type that it should be, is skipped, and so is a
group. Of a field that comes twice the last counts, and messages that come twice are merged. A
string is UTF-8. Nothing here raises: what is not a message is None.
"""

from typing import Final, NamedTuple

from verified.contracts import ensure
from verified.exporter.retry import LONGEST_DELAY
from verified.otlp.protobuf import I32, I64, LEN, VARINT

_RETRY_INFO: Final = "/google.rpc.RetryInfo"

# The wire types of the beginning and the end of a group.
_GROUP: Final = 3
_END_OF_GROUP: Final = 4

# How many bytes hold a tag or a size, which have 32 bits.
_OF_32_BITS: Final = 5


class PartialSuccess(NamedTuple):
    """How many spans a receiver refused, and what it says of that; 0 and nothing if it took all."""

    rejected_spans: int
    error_message: str


@ensure(lambda result: result is None or all(0 < field < 1 << 29 for field, _, _ in result))
def fields(data: bytes) -> list[tuple[int, int, int | bytes]] | None:
    """Return the fields of a message in order: their numbers, wire types and values.

    A value is a number of 64 bits without sign, or the bytes of a field of wire type LEN.
    Fixed numbers are numbers too. Groups are left out. None if the data is no message.
    """
    found: list[tuple[int, int, int | bytes]] = []
    groups: list[int] = []
    position = 0
    while position < len(data):
        tag, position = _varint(data, position, _OF_32_BITS)
        field, wire_type = tag >> 3, tag & 7
        if position < 0 or not 0 < field < 1 << 29:
            return None
        value: int | bytes
        if wire_type == VARINT:
            value, position = _varint(data, position)
            if position < 0:
                return None
        elif wire_type == _GROUP:
            groups.append(field)
            continue
        elif wire_type == _END_OF_GROUP:
            if not groups or groups.pop() != field:
                return None
            continue
        else:
            size = {I64: 8, I32: 4}.get(wire_type, 0)
            if wire_type == LEN:
                size, position = _varint(data, position, _OF_32_BITS)
            if position < 0 or size > len(data) - position or wire_type > I32:
                return None
            octets = data[position : position + size]
            value = octets if wire_type == LEN else int.from_bytes(octets, "little")
            position += size
        if not groups:
            found.append((field, wire_type, value))
    return None if groups else found


def _varint(data: bytes, position: int, longest: int = 10) -> tuple[int, int]:
    """The number of 64 bits that begins there, and where it ends; -1 if it does not."""
    number = 0
    for shift, octet in enumerate(data[position : position + longest]):
        number |= (octet & 0x7F) << 7 * shift
        if octet < 0x80:
            return number & 0xFFFF_FFFF_FFFF_FFFF, position + shift + 1
    return 0, -1


@ensure(lambda data, result: data != b"" or result == (0, ""))
def partial_success(data: bytes) -> PartialSuccess | None:
    """Return what an ``ExportTraceServiceResponse`` says; None if it is malformed.

    ``rejected_spans`` is from -(2**63) to 2**63 - 1, as the receiver says.
    """
    found = _merged(data, 1)
    if found is None:
        return None
    rejected, text = 0, ""
    try:
        for field, wire_type, value in found:
            if field == 1 and wire_type == VARINT and isinstance(value, int):
                rejected = _signed(value)
            elif field == 2 and isinstance(value, bytes):
                text = value.decode()
    except UnicodeDecodeError:
        return None
    return PartialSuccess(rejected, text)


@ensure(lambda result: -1 <= result <= LONGEST_DELAY)
def retry_delay(data: bytes) -> int:
    """Return the milliseconds that the ``RetryInfo`` of a ``Status`` asks to wait; -1 if none does.

    A part of a millisecond counts as one, a negative delay as none, one beyond 2**40 as that
    many. The first RetryInfo that is
    not malformed counts, of a status that is not.
    """
    delays: list[int] = []
    try:
        for field, _, value in fields(data) or ():
            if field == 2 and isinstance(value, bytes):
                value.decode()
            elif field == 3 and isinstance(value, bytes):
                delays.append(_delay(value))
    except ValueError:
        return -1
    return next((delay for delay in delays if delay >= 0), -1)


def _delay(detail: bytes) -> int:
    """What a detail asks for; -1 if it is no RetryInfo.

    :raises ValueError: if it is no ``Any``.
    """
    found = fields(detail)
    if found is None:
        raise ValueError("the detail is malformed")
    type_url, value = "", b""
    for field, _, content in found:
        if field == 1 and isinstance(content, bytes):
            type_url = content.decode()
        elif field == 2 and isinstance(content, bytes):
            value = content
    # The type of an Any is what follows its last slash, which must be there.
    if not type_url.endswith(_RETRY_INFO):
        return -1
    duration = _merged(value, 1)
    if duration is None:
        return -1
    seconds = nanos = 0
    for field, wire_type, number in duration:
        if wire_type == VARINT and isinstance(number, int):
            if field == 1:
                seconds = _signed(number)
            elif field == 2:
                nanos = (number + (1 << 31)) % (1 << 32) - (1 << 31)
    total = seconds * 1000 - -nanos // 1_000_000
    return min(max(total, 0), LONGEST_DELAY)


def _merged(data: bytes, wanted: int) -> list[tuple[int, int, int | bytes]] | None:
    """The fields of a message in a message, of all that come; None if one is malformed."""
    merged: list[tuple[int, int, int | bytes]] = []
    found = fields(data)
    for field, _, value in found or ():
        if field == wanted and isinstance(value, bytes):
            inner = fields(value)
            if inner is None:
                return None
            merged += inner
    return None if found is None else merged


def _signed(number: int) -> int:
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)
