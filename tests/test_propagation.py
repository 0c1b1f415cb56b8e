"""Carriers, getters and setters, and the propagators over them."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verified import Baggage, SpanContext, SpanId, TraceFlags, TraceId, TraceState, baggage
from verified.propagation import (
    EMPTY,
    GETTER,
    SETTER,
    BaggagePropagator,
    CompositePropagator,
    Context,
    MappingGetter,
    TraceContextPropagator,
    combined,
)
from verified.strategies import carriers, hostile_carriers, hostile_values

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"

trace_context = TraceContextPropagator()
propagator = CompositePropagator(trace_context, BaggagePropagator())


def extracted(carrier: object) -> SpanContext | None:
    return trace_context.extract(carrier).span_context


def sent(carrier: object) -> dict[str, str]:
    """The headers that go out where these came in."""
    headers: dict[str, str] = {}
    propagator.inject(headers, propagator.extract(carrier))
    return headers


@pytest.mark.parametrize("name", ["traceparent", "TraceParent", "TRACEPARENT", "tRaCePaReNt"])
def test_names_are_the_same_whatever_their_case(name: str) -> None:
    state = name[:5] + "STATE"
    assert sent({name: PARENT, state: "a=1"}) == {"traceparent": PARENT, "tracestate": "a=1"}


@pytest.mark.parametrize(
    "name", ["trace-parent", "trace.parent", "traceparent ", "traceparenT\u0307"]
)
def test_other_names_are_others(name: str) -> None:
    assert extracted({name: PARENT}) is None


@pytest.mark.parametrize(
    "carrier",
    [
        {"traceparent": [PARENT, PARENT]},
        {"traceparent": [PARENT, f"00-{TRACE}-{SPAN}-00"]},
        {"traceparent": PARENT, "TraceParent": PARENT},
        {"traceparent": f"{PARENT},{PARENT}"},
        {"traceparent": [PARENT, ""]},
        {"traceparent": [PARENT, None]},
    ],
)
def test_two_parents_are_none(carrier: object) -> None:
    assert extracted(carrier) is None


@pytest.mark.parametrize(
    ("header", "flags"),
    [
        (PARENT, "01"),
        (f" \t{PARENT}\t ", "01"),
        (f"00-{TRACE}-{SPAN}-ff", "03"),
        (f"00-{TRACE}-{SPAN}-0a", "02"),
        (f"00-{TRACE}-{SPAN}-00", "00"),
        (f"cc-{TRACE}-{SPAN}-01", "01"),
        (f"cc-{TRACE}-{SPAN}-01-", "01"),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", "01"),
    ],
)
def test_a_parent_is_sent_on(header: str, flags: str) -> None:
    assert sent({"traceparent": header}) == {"traceparent": f"00-{TRACE}-{SPAN}-{flags}"}


@pytest.mark.parametrize(
    "header",
    [
        "",
        PARENT + "-",
        PARENT + ".",
        PARENT + "\n",
        PARENT + "\u00a0",
        PARENT.upper(),
        f"ff-{TRACE}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-0",
        f"cc-{TRACE.upper()}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01.what",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        "00-" + "\u0660" * 32 + f"-{SPAN}-01",
        "\ud800" * 55,
        "0" * 1_000_000,
    ],
)
def test_a_bad_parent_takes_the_trace_state_with_it(header: str) -> None:
    assert sent({"traceparent": header, "tracestate": "a=1"}) == {}


def test_a_trace_state_alone_is_discarded() -> None:
    assert sent({"tracestate": "a=1"}) == {}


@pytest.mark.parametrize(
    ("values", "header"),
    [
        ("a=1,,b=2", "a=1,,b=2"),
        (["a=1", "b=2 , c=3"], "a=1,b=2 , c=3"),
        (["", "a=1", " \t", "b=2"], "a=1,b=2"),
        ([",".join(f"k{n}=1" for n in range(32)), ""], ",".join(f"k{n}=1" for n in range(32))),
        (("a=1", "a=2"), "a=1,a=2"),
        ("a=" + "v" * 256, "a=" + "v" * 256),
        ("a=" + "v" * 257, None),
        ("", None),
        (",", None),
        ([], None),
        (["a=1", "b"], None),
        (["a=1", b"b=2"], None),
        (["a=1", None], None),
        (b"a=1", None),
        (5, None),
        (None, None),
        ("a=\ud800", None),
        ("a=1\r\nx: y", None),
        ("a=1," * 300_000, None),
    ],
)
def test_a_trace_state_never_disturbs_its_parent(values: object, header: str | None) -> None:
    headers = {"traceparent": PARENT} | ({} if header is None else {"tracestate": header})
    assert sent({"traceparent": PARENT, "tracestate": values}) == headers


class Raises(Mapping[str, str]):
    """A carrier that cannot be read."""

    def __getitem__(self, key: str) -> str:
        raise RuntimeError

    def __iter__(self) -> Any:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError


class RaisesForTraceState(MappingGetter):
    """A getter that finds a parent and fails after that."""

    def get_all(self, carrier: Any, key: str) -> list[Any]:
        if key == "traceparent":
            return [PARENT]
        raise RuntimeError


@given(carriers() | hostile_carriers() | hostile_values())
def test_extract_never_raises(carrier: Any) -> None:
    headers = sent(carrier)
    # What is sent is all that there is, and is read again.
    assert sent(headers) == headers


@pytest.mark.parametrize("carrier", [Raises(), None, 5, object(), [], "traceparent", {1: 2}])
def test_where_there_is_nothing_the_context_is_the_same(carrier: object) -> None:
    context = Context(None, Baggage().set("a", "1"))
    assert propagator.extract(carrier, context) is context


def test_a_getter_that_fails_for_the_trace_state() -> None:
    context = trace_context.extract(None, getter=RaisesForTraceState())
    assert context.span_context is not None
    assert not context.span_context.trace_state


def test_what_is_extracted() -> None:
    context = propagator.extract({"traceparent": PARENT, "tracestate": "a=1", "baggage": "b=2;p"})
    assert context == Context(
        SpanContext(
            TraceId(int(TRACE, 16)), SpanId(int(SPAN, 16)), TraceFlags(1), TraceState("a=1"), True
        ),
        Baggage().set("b", "2", "p"),
    )


def test_an_invalid_span_is_not_sent() -> None:
    for span in (
        SpanContext(TraceId.INVALID, SpanId(1), trace_state=TraceState("a=1")),
        SpanContext(TraceId(1), SpanId.INVALID),
        None,
    ):
        headers: dict[str, str] = {}
        propagator.inject(headers, Context(span))
        assert headers == {}


def test_the_random_flag_stays_as_it_is() -> None:
    for flags in ("00", "01", "02", "03"):
        parent = extracted({"traceparent": f"00-{TRACE}-{SPAN}-{flags}"})
        assert parent is not None
        headers: dict[str, str] = {}
        propagator.inject(headers, Context(parent.child(SpanId(7), sampled=True)))
        assert int(headers["traceparent"][-2:], 16) & 2 == int(flags, 16) & 2


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ("a=1", {"a": "1"}),
        (["a=1", "b=2,c=3"], {"a": "1", "b": "2", "c": "3"}),
        (["a=1", "", "a=2"], {"a": "2"}),
        (["a=1", None], {}),
        (b"a=1", {}),
        ([], {}),
    ],
)
def test_baggage(values: object, found: dict[str, str]) -> None:
    context = propagator.extract({"baggage": values})
    assert {entry.name: entry.value for entry in context.baggage.entries} == found


def test_baggage_is_set_in_the_baggage_that_is_there() -> None:
    context = Context(None, Baggage().set("a", "1").set("b", "2"))
    assert propagator.extract({"baggage": "b=3,c=4"}, context).baggage.entries == (
        ("a", "1", ""),
        ("b", "3", ""),
        ("c", "4", ""),
    )


def test_baggage_that_cannot_be_sent_is_not_set() -> None:
    headers: dict[str, str] = {}
    propagator.inject(headers, Context(None, Baggage().set("no token", "v")))
    assert headers == {}


@given(st.lists(st.none() | st.text(" \ta=1,", max_size=5), max_size=4))
def test_combined(values: list[str | None]) -> None:
    texts = [value for value in values if value is not None]
    expected = ",".join(text for text in texts if text.strip(" \t"))
    assert combined(values) == (expected if len(texts) == len(values) else None)


def test_getter() -> None:
    carrier = {"A": "1", "b": ["2", "3"], "a": ("4",), 5: "6"}
    assert GETTER.get(carrier, "a") == "1"
    assert GETTER.get_all(carrier, "a") == ["1", "4"]
    assert GETTER.get_all(carrier, "B") == ["2", "3"]
    assert GETTER.get_all(carrier, "c") == []
    assert GETTER.get(carrier, "c") is None
    assert GETTER.keys(carrier) == ["A", "b", "a", 5]


def test_setter_leaves_no_other_value_and_keeps_the_case() -> None:
    carrier = {"TraceParent": "old", "other": "1", "TRACEPARENT": "older"}
    SETTER.set(carrier, "traceparent", "new")
    assert carrier == {"traceparent": "new", "other": "1"}
    SETTER.set(carrier, "Content-Type", "x")
    assert carrier["Content-Type"] == "x"


def test_what_a_setter_raises_is_raised() -> None:
    with pytest.raises(TypeError):
        propagator.inject((), propagator.extract({"traceparent": PARENT}))


def test_fields() -> None:
    assert propagator.fields == ("traceparent", "tracestate", "baggage")


def test_composite_runs_in_order() -> None:
    calls: list[object] = []

    class Records:
        def __init__(self, name: str) -> None:
            self.fields = (name, "shared")

        def extract(self, carrier: Any, context: Context = EMPTY, getter: Any = GETTER) -> Context:
            calls.append(("extract", self.fields[0], context.baggage.get("seen")))
            return context._replace(baggage=context.baggage.set("seen", self.fields[0]))

        def inject(self, carrier: Any, context: Context, setter: Any = SETTER) -> None:
            calls.append(("inject", self.fields[0]))

    composite = CompositePropagator(Records("one"), Records("two"))
    context = composite.extract({})
    composite.inject({}, context)
    assert calls == [
        ("extract", "one", None),
        ("extract", "two", "one"),
        ("inject", "one"),
        ("inject", "two"),
    ]
    assert composite.fields == ("one", "shared", "two")
    assert context.baggage == baggage.EMPTY.set("seen", "two")
