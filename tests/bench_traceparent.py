"""Speed of the header code beside opentelemetry-api's, in one run; `make bench` shows ratios.

The rows of a group do the same work. The number in brackets is the time as a multiple
of the fastest row of the group.
"""

import ast
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from proofs import sources
from proofs.contracts import fresh_import

HEADER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CARRIER = {"traceparent": HEADER}
shipped: Any = fresh_import(contracts=False)
guarded: Any = fresh_import(contracts=True)
parse = shipped["verified.traceparent"].parse
format = shipped["verified.traceparent"].format
CONTEXT = parse(HEADER)
propagator = TraceContextTextMapPropagator()


def without_decorators() -> Any:
    """``parse`` of the same source in which no contract was ever written."""
    tree = ast.parse(sources.module("verified.traceparent").text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = []
    namespace = dict(vars(shipped["verified.traceparent"]))
    exec(compile(tree, "traceparent", "exec"), namespace)
    return namespace["parse"]


Benchmark = Callable[..., Any]


@pytest.mark.benchmark(group="parse a header to a span context")
def test_parse(benchmark: Benchmark) -> None:
    assert benchmark(parse, HEADER) is not None


@pytest.mark.benchmark(group="parse a header to a span context")
def test_parse_opentelemetry_api(benchmark: Benchmark) -> None:
    context = benchmark(propagator.extract, CARRIER)
    assert trace.get_current_span(context).get_span_context().is_valid


@pytest.mark.benchmark(group="format a span context to a header")
def test_format(benchmark: Benchmark) -> None:
    assert benchmark(format, CONTEXT) == HEADER


@pytest.mark.benchmark(group="format a span context to a header")
def test_format_opentelemetry_api(benchmark: Benchmark) -> None:
    context = propagator.extract(CARRIER)
    carrier: dict[str, str] = {}
    benchmark(propagator.inject, carrier, context)
    assert carrier["traceparent"] == HEADER


@pytest.mark.benchmark(group="what contracts cost")
@pytest.mark.parametrize("contracts", ["never written", "off", "on"])
def test_contracts(benchmark: Benchmark, contracts: str) -> None:
    function = {
        "never written": without_decorators(),
        "off": parse,
        "on": guarded["verified.traceparent"].parse,
    }[contracts]
    assert benchmark(function, HEADER) is not None
