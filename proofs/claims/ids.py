"""Claims about trace and span ids (OpenTelemetry trace API and trace.proto)."""

import warnings
from functools import partial
from typing import Any, Literal

from verified import SpanContext, SpanId, TraceFlags, TraceId, TraceState
from verified.ids import _Id

from ..claim import Constant, Fault, claim
from ..contracts import fresh_import
from ..domains import Length
from ..frozen import fails
from ..grammar import Grammar
from ..observed import evaluated
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


@claim(
    "An id is not made of what is not an integer",
    discharges="SC-01",
    subject=_Id.__new__,
    required=Verdict.TESTED,
    engines=("fuzz",),
    fault=Fault("verified.ids", "number = index(value)", "number = int(value)"),
)
def ids_are_made_of_integers(value: float | str | bytes | None) -> bool:
    imported: Any = fresh_import(contracts=False)["verified"]
    for cls in (imported.TraceId, imported.SpanId):
        try:
            cls(value)
        except TypeError:
            continue
        except ValueError:
            return False
        return False
    return True


@claim(
    "An id has the bytes of its number in either order at any length that it fits, with a bit for "
    "a sign if that is asked for, and raises OverflowError at any other",
    discharges="SC-02",
    subject=_Id.to_bytes,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def bytes_have_the_length_that_is_asked_for(
    trace_id: TraceId, length: Length, order: Literal["little", "big"], signed: bool
) -> bool:
    bits = 8 * length - 1 if signed and length else 8 * length
    try:
        data = trace_id.to_bytes(length, order, signed=signed)
    except OverflowError:
        return trace_id >= 1 << bits
    return len(data) == length and trace_id < 1 << bits and int.from_bytes(data, order) == trace_id


@claim(
    "Ids are found in sets and dictionaries as their numbers are: equal ids have equal hashes",
    discharges="SC-01",
    subject=_Id.__new__,
    required=Verdict.TESTED,
    engines=("fuzz",),
    fault=Fault(
        "verified.ids",
        "    def __reduce__",
        "    def __hash__(self) -> int:\n        return id(self)\n\n    def __reduce__",
    ),
)
def equal_ids_have_equal_hashes(trace_id: TraceId, span_id: SpanId) -> bool:
    imported: Any = fresh_import(contracts=False)["verified"]
    return all(
        hash(int.__new__(cls, number)) == hash(int(number))
        for cls, number in ((imported.TraceId, trace_id), (imported.SpanId, span_id))
    )


@claim(
    "No attribute can be put on an id",
    discharges="SC-01",
    subject=_Id.__new__,
    required=Verdict.TESTED,
    engines=("fuzz",),
    fault=Fault(
        "verified.ids",
        "class TraceId(_Id):\n"
        '    """The id of a trace: 16 bytes, not all of them zero."""\n\n'
        "    __slots__ = ()\n",
        "class TraceId(_Id):\n",
    ),
)
def ids_have_no_attributes(trace_id: TraceId, span_id: SpanId) -> bool:
    imported: Any = fresh_import(contracts=False)["verified"]
    for cls, number in ((imported.TraceId, trace_id), (imported.SpanId, span_id)):
        if not fails(partial(setattr, int.__new__(cls, number), "other", 1)):
            return False
    return True


@claim(
    "What an id, flags or a context is shown as is the Python expression that makes it again",
    subject=_Id.__repr__,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def shown_as_what_makes_it(context: SpanContext) -> bool:
    names = {cls.__name__: cls for cls in (SpanContext, TraceId, SpanId, TraceFlags, TraceState)}
    try:
        with warnings.catch_warnings(action="error", category=SyntaxWarning):
            made = evaluated(repr(context), names)
    except (NameError, SyntaxError, ValueError, TypeError):
        return False
    return bool(made == context)
