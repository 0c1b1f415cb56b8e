"""One domain for each type: where every engine takes its inputs.

A domain names the values that a claim speaks of. The fuzz engine draws from its
strategy, the exhaustive engine runs through its ``every`` where it is finite, the smt
engine starts from the symbolic value that ``proofs.lift.symbols`` makes for the same
type. The strategies aim at the edges: texts that are valid or one edit away from
valid, as ``verified.strategies`` draws them for everybody, numbers at powers of two. No
input is made by the constructors of the code that is under proof, which may be at fault.
"""

from __future__ import annotations

import inspect
import time
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, NewType

from hypothesis import strategies as st

from verified import (
    Baggage,
    IdGenerator,
    SpanContext,
    SpanId,
    TraceFlags,
    TraceId,
    TraceState,
    propagation,
)
from verified.otlp.readable_span import ReadableSpan
from verified.strategies import (
    baggage_headers,
    baggage_keys,
    baggage_members,
    baggage_metadata,
    baggage_values,
    baggages,
    carriers,
    contexts,
    forbidden_traceparents,
    header_names,
    hostile_carriers,
    hostile_values,
    invalid_span_contexts,
    near_misses,
    oversized_baggage_headers,
    oversized_tracestates,
    span_contexts,
    span_ids,
    strings,
    trace_flags,
    trace_ids,
    trace_states,
    traceparents,
    tracestate_keys,
    tracestate_members,
    tracestate_values,
    tracestates,
)

from . import spans, wire

NUMBER_BITS = 256
"""The integers of the smt engine are from -(2**256) to 2**256 - 1."""


class Draws:
    """A source of random bits that gives these numbers in order, then ones.

    Each number is cut to the number of bits that are asked for. The ones let a
    function end that draws until it likes what it gets.
    """

    def __init__(self, numbers: Sequence[int]) -> None:
        self.numbers = tuple(numbers)
        self.position = 0

    def __call__(self, bits: int) -> int:
        at = self.position
        self.position += 1
        drawn = self.numbers[at] if at < len(self.numbers) else -1
        return drawn & ((1 << bits) - 1)

    def __repr__(self) -> str:
        return f"Draws({list(self.numbers)!r})"


@dataclass(frozen=True)
class Domain:
    """The inputs of one type. ``every`` is empty where there are too many to count."""

    strategy: st.SearchStrategy[Any]
    every: tuple[Any, ...] = ()


def _finite(values: tuple[Any, ...]) -> Domain:
    """The domain of all these values, whose strategy does not name them all."""
    return Domain(st.integers(0, len(values) - 1).map(values.__getitem__), values)


PARENTS = st.one_of(traceparents().map(str), forbidden_traceparents().map(str))
"""Texts that are mostly headers of a span context."""

ID_TEXTS = trace_ids().map("{:032x}".format) | span_ids().map("{:016x}".format)

STATES = st.one_of(
    tracestates().map(str),
    near_misses(tracestates()),
    tracestates().map(" {}\t".format),
    oversized_tracestates().map(str),
)
STATE_PARTS = tracestate_keys() | tracestate_values() | tracestate_members()
BAGGAGES = st.one_of(
    baggage_headers().map(str),
    near_misses(baggage_headers()),
    oversized_baggage_headers().map(str),
)
BAGGAGE_PARTS = baggage_keys() | baggage_values() | baggage_metadata() | baggage_members()
SAME = st.sampled_from("abA")
"""Names that are drawn so often that lists and baggage have them too."""

PARTS = st.one_of(STATE_PARTS, BAGGAGE_PARTS)

# What is mapped is one branch whatever it consists of, so that texts are headers often enough.
TEXTS = st.one_of(
    traceparents().map(str),
    forbidden_traceparents().map(str),
    near_misses(PARENTS),
    ID_TEXTS.map(str) | near_misses(ID_TEXTS),
    STATES.map(str),
    BAGGAGES.map(str),
    st.one_of(PARTS, near_misses(PARTS)).map(str),
    SAME,
    strings(),
)

DECIMAL_BITS = 10_000
"""Longer integers are not written in decimal digits, of which ``str`` has a limit."""

HUGE = st.sampled_from([1 << 20_000, -(1 << 20_000)])
"""Beyond what ``str`` turns into decimal digits."""

NUMBERS = (
    st.integers()
    | HUGE
    | st.builds(
        lambda power, off, sign: sign * ((1 << power) + off),
        st.sampled_from([0, 1, 2, 7, 8, 9, 56, 63, 64, 65, 127, 128, 129, 300]),
        st.integers(-2, 2),
        st.sampled_from([1, -1]),
    )
)


TRACE_IDS = trace_ids() | st.just(TraceId.INVALID)
SPAN_IDS = span_ids() | st.just(SpanId.INVALID)

NAMES = baggage_keys() | strings()
METADATA = st.just("") | baggage_metadata() | near_misses(baggage_metadata())
MEMBER_TUPLES = st.one_of(
    st.lists(st.tuples(NAMES, baggage_values() | strings(), METADATA), max_size=4),
    baggages().map(lambda baggage: [tuple(entry) for entry in baggage.entries]),
)
"""Members that may be invalid, with names that come twice, and all that baggage can have."""

Headers = NewType("Headers", dict[Any, Any])
"""A carrier: values or lists of values by the name of a header; some are not text."""

Carrier = NewType("Carrier", object)
"""What is handed to a propagator as a carrier, whether it is one or not."""


class Unreadable(dict[Any, Any]):
    """A carrier of which whatever is asked raises."""

    def __init__(self, failure: type[Exception]) -> None:
        self.failure = failure

    def get(self, *_: Any) -> Any:
        raise self.failure

    items = keys = values = __iter__ = __getitem__ = __contains__ = get

    def __repr__(self) -> str:
        return f"Unreadable({self.failure.__name__})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Unreadable, (self.failure,)


Pairs = NewType("Pairs", list[tuple[str, str]])
"""Headers as a message has them: several of a name, in any case, of texts that can be written."""

WRITABLE = TEXTS.filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text))
PAIRS = st.lists(
    st.one_of(
        st.tuples(header_names("traceparent"), traceparents() | WRITABLE),
        st.tuples(header_names("tracestate"), tracestates() | WRITABLE),
        st.tuples(header_names("baggage"), baggage_headers() | WRITABLE),
        st.tuples(st.sampled_from(["host", "X-Traceparent"]), WRITABLE),
    ),
    max_size=5,
)

FAILURES = (RuntimeError, KeyError, TypeError, AttributeError, ValueError, RecursionError)

Order = NewType("Order", tuple[str, ...])
"""Three names in some order, which need not be different."""

ORDERS = tuple(product("abc", repeat=3))

EVERY_BOOL = (False, True)

Block = NewType("Block", int)
"""The number of a block of 4096 code points."""

Count = NewType("Count", int)
"""A number of members, from 0 to 200."""

Place = NewType("Place", tuple[int, int])
"""A number of members up to 32, and the position of one of them, or of none behind them."""

PLACES = tuple((count, position) for count in range(33) for position in range(count + 1))

Uint64 = NewType("Uint64", int)
"""A number from 0 to 2**64 - 1."""

Int64 = NewType("Int64", int)
"""A number from -(2**63) to 2**63 - 1."""

# A varint is a byte longer from each of these on.
UINT64S = st.integers(0, (1 << 64) - 1) | st.builds(
    lambda bits, off: min(max(0, (1 << bits) + off), (1 << 64) - 1),
    st.sampled_from([0, *range(7, 64, 7), 32, 64]),
    st.integers(-1, 1),
)

AttributeValue = NewType("AttributeValue", object)
"""The value of an attribute, of a type that attributes can have or of another."""

Moment = NewType("Moment", int)
"""Milliseconds since 1970-01-01, until the year 2100."""

MOMENTS = st.integers(0, 4_102_444_800_000) | st.integers(1_700_000_000_000, 1_700_000_100_000)

RetryAfter = NewType("RetryAfter", str)
"""Texts that are the value of a Retry-After header, or nearly."""

_DATE_FORMATS = "%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"

DATES = st.builds(
    lambda form, moment: time.strftime(form, time.gmtime(moment // 1000)),
    st.sampled_from(_DATE_FORMATS),
    MOMENTS,
)
RETRY_AFTERS = DATES | st.integers(0, 10**14).map(str)

BaggageText = NewType("BaggageText", str)
"""Texts that are a baggage header, or nearly, or partly."""

SOME_MEMBERS = st.lists(baggage_members() | near_misses(baggage_members()), max_size=5)
BAGGAGE_TEXTS = st.one_of(
    baggage_headers().map(str),
    SOME_MEMBERS.map(",".join),
    SOME_MEMBERS.map(" ,\t".join),
    near_misses(baggage_headers()),
    oversized_baggage_headers().map(str),
    st.builds("{}={};p".format, SAME, st.sampled_from([4095, 4096, 5000]).map("v".__mul__)),
)

Metadata = NewType("Metadata", str)
"""Texts that are properties, or nearly."""

Odd = NewType("Odd", str)
"""A character of Latin-1, or one that Python takes for white space or for an ASCII letter."""

ODD = tuple(
    map(
        chr,
        [
            *range(0x100),
            *(0x131, 0x17F, 0x1680, 0x1E9E),
            *range(0x2000, 0x200B),
            *(0x2028, 0x2029, 0x202F, 0x205F, 0x212A, 0x3000),
            *range(0xFB00, 0xFB07),
        ],
    )
)

Sizes = NewType("Sizes", tuple[int, int, int])
"""The sizes of three entries, about that of which one is long."""

SIZES = tuple(product((5, 127, 128, 129, 130), repeat=3))

Share = NewType("Share", int)
"""A number of hundredths, from 0 to 100."""

DRAWS = st.lists(st.just(0) | st.just(1 << 64) | st.integers(0, (1 << 128) - 1), max_size=4).map(
    Draws
)

Length = NewType("Length", int)
"""A number of bytes, from 0 to 40."""

NO_TEXTS: st.SearchStrategy[object] = st.one_of(
    st.sampled_from([None, True, 0, -1, 1.5, b"", b"a=1", (), ("a",), TraceFlags]),
    st.integers(),
    # Without a hash.
    st.builds(dict, a=st.just(1)) | st.lists(st.just("a"), max_size=2),
)


def _same(value: object) -> object:
    """The value: what is mapped is one branch, whatever it consists of."""
    return value


Environment = NewType("Environment", dict[str, str])
"""Variables of an exporter, valid, nearly valid or hostile."""

OtlpVariable = NewType("OtlpVariable", str)
"""The end of the name of a variable of an exporter."""

OTLP_VARIABLES = (
    *("PROTOCOL", "ENDPOINT", "HEADERS", "TIMEOUT", "COMPRESSION"),
    *("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"),
)

OTLP_VALUES = st.one_of(
    st.sampled_from(
        [
            *(
                "",
                " ",
                "grpc",
                "http/protobuf",
                "http/json",
                "gzip",
                "none",
                "true",
                "0",
                "-1",
                "1e3",
            ),
            *(
                "http://one.example",
                "https://u:p@one.example:8/a?b#c",
                "one.example:4317",
                "ftp://a",
            ),
            *("http://[::1", "http://a:99999", "a=1,B=2", "a=1;p", "a=b=c,,=d", "a=%0d%0ab: 1"),
        ]
    ),
    baggage_headers(),
    TEXTS,
)
ENVIRONMENTS = st.dictionaries(
    st.builds(
        "OTEL_EXPORTER_OTLP_{}{}".format,
        st.sampled_from(["TRACES_", ""]),
        st.sampled_from((*OTLP_VARIABLES, "INSECURE")),
    ),
    OTLP_VALUES,
    max_size=5,
)

HeaderPairs = NewType("HeaderPairs", tuple[tuple[str, str], ...])
"""Headers that an exporter may send: names of their own, in any case, and visible values."""

HEADER_PAIRS = st.lists(
    st.tuples(
        st.text("abXY09-_.!#$%&'*+^`|~", min_size=1, max_size=8).map("X{}".format),
        st.text([chr(c) for c in range(0x21, 0x7F)], max_size=8),
    ),
    unique_by=lambda pair: pair[0].lower(),
    max_size=4,
).map(tuple)

UrlPath = NewType("UrlPath", str)
HttpStatus = NewType("HttpStatus", int)
GrpcCode = NewType("GrpcCode", int)
"""The codes that gRPC has, and one more."""

Excess = NewType("Excess", int)
"""How much more something is than it may be, or less."""

SpanProcessorEvents = NewType("SpanProcessorEvents", tuple[str, ...])
"""What happens to a simple span processor, one after another."""

SPAN_PROCESSOR_EVENTS = (
    *("taken", "refused", "mute", "raises", "nests"),
    *("unsampled", "random", "without context"),
    *("flush is done", "flush is not done", "flush is mute", "flush raises"),
    *("shutdown", "shutdown raises"),
)

ResponseBytes = NewType("ResponseBytes", bytes)
"""Octets that are mostly messages of Protocol Buffers."""

FIELDS = st.one_of(
    st.tuples(st.sampled_from([8, 16, 24, 0, 0x7A]), UINT64S.map(wire.varint)),
    st.tuples(
        st.sampled_from([10, 18, 26, 0x7A]),
        st.binary(max_size=20).map(lambda octets: bytes([len(octets)]) + octets),
    ),
    st.tuples(st.sampled_from([9, 17]), st.binary(min_size=8, max_size=8)),
    st.tuples(st.sampled_from([13, 21]), st.binary(min_size=4, max_size=4)),
    st.tuples(st.integers(0, 127), st.binary(max_size=6)),
).map(lambda pair: bytes([pair[0]]) + pair[1])
MESSAGES = st.lists(FIELDS, max_size=4).map(b"".join)

CARRIERS = carriers() | hostile_carriers()

DOMAINS: dict[Any, Domain] = {
    Block: Domain(st.integers(0, 271), tuple(range(272))),
    Count: Domain(st.integers(0, 200), tuple(range(201))),
    Place: _finite(PLACES),
    RetryAfter: Domain(RETRY_AFTERS | near_misses(RETRY_AFTERS) | TEXTS),
    Moment: Domain(MOMENTS),
    BaggageText: Domain(BAGGAGE_TEXTS),
    Metadata: Domain(METADATA),
    Odd: _finite(ODD),
    Sizes: _finite(SIZES),
    Share: Domain(st.integers(0, 100), tuple(range(101))),
    Uint64: Domain(UINT64S),
    Int64: Domain(UINT64S.map(lambda number: number - (1 << 63)) | st.integers(-300, 300)),
    Draws: Domain(DRAWS),
    AttributeValue: Domain(spans.VALUES),
    Sequence[ReadableSpan]: Domain(spans.SPANS),
    Length: Domain(st.integers(0, 40), tuple(range(41))),
    float: Domain(st.floats()),
    str: Domain(TEXTS),
    bytes: Domain(
        st.binary(max_size=40)
        | st.binary(min_size=16, max_size=16)
        | st.binary(min_size=8, max_size=8)
        | st.integers(0, 20).map(bytes)
        | MESSAGES
    ),
    int: Domain(NUMBERS),
    bool: Domain(st.booleans(), EVERY_BOOL),
    types.NoneType: Domain(st.none(), (None,)),
    TraceId: Domain(TRACE_IDS),
    SpanId: Domain(SPAN_IDS),
    TraceFlags: Domain(trace_flags(), tuple(int.__new__(TraceFlags, n) for n in range(256))),
    TraceState: Domain(trace_states()),
    SpanContext: Domain(span_contexts() | invalid_span_contexts()),
    Baggage: Domain(baggages()),
    Iterable[tuple[str, str, str]]: Domain(MEMBER_TUPLES),
    Sequence[object]: Domain(
        st.lists(hostile_values(), max_size=3)
        | st.lists(PARENTS, max_size=2)
        | st.one_of(tracestates(), baggage_headers()).map(lambda text: text.split(",", 2))
    ),
    object: Domain(TEXTS.map(str) | NO_TEXTS.map(_same) | hostile_values().map(_same)),
    Any: Domain(CARRIERS),
    Headers: Domain(CARRIERS),
    Carrier: Domain(CARRIERS | hostile_values() | st.sampled_from(FAILURES).map(Unreadable)),
    type[Exception]: _finite(FAILURES),
    Order: _finite(ORDERS),
    Pairs: Domain(PAIRS),
    Environment: Domain(ENVIRONMENTS),
    Mapping[str, str]: Domain(ENVIRONMENTS),
    OtlpVariable: _finite(OTLP_VARIABLES),
    HeaderPairs: Domain(HEADER_PAIRS),
    Iterable[tuple[str, str]]: Domain(HEADER_PAIRS | st.just((("a b", "1"), ("x", "1\n2")))),
    UrlPath: _finite(("", "/", "/a", "/a/", "/a/b", "/v1/traces", "//", "/a%20b")),
    HttpStatus: _finite(tuple(range(100, 600))),
    GrpcCode: _finite(tuple(range(18))),
    Excess: _finite((-1, 0, 1, 2)),
    ResponseBytes: Domain(MESSAGES),
    SpanProcessorEvents: Domain(
        st.lists(st.sampled_from(SPAN_PROCESSOR_EVENTS), max_size=8).map(tuple)
    ),
    propagation.Context: Domain(contexts()),
    propagation.TraceContextPropagator: Domain(st.just(propagation.TraceContextPropagator())),
    propagation.BaggagePropagator: Domain(st.just(propagation.BaggagePropagator())),
    IdGenerator: Domain(DRAWS.map(IdGenerator)),
}

BUILT_IN = dict(DOMAINS)
"""The domains that are given here; others enter theirs."""


def domain(annotation: Any) -> Domain | None:
    """The domain of a type, a union of types or a ``Literal``; None if there is none."""
    if annotation in DOMAINS:
        return DOMAINS[annotation]
    if isinstance(annotation, type) and annotation.__bases__ == (tuple,):
        return _record(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return Domain(st.sampled_from(arguments), arguments)
    if origin in (types.UnionType, typing.Union):
        parts = [domain(argument) for argument in arguments]
        if all(parts):
            known = [part for part in parts if part is not None]
            finite = all(part.every for part in known)
            every = tuple(value for part in known for value in part.every) if finite else ()
            return Domain(st.one_of([part.strategy for part in known]), every)
    return None


SMALL = st.integers(-3, 8) | st.integers()


def _record(cls: Any) -> Domain | None:
    """The domain of a named tuple, if its fields have domains; its numbers are mostly small."""
    kinds = inspect.get_annotations(cls, eval_str=True).values()
    parts = [Domain(SMALL) if kind is int else domain(kind) for kind in kinds]
    if None in parts:
        return None
    strategies = [part.strategy for part in parts if part is not None]
    return Domain(st.tuples(*strategies).map(partial(tuple.__new__, cls)))


def source(value: Any) -> str:
    """The Python expression that makes an input again."""
    fields = getattr(type(value), "_fields", None)
    if fields is not None and type(value).__module__.startswith("verified.exporter."):
        module = type(value).__module__.rpartition(".")[2]
        items = ", ".join(f"{f}={source(v)}" for f, v in zip(fields, value, strict=True))
        return f"{module}.{type(value).__name__}({items})"
    if isinstance(value, IdGenerator):
        return f"IdGenerator({value._getrandbits!r})"
    return hex(value) if type(value) is int and value.bit_length() > DECIMAL_BITS else repr(value)


def source_of(value: Any) -> Draws | None:
    """The source of random bits inside of an input, if it has one."""
    source = value._getrandbits if isinstance(value, IdGenerator) else value
    return source if isinstance(source, Draws) else None


def with_draws(value: Any, numbers: Sequence[int]) -> Any:
    """The input, its source of random bits giving these numbers."""
    if source_of(value) is None:
        return value
    return Draws(numbers) if isinstance(value, Draws) else IdGenerator(Draws(numbers))


def fresh(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs once more, for another run, as if nothing had been done with them."""
    return {name: _again(value) for name, value in inputs.items()}


def _again(value: Any) -> Any:
    source = source_of(value)
    if source is not None:
        # It starts from the beginning.
        return with_draws(value, source.numbers)
    return deepcopy(value) if type(value) in (dict, list) else value


def is_built_in(annotation: Any) -> bool:
    """Whether its domain is that which this module gives it."""
    if annotation in BUILT_IN:
        return DOMAINS.get(annotation) is BUILT_IN[annotation]
    parts = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        return all(type(part) in (int, str, bool) for part in parts)
    return bool(parts) and all(map(is_built_in, parts))
