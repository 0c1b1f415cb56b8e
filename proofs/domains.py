"""One domain for each type: where every engine takes its inputs.

A domain names the values that a claim speaks of. The fuzz engine draws from its
strategy, the exhaustive engine runs through its ``every`` where it is finite, the smt
engine starts from the symbolic value that ``proofs.lift.symbols`` makes for the same
type. The strategies aim at the edges: texts that are valid or one edit away from
valid, numbers at powers of two. No input is made by the constructors of the code that is
under proof, which may be at fault.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from itertools import permutations
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
    baggage,
    propagation,
    tracestate,
)
from verified.otlp.readable_span import ReadableSpan

from . import spans

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


ODD_CHARACTERS = (
    "0aAfFgG_-+xX \t\n\r\x00\x7f\x85\xa0\u0660\u0969\uff10\uff41\u212a\u017f\ud800\U0010ffff"
)
"""Characters that some builtin takes for a digit, a letter or a space, and some that none does."""


def _hexadecimal(digits: int) -> st.SearchStrategy[str]:
    numbers = st.integers(0, 16**digits - 1) | st.sampled_from(
        [0, 1, 16 ** (digits - 1), 16**digits - 1]
    )
    return numbers.map(lambda n: f"{n:0{digits}x}")


VERSIONS = st.sampled_from(["00"] * 4 + ["01", "0a", "10", "cc", "fe", "f0", "ff", "0f"])

ENDINGS = st.sampled_from([""] * 6 + ["-", "-00", "-what-comes-next", "-\n", "\n", " ", "x", "0"])

HEADERS = st.builds(
    lambda version, trace, parent, flags, end: f"{version}-{trace}-{parent}-{flags}{end}",
    VERSIONS,
    _hexadecimal(32),
    _hexadecimal(16),
    _hexadecimal(2),
    ENDINGS,
)


SPACES = st.text(" \t\n\r\x1c\x85\xa0\u2003", min_size=1, max_size=4)


@st.composite
def near_misses(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> str:
    """A text with an edit or two.

    A character is put in, taken out or changed, letters change their case, spaces are
    put before or behind, or the text is cut.
    """
    text = draw(texts)
    for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
        at = draw(st.integers(0, len(text)))
        match draw(st.sampled_from(["in", "out", "change", "upper", "one upper", "pad", "cut"])):
            case "in":
                text = text[:at] + draw(st.sampled_from(ODD_CHARACTERS)) + text[at:]
            case "out":
                text = text[:at] + text[at + 1 :]
            case "change":
                text = text[:at] + draw(st.sampled_from(ODD_CHARACTERS)) + text[at + 1 :]
            case "upper":
                text = text.upper()
            case "one upper":
                text = text[:at] + text[at : at + 1].upper() + text[at + 1 :]
            case "pad":
                spaces = draw(SPACES)
                text = spaces + text if draw(st.booleans()) else text + spaces
            case "cut":
                text = text[:at]
    return text


ID_TEXTS = _hexadecimal(32) | _hexadecimal(16)

SAME = st.sampled_from(["a", "b"])
"""Names that are drawn often enough to be met again."""

KEYS = SAME | st.text("abcz019_-*/@", max_size=8).map("k".__add__)
STATE_VALUES = st.text("abcXYZ019 !~", max_size=8).map("{}v".format)
LONG_VALUES = st.integers(100, 256).map("v".__mul__)
STATE_MEMBERS = st.builds("{}={}".format, KEYS, STATE_VALUES | LONG_VALUES)
WHITE = st.sampled_from(["", "", "", " ", "\t", " \t"])

LISTS = st.lists(
    st.tuples(WHITE, STATE_MEMBERS | st.just(""), WHITE).map("".join), max_size=34
).map(",".join)
"""Texts that are mostly the list of a tracestate header."""

TOKENS = SAME | st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=6)
OCTETS = st.text("abc019!#%&=+-._~/:\\", max_size=8) | st.sampled_from(
    ["%41", "%e2%82%ac", "%ff", "%", "%4", "a=b", "%C3%28"]
)
PROPERTIES = st.builds(
    "{}{}{}".format, TOKENS, WHITE, st.just("") | st.builds("={}{}".format, WHITE, OCTETS)
)
METADATA = st.just("") | st.lists(PROPERTIES, max_size=3).map(";".join)
BAGGAGE_MEMBERS = st.builds(
    "{}{}={}{}{}".format,
    TOKENS,
    WHITE,
    WHITE,
    OCTETS,
    st.just("") | st.builds("{};{}".format, WHITE, METADATA),
)
BAGGAGE_HEADERS = st.lists(BAGGAGE_MEMBERS, max_size=5).map(",".join) | st.integers(60, 200).map(
    lambda count: ",".join(f"k{n}={n}" for n in range(count))
)

STATES = LISTS | KEYS | STATE_VALUES | LONG_VALUES
BAGGAGES = BAGGAGE_HEADERS | OCTETS | METADATA | TOKENS

TEXTS = (
    HEADERS
    | near_misses(HEADERS)
    | ID_TEXTS
    | near_misses(ID_TEXTS)
    # As few branches, so that there are as many headers as before.
    | (STATES | near_misses(STATES) | BAGGAGES | near_misses(BAGGAGES) | SAME).map(str)
    | st.text(st.characters() | st.sampled_from(ODD_CHARACTERS))
)

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


def _is_metadata(text: str) -> bool:
    return text == "" or bool(baggage.properties(text))


def _ids(cls: type[TraceId] | type[SpanId]) -> st.SearchStrategy[Any]:
    most = (1 << (128 if cls is TraceId else 64)) - 1
    edges = st.sampled_from([0, 1, 255, 256, most >> 1, (most >> 1) + 1, most])
    return (st.integers(0, most) | edges).map(partial(int.__new__, cls))


TRACE_STATES = LISTS.map(tracestate.header).map(lambda text: TraceState(text or ""))

NAMES = TOKENS | st.text(max_size=4)
ENTRIES = st.builds(baggage.Entry, NAMES.filter(bool), st.text(max_size=6) | OCTETS, METADATA)
BAGGAGE = st.lists(ENTRIES, max_size=4, unique_by=lambda entry: entry.name).map(
    lambda entries: Baggage(tuple(e for e in entries if _is_metadata(e.metadata)))
)
MEMBER_TUPLES = st.lists(
    st.tuples(NAMES, st.text(max_size=6) | OCTETS, METADATA), max_size=5
) | st.integers(100, 200).map(lambda count: [(f"k{n}", str(n) * 20, "") for n in range(count)])

FLAGS = st.integers(0, 255).map(partial(int.__new__, TraceFlags))
HEADER_NAMES = st.sampled_from(
    ["traceparent", "tracestate", "baggage", "TraceParent", "TRACESTATE", "Baggage", "other"]
)
HEADER_VALUES = HEADERS | LISTS | BAGGAGE_HEADERS | TEXTS | st.none() | st.integers()
CARRIERS = st.dictionaries(
    HEADER_NAMES | st.none() | st.integers(),
    HEADER_VALUES | st.lists(HEADER_VALUES, max_size=3),
    max_size=4,
) | st.fixed_dictionaries(
    {"traceparent": HEADERS}, optional={"tracestate": LISTS, "baggage": BAGGAGE_HEADERS}
)

Headers = NewType("Headers", dict[Any, Any])
"""A carrier: values or lists of values by the name of a header; some are not text."""

Carrier = NewType("Carrier", object)
"""What is handed to a propagator as a carrier, whether it is one or not."""

Order = NewType("Order", tuple[str, ...])
"""Three names in some order."""

ORDERS = tuple(permutations("abc"))

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

Share = NewType("Share", int)
"""A number of hundredths, from 0 to 100."""

DRAWS = st.lists(st.just(0) | st.just(1 << 64) | st.integers(0, (1 << 128) - 1), max_size=4).map(
    Draws
)

Length = NewType("Length", int)
"""A number of bytes, from 0 to 40."""

SPAN_CONTEXTS = st.tuples(_ids(TraceId), _ids(SpanId), FLAGS, TRACE_STATES, st.booleans()).map(
    partial(tuple.__new__, SpanContext)
)

CONTEXTS = st.tuples(st.none() | SPAN_CONTEXTS, BAGGAGE).map(
    partial(tuple.__new__, propagation.Context)
)

DOMAINS: dict[Any, Domain] = {
    Block: Domain(st.integers(0, 271), tuple(range(272))),
    Count: Domain(st.integers(0, 200), tuple(range(201))),
    Place: Domain(st.sampled_from(PLACES), PLACES),
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
    ),
    int: Domain(NUMBERS),
    bool: Domain(st.booleans(), EVERY_BOOL),
    types.NoneType: Domain(st.none(), (None,)),
    TraceId: Domain(_ids(TraceId)),
    SpanId: Domain(_ids(SpanId)),
    TraceFlags: Domain(FLAGS, tuple(int.__new__(TraceFlags, n) for n in range(256))),
    TraceState: Domain(TRACE_STATES),
    SpanContext: Domain(SPAN_CONTEXTS),
    Baggage: Domain(BAGGAGE),
    Iterable[tuple[str, str, str]]: Domain(MEMBER_TUPLES),
    Sequence[object]: Domain(
        st.lists(TEXTS | st.none() | st.binary(max_size=3), max_size=3)
        | st.lists(HEADERS, max_size=2)
    ),
    object: Domain(TEXTS | st.none() | st.integers()),
    Any: Domain(CARRIERS),
    Headers: Domain(CARRIERS),
    Carrier: Domain(CARRIERS | st.none() | st.integers() | st.text() | st.binary()),
    Order: Domain(st.sampled_from(ORDERS), ORDERS),
    propagation.Context: Domain(CONTEXTS),
    propagation.TraceContextPropagator: Domain(st.just(propagation.TraceContextPropagator())),
    propagation.BaggagePropagator: Domain(st.just(propagation.BaggagePropagator())),
    IdGenerator: Domain(DRAWS.map(IdGenerator)),
}


def domain(annotation: Any) -> Domain | None:
    """The domain of a type, a union of types or a ``Literal``; None if there is none."""
    if annotation in DOMAINS:
        return DOMAINS[annotation]
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


def source(value: Any) -> str:
    """The Python expression that makes an input again."""
    if isinstance(value, IdGenerator):
        return f"IdGenerator({value._getrandbits!r})"
    # Python refuses to write so many decimal digits.
    return hex(value) if type(value) is int and value.bit_length() > 4096 else repr(value)


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
    return deepcopy(value) if isinstance(value, dict | list) else value
