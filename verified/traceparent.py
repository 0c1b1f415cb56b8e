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

from verified.contracts import ensure
from verified.ids import SpanId, TraceId
from verified.span_context import SpanContext
from verified.trace_flags import KNOWN, TraceFlags
from verified.tracestate import EMPTY

NAME: Final = "traceparent"
"""The name of the header, in the case in which it is sent."""

LENGTH: Final = 55
"""The number of characters of a version 00 header."""

_FIELDS: Final = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


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
    if _FIELDS.match(traceparent) is None:
        return None
    version = traceparent[:2]
    if version == "00":
        if len(traceparent) != LENGTH:
            return None
    elif version == "ff" or (len(traceparent) > LENGTH and traceparent[LENGTH] != "-"):
        return None
    trace_id = int(traceparent[3:35], 16)
    parent_id = int(traceparent[36:52], 16)
    if trace_id == 0 or parent_id == 0:
        return None
    return trace_id, parent_id, int(traceparent[53:55], 16)


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


@ensure(lambda context, result: (result is not None) == context.is_valid)
@ensure(lambda result: result is None or (len(result) == LENGTH and fields(result) is not None))
def format(context: SpanContext) -> str | None:
    """Return the version 00 header for a span context; None if the context is not valid.

    The flags that Level 2 defines are sent as they are in the context, all others as
    zero ("Other Flags").
    """
    if not context.is_valid:
        return None
    trace_flags = context.trace_flags & KNOWN
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{trace_flags:02x}"
