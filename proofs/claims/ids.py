"""Claims about trace and span ids (OpenTelemetry trace API and trace.proto)."""

from verified import SpanId, TraceId
from verified.ids import _Id

from ..claim import Constant, claim
from ..grammar import Grammar
from ..verdict import Verdict

TRACE_ID = Grammar("traceparent", "trace-id")
PARENT_ID = Grammar("traceparent", "parent-id")


@claim(
    "The regular expression of a trace id is 32 lowercase hexadecimal digits and nothing else",
    discharges="SC-02",
    subject=Constant("verified.ids", "TraceId._HEX"),
    engines=("language", "smt", "fuzz"),
)
def trace_id_expression_is_the_grammar(text: str) -> bool:
    return (TraceId._HEX.fullmatch(text) is not None) == TRACE_ID.matches(text)


@claim(
    "The regular expression of a span id is 16 lowercase hexadecimal digits and nothing else",
    discharges="SC-02",
    subject=Constant("verified.ids", "SpanId._HEX"),
    engines=("language", "smt", "fuzz"),
)
def span_id_expression_is_the_grammar(text: str) -> bool:
    return (SpanId._HEX.fullmatch(text) is not None) == PARENT_ID.matches(text)


@claim(
    "A trace id is read from exactly the texts of 32 lowercase hexadecimal digits, not all zero",
    discharges=("SC-02", "SC-03"),
    subject=_Id.from_hex,
)
def trace_id_from_hex_reads_the_grammar(text: str) -> bool:
    allowed = TRACE_ID.matches(text) and text != "00000000000000000000000000000000"
    return (TraceId.from_hex(text) is not None) == allowed


@claim(
    "A span id is read from exactly the texts of 16 lowercase hexadecimal digits, not all zero",
    discharges=("SC-02", "SC-03"),
    subject=_Id.from_hex,
)
def span_id_from_hex_reads_the_grammar(text: str) -> bool:
    allowed = PARENT_ID.matches(text) and text != "0000000000000000"
    return (SpanId.from_hex(text) is not None) == allowed


@claim(
    "A trace id is read from exactly 16 bytes that are not all zero",
    discharges=("SC-02", "SC-03", "ID-04"),
    subject=_Id.from_bytes,
)
def trace_id_from_bytes_reads_sixteen(data: bytes) -> bool:
    made = TraceId.from_bytes(data)
    if len(data) != 16 or data == b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0":
        return made is None
    return made is not None and made.is_valid and made.to_bytes() == data


@claim(
    "A span id is read from exactly 8 bytes that are not all zero",
    discharges=("SC-02", "SC-03", "ID-04"),
    subject=_Id.from_bytes,
)
def span_id_from_bytes_reads_eight(data: bytes) -> bool:
    made = SpanId.from_bytes(data)
    if len(data) != 8 or data == b"\0\0\0\0\0\0\0\0":
        return made is None
    return made is not None and made.is_valid and made.to_bytes() == data


@claim(
    "Hexadecimal digits and bytes of a trace id are 32 and 16 and give the same id again",
    discharges=("SC-02", "ID-04"),
    subject=(_Id.to_hex, _Id.to_bytes, _Id.from_hex, _Id.from_bytes),
)
def trace_id_round_trip(trace_id: TraceId) -> bool:
    text, data = trace_id.to_hex(), trace_id.to_bytes()
    back = trace_id if trace_id.is_valid else None
    return (
        TRACE_ID.matches(text)
        and len(data) == 16
        and TraceId.from_hex(text) == back
        and TraceId.from_bytes(data) == back
    )


@claim(
    "Hexadecimal digits and bytes of a span id are 16 and 8 and give the same id again",
    discharges=("SC-02", "ID-04"),
    subject=(_Id.to_hex, _Id.to_bytes, _Id.from_hex, _Id.from_bytes),
)
def span_id_round_trip(span_id: SpanId) -> bool:
    text, data = span_id.to_hex(), span_id.to_bytes()
    back = span_id if span_id.is_valid else None
    return (
        PARENT_ID.matches(text)
        and len(data) == 8
        and SpanId.from_hex(text) == back
        and SpanId.from_bytes(data) == back
    )


@claim(
    "A trace id is made of exactly the numbers from 1 to 2**128 - 1; any other raises ValueError",
    discharges=("SC-03", "ID-04"),
    subject=_Id.__new__,
    required=Verdict.BOUNDED,
)
def trace_id_is_never_invalid(number: int) -> bool:
    try:
        made = TraceId(number)
    except ValueError:
        return number <= 0 or number >= 1 << 128
    return 0 < number < 1 << 128 and made == number and made.is_valid


@claim(
    "A span id is made of exactly the numbers from 1 to 2**64 - 1; any other raises ValueError",
    discharges=("SC-03", "ID-04"),
    subject=_Id.__new__,
    required=Verdict.BOUNDED,
)
def span_id_is_never_invalid(number: int) -> bool:
    try:
        made = SpanId(number)
    except ValueError:
        return number <= 0 or number >= 1 << 64
    return 0 < number < 1 << 64 and made == number and made.is_valid


@claim(
    "An id is valid if and only if it is not the one that has the name INVALID",
    discharges="SC-03",
    subject=_Id.is_valid,
)
def only_invalid_is_invalid(trace_id: TraceId, span_id: SpanId) -> bool:
    return trace_id.is_valid == (trace_id != TraceId.INVALID) and (
        span_id.is_valid == (span_id != SpanId.INVALID)
    )


@claim(
    "Whether an id is valid can be seen from its bytes alone: some byte is not zero",
    discharges="SC-03",
    subject=(_Id.is_valid, _Id.to_bytes),
)
def validity_is_of_the_bytes(trace_id: TraceId, span_id: SpanId) -> bool:
    return trace_id.is_valid == any(trace_id.to_bytes()) and (
        span_id.is_valid == any(span_id.to_bytes())
    )
