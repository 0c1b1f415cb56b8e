"""Spans that are plain data, well made and not, for whatever reads spans.

They have the attributes of opentelemetry-sdk's ``ReadableSpan`` and know nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st


@dataclass(frozen=True)
class Member:
    """Of an enumeration."""

    value: Any


@dataclass(frozen=True)
class State:
    """A tracestate, false if it is empty."""

    header: str

    def to_header(self) -> str:
        return self.header

    def __bool__(self) -> bool:
        return self.header != ""


@dataclass(frozen=True)
class Context:
    trace_id: Any
    span_id: Any
    trace_flags: int = 0
    trace_state: State | None = None
    is_remote: bool = False


@dataclass(frozen=True)
class Entity:
    """A resource, or an instrumentation scope."""

    attributes: Mapping[Any, Any] | None
    schema_url: str | None = None
    name: str | None = None
    version: str | None = None


@dataclass(frozen=True)
class Event:
    name: Any
    timestamp: Any
    attributes: Mapping[Any, Any] | None = None
    dropped_attributes: int = 0


@dataclass(frozen=True)
class Link:
    context: Context
    attributes: Mapping[Any, Any] | None = None
    dropped_attributes: int = 0


@dataclass(frozen=True)
class Status:
    status_code: Member
    description: str | None = None


@dataclass(frozen=True)
class Span:
    name: Any
    context: Context | None
    parent: Context | None
    kind: Member
    start_time: Any
    end_time: Any
    attributes: Mapping[Any, Any] | None
    events: tuple[Event, ...]
    links: tuple[Link, ...]
    status: Status | None
    resource: Entity
    instrumentation_scope: Entity | None
    dropped_attributes: int = 0
    dropped_events: int = 0
    dropped_links: int = 0


class Odd:
    """Of no type that attributes have; all that is asked of it raises."""

    def __getattr__(self, name: str) -> Any:
        raise LookupError(name)

    def __deepcopy__(self, memo: object) -> Odd:
        return self

    def __repr__(self) -> str:
        return "Odd()"


def _within(bits: int) -> st.SearchStrategy[int]:
    most = (1 << bits) - 1
    return st.integers(0, most) | st.sampled_from([1, most])


BEYOND = st.sampled_from([-1, 1 << 64, 1 << 128])

TEXTS = st.sampled_from(
    ["", "a", "\ud800", "é\U0001f600", *("x" * n for n in (101, 127, 128, 1024))]
) | st.text(max_size=5)
NUMBERS = st.sampled_from([0, 1, -1, 127, 128, (1 << 63) - 1, -1 << 63, 1 << 63, (-1 << 63) - 1])
# Beyond what has decimal digits in Python; made anew, as a strategy is not to show it.
HUGE = st.just(20_000).map((1).__lshift__)
SCALARS = (
    st.none()
    | st.booleans()
    | TEXTS
    | NUMBERS
    | HUGE
    | st.floats()
    | st.binary(max_size=4)
    | st.builds(Odd)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple) | st.dictionaries(TEXTS, inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(["", "a", "b", "\ud800"]) | st.text(min_size=1, max_size=3)
ATTRIBUTES = st.none() | st.dictionaries(KEYS | st.sampled_from([None, 1]), VALUES, max_size=4)

CONTEXTS = st.builds(
    Context,
    _within(128) | BEYOND | st.just(0),
    _within(64) | BEYOND | st.just(0),
    st.integers(0, 255),
    st.none() | st.sampled_from(["", "a=1", "b=2,a=1"]).map(State),
    st.booleans(),
)
GOOD_CONTEXTS = st.builds(
    Context,
    _within(128).map(lambda number: number or 1),
    _within(64).map(lambda number: number or 1),
    st.integers(0, 255),
    st.none() | st.sampled_from(["", "a=1", "b=2,a=1"]).map(State),
    st.booleans(),
)
TIMES = st.none() | _within(64)
COUNTS = st.sampled_from([0] * 8 + [1, 300, (1 << 32) - 1, 1 << 32])
NAMES = st.none() | TEXTS

# Few, and each of them one object, so that spans share them, and that some differ by little.
ENTITIES = st.sampled_from(
    [
        Entity(None),
        Entity({"a": True}),
        Entity({"a": 1}),
        Entity({"a": 1, "b": True}, "https://a/1"),
        Entity({"b": True, "a": 1}, "https://a/1"),
        Entity({"a": 1}, "https://a/1"),
        Entity({"a": 1}, "", "n"),
        Entity({"a": 1}, None, "n", "1"),
    ]
)
EVENTS = st.builds(
    Event, NAMES | st.just(b"no text"), TIMES | BEYOND | st.floats(), ATTRIBUTES, COUNTS
)
LINKS = st.builds(Link, CONTEXTS, ATTRIBUTES, COUNTS)

ONE_SPAN = st.builds(
    Span,
    NAMES,
    GOOD_CONTEXTS,
    st.none() | GOOD_CONTEXTS,
    st.integers(0, 4).map(Member),
    TIMES,
    TIMES,
    ATTRIBUTES,
    st.lists(EVENTS, max_size=2).map(tuple),
    st.lists(LINKS, max_size=2).map(tuple),
    st.none() | st.builds(Status, st.integers(0, 2).map(Member), NAMES),
    ENTITIES,
    st.none() | ENTITIES,
    COUNTS,
    COUNTS,
    COUNTS,
)


def _with(span: Span, changed: tuple[str, Any]) -> Any:
    name, value = changed
    return Span(**{**vars(span), name: value})


BAD: list[tuple[str, Any]] = [
    ("context", None),
    ("context", Context(0, 1)),
    ("context", Context(1, 0)),
    ("context", Context(1 << 128, 1)),
    ("context", Context(1, -1)),
    ("parent", Context(1, 1 << 64)),
    ("name", 5),
    ("kind", Member(5)),
    ("kind", Member("SERVER")),
    ("start_time", -1),
    ("end_time", 1 << 64),
    ("start_time", 0.5),
    ("status", Status(Member(3))),
    ("resource", Odd()),
    ("resource", None),
    ("instrumentation_scope", Odd()),
    ("attributes", Odd()),
    ("events", Odd()),
    ("dropped_links", -9),
]
"""What a span cannot have: with one of these it has no encoding."""

BAD_SPANS = st.builds(_with, ONE_SPAN, st.sampled_from(BAD)) | st.builds(Odd) | st.none()

SPANS = st.lists(ONE_SPAN | ONE_SPAN | BAD_SPANS, max_size=4).map(tuple)


def is_bad(span: Any) -> bool:
    """Whether a span is one that has no encoding."""
    return (
        not isinstance(span, Span)
        or any(
            getattr(span, name) == value and type(getattr(span, name)) is type(value)
            for name, value in BAD
            if not isinstance(value, Odd)
        )
        or any(isinstance(part, Odd) for part in vars(span).values())
    )
