"""Claims about the traceparent header (W3C Trace Context Level 2)."""

from verified import SpanContext, SpanId, TraceFlags, traceparent

from ..claim import Constant, claim
from ..grammar import Grammar

VALUE = Grammar("traceparent", "value")
VERSION_00 = Grammar("traceparent", "version-00")
HIGHER_VERSION = Grammar("traceparent", "higher-version")
VERSION = Grammar("traceparent", "version")

FIELDS = Constant("verified.traceparent", "_FIELDS")
EXACT = Constant("verified.traceparent", "_VERSION_00")


@claim(
    "The regular expression of the header is the grammar of the standard, for text of any length",
    discharges=("TP-01",),
    subject=FIELDS,
    engines=("language", "smt", "fuzz"),
)
def expression_is_the_grammar(text: str) -> bool:
    return (traceparent._FIELDS.fullmatch(text) is not None) == VALUE.matches(text)


@claim(
    "The regular expression of version 00 is the grammar of that version, for text of any length",
    discharges=("TP-01", "TP-05"),
    subject=EXACT,
    engines=("language", "smt", "fuzz"),
)
def version_00_expression_is_the_grammar(text: str) -> bool:
    return (traceparent._VERSION_00.fullmatch(text) is not None) == VERSION_00.matches(text)


@claim(
    "A header is parsed if and only if the standard allows it: version 00 and nothing behind "
    "it, or a higher version other than ff that ends or goes on with a dash; no id is zero",
    discharges=("TP-01", "TP-02", "TP-03", "TP-04", "TP-05", "TP-07", "TP-08", "TP-09", "TP-10"),
    subject=(traceparent.fields, traceparent.parse),
)
def accepts_what_the_standard_allows(header: str) -> bool:
    allowed = (
        (VERSION_00.matches(header) or (HIGHER_VERSION.matches(header) and header[:2] != "00"))
        and header[:2] != "ff"
        and header[3:35] != "00000000000000000000000000000000"
        and header[36:52] != "0000000000000000"
    )
    return (traceparent.parse(header) is not None) == allowed


@claim(
    "A parsed header gives the trace id, parent id and flags that its digits denote",
    discharges=("TP-01", "TP-09", "TP-17"),
    subject=(traceparent.fields, traceparent.parse),
)
def fields_are_what_the_digits_denote(header: str) -> bool:
    context = traceparent.parse(header)
    if context is None:
        return True
    return (
        context.trace_id.to_hex() == header[3:35]
        and context.span_id.to_hex() == header[36:52]
        and f"{context.trace_flags:02x}" == header[53:55]
    )


@claim(
    "What follows the flags of a higher version changes nothing of what is parsed",
    discharges="TP-11",
    subject=traceparent.fields,
)
def unknown_fields_are_not_read(header: str) -> bool:
    if header[:2] == "00" or len(header) <= 55 or header[55] != "-":
        return True
    return traceparent.fields(header) == traceparent.fields(header[:55])


@claim(
    "A version that is not two lowercase hexadecimal digits and a dash is ignored",
    discharges="TP-07",
    subject=FIELDS,
)
def version_must_be_read(header: str) -> bool:
    readable = VERSION.matches(header[:2]) and header[2:3] == "-"
    return readable or traceparent.fields(header) is None


@claim(
    "A valid context that is formatted and parsed again is the same, as far as a header can say: "
    "ids and known flags are kept, the context is remote",
    discharges=("TP-12", "TP-14", "SC-04"),
    subject=(traceparent.format, traceparent.header, traceparent.fields, traceparent.parse),
)
def round_trip(context: SpanContext) -> bool:
    header = traceparent.format(context)
    if header is None:
        return not context.is_valid
    flags = TraceFlags(context.trace_flags % 4)
    return traceparent.parse(header) == SpanContext(
        context.trace_id, context.span_id, flags, is_remote=True
    )


@claim(
    "A header of version 00 without unknown flags that is parsed and formatted again is the same",
    discharges=("TP-12", "TP-14"),
    subject=(traceparent.format, traceparent.header, traceparent.parse),
)
def known_headers_pass_unchanged(header: str) -> bool:
    context = traceparent.parse(header)
    if context is None or header[:2] != "00" or context.trace_flags > 3:
        return True
    return traceparent.format(context) == header


@claim(
    "Every header that is sent is of version 00 and of its grammar; for an invalid context none is",
    discharges=("TP-01", "TP-05", "TP-12"),
    subject=(traceparent.format, traceparent.header),
)
def sent_headers_are_well_formed(context: SpanContext) -> bool:
    header = traceparent.format(context)
    if header is None:
        return not context.is_valid
    return context.is_valid and VERSION_00.matches(header)


@claim(
    "Sent flags have the sampled and random bits of the context, all other bits zero",
    discharges=("TP-13", "TP-14", "TP-17"),
    subject=(traceparent.format, traceparent.header),
)
def unknown_flags_are_sent_as_zero(context: SpanContext) -> bool:
    header = traceparent.format(context)
    if header is None:
        return True
    sent = int(header[53:55], 16)
    return (
        sent < 4
        and (sent % 2 == 1) == context.trace_flags.sampled
        and (sent >= 2) == context.trace_flags.random
    )


@claim(
    "A continued trace sends the random flag as it came, set or unset",
    discharges="TP-14",
    subject=(traceparent.format, traceparent.header, SpanContext.child),
)
def random_flag_is_passed_on(header: str, span_id: SpanId, sampled: bool | None) -> bool:
    parent = traceparent.parse(header)
    if parent is None or not span_id.is_valid:
        return True
    header_sent = traceparent.format(parent.child(span_id, sampled))
    if header_sent is None:
        return False
    sent = traceparent.parse(header_sent)
    return sent is not None and sent.trace_flags.random == parent.trace_flags.random


@claim(
    "A header that is received and sent on for a new span keeps the trace id and has the "
    "new span's id as parent id, in version 00 whatever version came",
    discharges=("TP-12", "TP-22"),
    subject=(traceparent.format, traceparent.header, SpanContext.child),
)
def continued_trace_keeps_its_id(header: str, span_id: SpanId, sampled: bool | None) -> bool:
    parent = traceparent.parse(header)
    if parent is None or not span_id.is_valid:
        return True
    sent = traceparent.format(parent.child(span_id, sampled))
    return (
        sent is not None
        and sent[:3] == "00-"
        and sent[3:35] == header[3:35]
        and sent[36:52] == span_id.to_hex()
    )


@claim(
    "The name of the header is sent in lowercase",
    discharges="TP-06",
    subject=Constant("verified.traceparent", "NAME"),
)
def name_is_lowercase() -> bool:
    return traceparent.NAME == "traceparent"
