"""The propagators and the id generator inside of OpenTelemetry."""

import copy
import json
import os
import pickle
import subprocess
import sys
from email.message import Message
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, context, trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import DefaultGetter, Setter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from verified.otel import (
    BaggageValue,
    HeadersGetter,
    VerifiedBaggagePropagator,
    VerifiedTraceContextPropagator,
)
from verified.otel.id_generator import VerifiedIdGenerator
from verified.otel.trace_context import LazyTraceState
from verified.strategies import carriers, hostile_carriers, hostile_values

from .test_propagation import PARENT, SPAN, TRACE, Raises

traces = VerifiedTraceContextPropagator()
theirs = TraceContextTextMapPropagator()
bags = VerifiedBaggagePropagator()


class AnyGetter(DefaultGetter):
    """A getter that is not the default one, and finds the same."""


def extracted(carrier: Any) -> trace.SpanContext:
    return trace.get_current_span(traces.extract(carrier)).get_span_context()


def sent(context: Context) -> dict[str, str]:
    headers: dict[str, str] = {}
    traces.inject(headers, context)
    bags.inject(headers, context)
    return headers


def with_span(span_context: trace.SpanContext) -> Context:
    return trace.set_span_in_context(trace.NonRecordingSpan(span_context), Context())


@pytest.mark.parametrize("state", [None, "", ",", "a", "a=1", "b=2,a=1", "a=1 , b=2"])
@pytest.mark.parametrize("flags", ["00", "01", "02", "03"])
def test_what_is_stored_is_what_opentelemetry_stores(state: str | None, flags: str) -> None:
    carrier = {"traceparent": f"00-{TRACE}-{SPAN}-{flags}"}
    if state is not None:
        carrier["tracestate"] = state
    ours, other = traces.extract(carrier), theirs.extract(carrier)
    assert type(ours) is type(other)
    assert ours.keys() == other.keys()
    (span,), (their_span,) = ours.values(), other.values()
    assert type(span) is type(their_span)
    assert isinstance(span, trace.NonRecordingSpan)
    assert isinstance(their_span, trace.NonRecordingSpan)
    one, two = span.get_span_context(), their_span.get_span_context()
    assert type(one) is type(two)
    assert one == two
    assert repr(one) == repr(two)
    assert [type(field) for field in tuple(one)[:4]] == [type(field) for field in tuple(two)[:4]]
    assert one.is_valid is two.is_valid is one.is_remote is True
    assert isinstance(one.trace_state, trace.TraceState)
    assert copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one


def test_a_context_that_is_given_is_kept() -> None:
    given_context = Context({"key": "value"})
    found = traces.extract({"traceparent": PARENT}, given_context)
    assert found["key"] == "value"
    assert given_context == {"key": "value"}
    assert traces.extract({}, given_context) is given_context
    assert traces.extract({}) == Context()
    assert bags.extract({}, given_context) is given_context


def test_without_a_context_baggage_is_set_in_the_current_one() -> None:
    token = context.attach(baggage.set_baggage("a", "1", Context({"key": "value"})))
    try:
        found = bags.extract({"baggage": "b=2"})
        assert baggage.get_all(found) == {"a": "1", "b": "2"}
        assert found["key"] == "value"
        assert sent(context.get_current()) == {"baggage": "a=1"}
        headers: dict[str, str] = {}
        bags.inject(headers)
        assert headers == {"baggage": "a=1"}
    finally:
        context.detach(token)


@given(carriers() | hostile_carriers() | hostile_values())
def test_extract_never_raises(carrier: Any) -> None:
    for getter in (AnyGetter(), HeadersGetter()):
        traces.extract(carrier, getter=getter)
        bags.extract(carrier, getter=getter)
    headers = sent(bags.extract(carrier, traces.extract(carrier)))
    assert sent(bags.extract(headers, traces.extract(headers))) == headers


@pytest.mark.parametrize("carrier", [Raises(), None, 5, {"traceparent": b"0", "baggage": 5}])
def test_where_there_is_nothing_the_context_is_the_same(carrier: Any) -> None:
    given_context = Context()
    assert traces.extract(carrier, given_context) is given_context
    assert bags.extract(carrier, given_context) is given_context


@given(carriers() | hostile_carriers())
def test_the_default_getter_finds_what_any_getter_finds(carrier: dict[Any, Any]) -> None:
    assert sent(traces.extract(carrier)) == sent(traces.extract(carrier, getter=AnyGetter()))
    assert sent(bags.extract(carrier, Context())) == sent(
        bags.extract(carrier, Context(), AnyGetter())
    )


def test_headers_getter() -> None:
    message = Message()
    message["TraceParent"] = PARENT
    message["TraceState"] = "a=1"
    message["tracestate"] = "b=2"
    getter = HeadersGetter()
    assert sent(traces.extract(message, getter=getter)) == {
        "traceparent": PARENT,
        "tracestate": "a=1,b=2",
    }
    message["traceparent"] = PARENT
    assert traces.extract(message, getter=getter) == Context()
    assert getter.get(message, "none") is None
    assert getter.keys({"A": 1}) == ["A"]


@pytest.mark.parametrize(
    "span_context",
    [
        trace.INVALID_SPAN_CONTEXT,
        trace.SpanContext(1, 0, True),
        trace.SpanContext(0, 1, True),
        trace.SpanContext(1 << 128, 1, True),
        trace.SpanContext(1, 1 << 64, True),
        trace.SpanContext(1.5, 1, True),  # type: ignore[arg-type]
    ],
)
def test_no_malformed_parent_is_sent(span_context: trace.SpanContext) -> None:
    assert sent(with_span(span_context)) == {}


def test_where_there_is_no_span_none_is_sent() -> None:
    assert sent(Context()) == {}
    assert sent(Context(traces.extract({"traceparent": PARENT}).fromkeys([], None))) == {}
    (key,) = traces.extract({"traceparent": PARENT})
    assert sent(Context({key: "not a span"})) == {}


def test_unknown_flags_are_sent_as_zero() -> None:
    span_context = trace.SpanContext(1, 1, True, trace.TraceFlags(0xFF))
    assert sent(with_span(span_context))["traceparent"][-2:] == "03"


class BrokenTraceState(trace.TraceState):
    """One whose header is not a list."""

    header: Any = "A=1\r\nx: y"

    def __bool__(self) -> bool:
        return True

    def to_header(self) -> str:
        if self.header is None:
            raise RuntimeError
        return str(self.header)


def test_trace_states_of_other_makes() -> None:
    own = trace.TraceState([("a", "1"), ("b", "2")])
    assert (
        sent(with_span(trace.SpanContext(1, 1, True, trace_state=own)))["tracestate"] == "a=1,b=2"
    )
    broken = BrokenTraceState()
    assert "tracestate" not in sent(with_span(trace.SpanContext(1, 1, True, trace_state=broken)))
    broken.header = None
    assert "tracestate" not in sent(with_span(trace.SpanContext(1, 1, True, trace_state=broken)))


def test_a_lazy_trace_state_is_a_trace_state() -> None:
    state = extracted({"traceparent": PARENT, "tracestate": "a=1 , b=2"}).trace_state
    assert isinstance(state, trace.TraceState)
    assert state == trace.TraceState([("a", "1"), ("b", "2")])
    assert trace.TraceState([("a", "1"), ("b", "2")]) == state
    assert state != trace.TraceState([("a", "1")])
    assert list(state) == list(state.keys()) == ["a", "b"]
    assert list(state.values()) == ["1", "2"]
    assert list(state.items()) == [("a", "1"), ("b", "2")]
    assert len(state) == 2
    assert "a" in state
    assert "c" not in state
    assert state["a"] == state.get("a") == "1"
    assert state.get("c") is None
    with pytest.raises(KeyError):
        state["c"]
    assert repr(state) == repr(trace.TraceState([("a", "1"), ("b", "2")]))
    assert state.to_header() == "a=1 , b=2"
    assert copy.deepcopy(state) == pickle.loads(pickle.dumps(state)) == state
    assert state


def test_a_lazy_trace_state_changes_by_the_rules_of_level_2() -> None:
    state = LazyTraceState([("a", "1"), ("b@@", "2")])
    assert state.to_header() == "a=1,b@@=2"
    assert state.add("c", "3").to_header() == "c=3,a=1,b@@=2"
    assert state.add("a", "3") is state
    assert state.add("A", "3") is state
    assert state.update("b@@", "3").to_header() == "b@@=3,a=1"
    assert state.update("c", "3").to_header() == "c=3,a=1,b@@=2"
    assert state.delete("a").to_header() == "b@@=2"
    assert state.delete("c") is state
    many = LazyTraceState([(f"k{n}", "v") for n in range(40)])
    assert list(many) == [f"k{n}" for n in range(32)]
    assert list(many.add("new", "v")) == ["new", *(f"k{n}" for n in range(31))]
    assert LazyTraceState([("a", "1"), ("a", "2")]).to_header() == "a=1"
    assert LazyTraceState([("A", "1"), ("b", "2")]).to_header() == "b=2"
    assert LazyTraceState().to_header() == LazyTraceState.get_default().to_header() == ""
    assert LazyTraceState.from_header(["a=1", "b=2"]).to_header() == "a=1,b=2"
    assert not LazyTraceState.from_header(["a"])


def test_baggage_keeps_its_metadata() -> None:
    found = bags.extract({"baggage": "a=1;p = 1;q,b=x%20y"}, Context())
    assert baggage.get_all(found) == {"a": "1", "b": "x y"}
    value = baggage.get_baggage("a", found)
    assert isinstance(value, BaggageValue)
    assert value.metadata == "p = 1;q"
    assert pickle.loads(pickle.dumps(value)).metadata == "p = 1;q"
    assert type(baggage.get_baggage("b", found)) is str
    assert sent(found) == {"baggage": "a=1;p = 1;q,b=x%20y"}
    assert sent(baggage.set_baggage("a", "2", found)) == {"baggage": "a=2,b=x%20y"}


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.binary() | st.none()))
def test_any_baggage_can_be_sent(held: dict[str, object]) -> None:
    found = Context()
    for name, value in held.items():
        found = baggage.set_baggage(name, value, found)
    header = sent(found).get("baggage", "")
    assert header.isascii()
    again = baggage.get_all(bags.extract({"baggage": header}, Context()))
    assert all(again[name] == str(held[name]) for name in again)


def test_an_entry_without_text_does_not_keep_the_others_back() -> None:
    class NoText:
        def __str__(self) -> str:
            raise RuntimeError

    held: dict[Any, object] = {"a": "1", 5: "2", "b": NoText(), "c": 3, None: None}
    found = Context()
    for name, value in held.items():
        found = baggage.set_baggage(name, value, found)
    assert sent(found) == {"baggage": "a=1,c=3"}


def test_what_a_setter_raises_is_raised() -> None:
    class Refuses(Setter[Any]):
        def set(self, carrier: Any, key: str, value: str) -> None:
            raise LookupError

    with pytest.raises(LookupError):
        traces.inject({}, traces.extract({"traceparent": PARENT}), Refuses())


def test_fields() -> None:
    assert traces.fields == {"traceparent", "tracestate"}
    assert bags.fields == {"baggage"}


def test_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = VerifiedIdGenerator()
    assert type(ids.generate_trace_id()) is type(ids.generate_span_id()) is int
    assert 0 < ids.generate_trace_id() < 1 << 128
    assert 0 < ids.generate_span_id() < 1 << 64
    assert ids.is_trace_id_random() is True
    monkeypatch.setattr("verified.otel.id_generator._getrandbits", lambda bits: 0)
    assert ids.generate_trace_id() != 0
    assert ids.generate_span_id() != 0


def test_a_span_continues_the_trace() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(id_generator=VerifiedIdGenerator())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    parent = traces.extract({"traceparent": f"00-{TRACE}-{SPAN}-03", "tracestate": "a=1,b@@=2"})
    with tracer.start_as_current_span("server", parent):
        headers: dict[str, str] = {}
        traces.inject(headers)
    (span,) = exporter.get_finished_spans()
    assert headers["traceparent"][:36] == f"00-{TRACE}-"
    assert headers["traceparent"][36:52] not in (SPAN, "0" * 16)
    assert headers["traceparent"][53:] == "03"
    assert headers["tracestate"] == "a=1,b@@=2"
    assert json.loads(span.to_json())["parent_id"] == f"0x{SPAN}"
    with tracer.start_as_current_span("root", Context()):
        headers = {}
        traces.inject(headers)
    assert headers["traceparent"][53:] == "03"


CHOSEN = """
from opentelemetry import propagate
from opentelemetry.sdk._configuration import _get_id_generator, _import_id_generator
headers = {"traceparent": "%s", "baggage": "a=1;p"}
sent = {}
propagate.inject(sent, propagate.extract(headers))
assert sent == headers, sent
print([type(each).__name__ for each in propagate.get_global_textmap()._propagators])
print(type(_import_id_generator(_get_id_generator())).__name__)
"""


def test_the_environment_chooses_them() -> None:
    """Needs the package to be installed, as entry points are its metadata."""
    run = subprocess.run(
        [sys.executable, "-c", CHOSEN % PARENT],
        env={
            **os.environ,
            "OTEL_PROPAGATORS": "verified_tracecontext,verified_baggage",
            "OTEL_PYTHON_ID_GENERATOR": "verified",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.splitlines() == [
        "['VerifiedTraceContextPropagator', 'VerifiedBaggagePropagator']",
        "VerifiedIdGenerator",
    ]


def test_the_propagators_need_no_sdk() -> None:
    code = "import sys, verified.otel; assert 'opentelemetry.sdk' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
