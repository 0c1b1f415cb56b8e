"""The traceparent header (W3C Trace Context Level 2, "Traceparent Header").

    value         = version "-" trace-id "-" parent-id "-" trace-flags
    version       = 2HEXDIGLC   ; ff is forbidden
    trace-id      = 32HEXDIGLC  ; all zeroes forbidden
    parent-id     = 16HEXDIGLC  ; all zeroes forbidden
    trace-flags   = 2HEXDIGLC
    HEXDIGLC      = DIGIT / %x61-66

That is the whole of version 00. A header of a higher version has the same four
fields and may go on after a further "-" with what this version knows nothing of.

Everything here is a function of its arguments alone, and total: no text makes it
raise.
"""

import re
from typing import Final

from verified.contracts import ensure, require
from verified.ids import SpanId, TraceId
from verified.span_context import SpanContext
from verified.trace_flags import KNOWN, TraceFlags
from verified.tracestate import EMPTY

NAME: Final = "traceparent"
"""The name of the header, in the case in which it is sent."""

LENGTH: Final = 55
"""The number of characters of a version 00 header."""

_FIELDS: Final = re.compile("[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_VERSION_00: Final = re.compile("00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

_match_version_00: Final = _VERSION_00.fullmatch
# The octet that two digits denote.
_OCTETS: Final = {f"{octet:02x}": octet for octet in range(256)}
# The flags as they are sent.
_SENT: Final = ("00", "01", "02", "03")


@ensure(
    lambda result: (
        result is None
        or (0 < result[0] < 1 << 128 and 0 < result[1] < 1 << 64 and 0 <= result[2] < 1 << 8)
    )
)
@ensure(
    lambda traceparent, result: (
        result is None
        or traceparent[2:LENGTH] == f"-{result[0]:032x}-{result[1]:016x}-{result[2]:02x}"
    )
)
def fields(traceparent: str) -> tuple[int, int, int] | None:
    """Return the trace id, parent id and trace flags of a header, as plain integers.

    None if the header is to be ignored: it is not of the form above, an id is zero,
    the version is ff, or a version 00 header goes on after its flags. All eight flag
    bits are returned as they came.
    """
    # Nearly every header is of version 00.
    match = _match_version_00(traceparent)
    if match is None:
        match = _FIELDS.match(traceparent)
        if match is None or traceparent[:2] in ("00", "ff"):
            return None
        if len(traceparent) > LENGTH and traceparent[LENGTH] != "-":
            return None
    trace_digits, parent_digits, flag_digits = match.groups()
    trace_id = int(trace_digits, 16)
    parent_id = int(parent_digits, 16)
    if not trace_id or not parent_id:
        return None
    return trace_id, parent_id, _OCTETS[flag_digits]


@ensure(lambda result: result is None or result.is_valid)
@ensure(lambda result: result is None or (result.is_remote and result.trace_state == EMPTY))
@ensure(lambda traceparent, result: (result is None) == (fields(traceparent) is None))
def parse(traceparent: str) -> SpanContext | None:
    """Return the remote span context that a header carries; None if it is to be ignored."""
    values = fields(traceparent)
    if values is None:
        return None
    # What the constructors would check is proved of the fields already.
    trace_id = int.__new__(TraceId, values[0])
    parent_id = int.__new__(SpanId, values[1])
    trace_flags = int.__new__(TraceFlags, values[2])
    return tuple.__new__(SpanContext, (trace_id, parent_id, trace_flags, EMPTY, True))


@ensure(
    lambda trace_id, parent_id, trace_flags, result: (
        fields(result) == (trace_id, parent_id, trace_flags & 3)
    )
)
@ensure(lambda result: len(result) == LENGTH and result.startswith("00-"))
@require(lambda trace_id, parent_id: 0 < trace_id < 1 << 128 and 0 < parent_id < 1 << 64)
def header(trace_id: int, parent_id: int, trace_flags: int) -> str:
    """Return the version 00 header for a trace id, parent id and trace flags, plain integers.

    The trace id is of 128 bits and the parent id of 64, neither is zero. The flags that
    Level 2 defines are sent as they are, all others as zero ("Other Flags").
    """
    trace_digits = int.to_bytes(trace_id, 16, "big").hex()
    parent_digits = int.to_bytes(parent_id, 8, "big").hex()
    return f"00-{trace_digits}-{parent_digits}-{_SENT[trace_flags & KNOWN]}"


@ensure(lambda context, result: (result is not None) == context.is_valid)
@ensure(lambda result: result is None or (len(result) == LENGTH and fields(result) is not None))
def format(context: SpanContext) -> str | None:
    """Return the version 00 header for a span context; None if the context is not valid.

    The flags are sent as by ``header``.
    """
    # What context.is_valid asks, without the three calls that it takes.
    trace_id, parent_id = context.trace_id, context.span_id
    if not trace_id or not parent_id:
        return None
    return header(trace_id, parent_id, context.trace_flags)
