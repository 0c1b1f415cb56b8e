"""Speed of propagation beside opentelemetry's own, in one run; `make bench` shows ratios.

The rows of a group do the same work on the same carrier. The number in brackets is the
time as a multiple of the fastest row of the group.
"""

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from verified.otel import VerifiedBaggagePropagator, VerifiedTraceContextPropagator
from verified.otel.id_generator import VerifiedIdGenerator

TRACE_CONTEXT = {
    "verified": VerifiedTraceContextPropagator(),
    "opentelemetry": TraceContextTextMapPropagator(),
}
BAGGAGE = {
    "verified": VerifiedBaggagePropagator(),
    "opentelemetry": W3CBaggagePropagator(),
}
IDS = {
    "verified": VerifiedIdGenerator(),
    "opentelemetry": RandomIdGenerator(),
}

Benchmark = Callable[..., Any]
by_make = pytest.mark.parametrize("make", ["verified", "opentelemetry"])


def carrier(members: int) -> dict[str, str]:
    headers = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    if members:
        headers["tracestate"] = ",".join(f"vendor{n:02}=00f067aa0ba902b7" for n in range(members))
    return headers


def entries(members: int) -> dict[str, str]:
    return {"baggage": ",".join(f"key{n:02}=a%20value{n:02}" for n in range(members))}


def extract_trace_context(benchmark: Benchmark, make: str, members: int) -> None:
    context = benchmark(TRACE_CONTEXT[make].extract, carrier(members))
    assert len(trace.get_current_span(context).get_span_context().trace_state) == members


def inject_trace_context(benchmark: Benchmark, make: str, members: int) -> None:
    context = TRACE_CONTEXT[make].extract(carrier(members))
    headers: dict[str, str] = {}
    benchmark(TRACE_CONTEXT[make].inject, headers, context)
    assert headers == carrier(members)


@pytest.mark.benchmark(group="extract trace context, no tracestate")
@by_make
def test_extract(benchmark: Benchmark, make: str) -> None:
    extract_trace_context(benchmark, make, 0)


@pytest.mark.benchmark(group="extract trace context, 2 members")
@by_make
def test_extract_2(benchmark: Benchmark, make: str) -> None:
    extract_trace_context(benchmark, make, 2)


@pytest.mark.benchmark(group="extract trace context, 32 members")
@by_make
def test_extract_32(benchmark: Benchmark, make: str) -> None:
    extract_trace_context(benchmark, make, 32)


@pytest.mark.benchmark(group="inject trace context, no tracestate")
@by_make
def test_inject(benchmark: Benchmark, make: str) -> None:
    inject_trace_context(benchmark, make, 0)


@pytest.mark.benchmark(group="inject trace context, 32 members")
@by_make
def test_inject_32(benchmark: Benchmark, make: str) -> None:
    inject_trace_context(benchmark, make, 32)


@pytest.mark.benchmark(group="extract baggage, 5 members")
@by_make
def test_extract_baggage(benchmark: Benchmark, make: str) -> None:
    context = benchmark(BAGGAGE[make].extract, entries(5), Context())
    assert len(baggage.get_all(context)) == 5


@pytest.mark.benchmark(group="extract baggage, 64 members")
@by_make
def test_extract_baggage_64(benchmark: Benchmark, make: str) -> None:
    context = benchmark(BAGGAGE[make].extract, entries(64), Context())
    assert len(baggage.get_all(context)) == 64


@pytest.mark.benchmark(group="inject baggage, 5 members")
@by_make
def test_inject_baggage(benchmark: Benchmark, make: str) -> None:
    context = BAGGAGE[make].extract(entries(5), Context())
    headers: dict[str, str] = {}
    benchmark(BAGGAGE[make].inject, headers, context)
    assert headers["baggage"].count("=") == 5


@pytest.mark.benchmark(group="new trace id")
@by_make
def test_trace_id(benchmark: Benchmark, make: str) -> None:
    assert benchmark(IDS[make].generate_trace_id)


@pytest.mark.benchmark(group="new span id")
@by_make
def test_span_id(benchmark: Benchmark, make: str) -> None:
    assert benchmark(IDS[make].generate_span_id)


SIZES = [62_500, 125_000, 250_000, 500_000, 1_000_000]

HOSTILE: dict[str, tuple[str, Callable[[int], str]]] = {
    "white space in a tracestate value": ("tracestate", lambda n: "a=" + " " * n + "\0"),
    "white space after a tracestate member": ("tracestate", lambda n: "a=1" + " " * n + "\0"),
    "white space before tracestate members": (
        "tracestate",
        lambda n: "a=1" + ("," + " " * (n // 31)) * 31 + "\0",
    ),
    "a long tracestate key": ("tracestate", lambda n: "a" * n),
    "white space after a baggage value": ("baggage", lambda n: "a=1" + " " * n + '"'),
    "properties with white space": ("baggage", lambda n: "a=1" + " ; p" * (n // 4) + '"'),
    "a long baggage key": ("baggage", lambda n: "a" * n),
    "octets that are not UTF-8": ("baggage", lambda n: "a=" + "%20" * (n // 3) + "%FF"),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", HOSTILE)
def test_growth(benchmark: Any, shape: str, size: int) -> None:
    """Twice the characters take about twice the time."""
    benchmark.group = f"growth: {shape}"
    name, header = HOSTILE[shape]
    headers = {**carrier(0), name: header(size)}
    propagator = (TRACE_CONTEXT if name == "tracestate" else BAGGAGE)["verified"]
    benchmark.pedantic(propagator.extract, (headers,), rounds=5)
