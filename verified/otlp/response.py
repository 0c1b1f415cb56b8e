"""What a receiver says in protobuf: trace_service.proto, google/rpc/status.proto.

    message ExportTraceServiceResponse { ExportTracePartialSuccess partial_success = 1; }
    message ExportTracePartialSuccess { int64 rejected_spans = 1; string error_message = 2; }
    message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
    message Any { string type_url = 1; bytes value = 2; }
    message RetryInfo { Duration retry_delay = 1; }
    message Duration { int64 seconds = 1; int32 nanos = 2; }

Fields that are not known are skipped, of a field that comes twice the last counts, and
messages that come twice are merged. Nothing here raises: what is not a message is None.
Groups, which no message of these has, are not read.
"""

from typing import Final, NamedTuple

from verified.contracts import ensure
from verified.exporter.retry import LONGEST_DELAY
from verified.otlp.protobuf import I32, I64, LEN, VARINT

_RETRY_INFO: Final = b"google.rpc.RetryInfo"


class PartialSuccess(NamedTuple):
    """How many spans a receiver refused, and what it says of that; 0 and nothing if it took all."""

    rejected_spans: int = 0
    error_message: str = ""


@ensure(lambda data, result: result is None or all(0 < field < 1 << 29 for field, _ in result))
def fields(data: bytes) -> list[tuple[int, int | bytes]] | None:
    """Return the fields of a message in order: their numbers and values.

    A value is a number of 64 bits without sign, or the bytes of a field of wire type LEN.
    Fixed numbers are numbers too. None if the data is no message.
    """
    found: list[tuple[int, int | bytes]] = []
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        field, wire_type = tag >> 3, tag & 7
        if position < 0 or not 0 < field < 1 << 29:
            return None
        if wire_type == VARINT:
            number, position = _varint(data, position)
            if position < 0:
                return None
            found.append((field, number))
            continue
        if wire_type == LEN:
            size, position = _varint(data, position)
        elif wire_type == I64:
            size = 8
        elif wire_type == I32:
            size = 4
        else:
            return None
        if position < 0 or size > len(data) - position:
            return None
        octets = data[position : position + size]
        found.append((field, octets if wire_type == LEN else int.from_bytes(octets, "little")))
        position += size
    return found


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """The number of 64 bits that begins there, and where it ends; -1 if it does not."""
    number = 0
    for shift, octet in enumerate(data[position : position + 10]):
        number |= (octet & 0x7F) << 7 * shift
        if octet < 0x80:
            return number & 0xFFFF_FFFF_FFFF_FFFF, position + shift + 1
    return 0, -1


@ensure(lambda data, result: data != b"" or result == (0, ""))
def partial_success(data: bytes) -> PartialSuccess | None:
    """Return what an ``ExportTraceServiceResponse`` says; None if it is malformed."""
    message = _merged(data, 1)
    found = None if message is None else fields(message)
    if found is None:
        return None
    rejected, text = 0, b""
    for field, value in found:
        if field == 1 and isinstance(value, int):
            rejected = _signed(value)
        elif field == 2 and isinstance(value, bytes):
            text = value
    try:
        return PartialSuccess(rejected, text.decode())
    except UnicodeDecodeError:
        return None


@ensure(lambda result: -1 <= result <= LONGEST_DELAY)
def retry_delay(data: bytes) -> int:
    """Return the milliseconds that the ``RetryInfo`` of a ``Status`` asks to wait; -1 if none does.

    A part of a millisecond counts as one, a negative delay as none. The first RetryInfo counts.
    """
    for field, detail in fields(data) or ():
        if field == 3 and isinstance(detail, bytes):
            delay = _delay(detail)
            if delay >= 0:
                return delay
    return -1


def _delay(detail: bytes) -> int:
    """What a detail asks for, if it is a RetryInfo."""
    type_url = value = b""
    for field, content in fields(detail) or ():
        if isinstance(content, bytes):
            if field == 1:
                type_url = content
            elif field == 2:
                value = content
    if type_url.rpartition(b"/")[2] != _RETRY_INFO:
        return -1
    duration = _merged(value, 1)
    found = None if duration is None else fields(duration)
    if found is None:
        return -1
    seconds = nanos = 0
    for field, number in found:
        if isinstance(number, int):
            if field == 1:
                seconds = _signed(number)
            elif field == 2:
                nanos = (number + (1 << 31)) % (1 << 32) - (1 << 31)
    total = seconds * 1000 - -nanos // 1_000_000
    return min(max(total, 0), LONGEST_DELAY)


def _merged(data: bytes, wanted: int) -> bytes | None:
    """The message of a field, all that comes of it in one; None if the data is no message."""
    found = fields(data)
    if found is None:
        return None
    return b"".join(value for field, value in found if field == wanted and isinstance(value, bytes))


def _signed(number: int) -> int:
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)
