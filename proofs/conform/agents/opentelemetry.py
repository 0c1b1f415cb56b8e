"""Knows opentelemetry-api, opentelemetry-sdk and what exports and propagates beside them."""

from __future__ import annotations

import inspect

try:
    from importlib.metadata import version as _version
except ImportError:  # Python 3.7
    from pkg_resources import get_distribution

    def _version(name):
        return get_distribution(name).version


from opentelemetry import baggage, trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

try:
    from opentelemetry.baggage.propagation import W3CBaggagePropagator
except ImportError:
    W3CBaggagePropagator = None
try:
    from opentelemetry.sdk.trace import TracerProvider
except ImportError:
    TracerProvider = None

NAME = "opentelemetry"
OFFERS = {}
TraceState = trace.TraceState


def version():
    """The version of the API, and of the SDK if it is another."""
    versions = [_version("opentelemetry-api")]
    try:
        versions.append(_version("opentelemetry-sdk"))
    except Exception:
        pass
    return " / ".join(sorted(set(versions)))


def _carrier(headers):
    """Headers as a mapping; a list where a name comes twice."""
    carrier = {}
    for name, value in headers:
        carrier[name] = [*carrier[name], value] if name in carrier else [value]
    return {name: values if len(values) > 1 else values[0] for name, values in carrier.items()}


def _extract(propagator, headers):
    return propagator.extract(carrier=_carrier(headers), context=Context())


def _inject(propagator, context):
    carrier = {}
    if "carrier" in list(inspect.signature(propagator.inject).parameters)[:1]:
        propagator.inject(carrier, context)
    else:
        propagator.inject(dict.__setitem__, carrier, context)
    return [[name, value] for name, value in carrier.items()]


def _described(span_context):
    return {
        "trace_id": trace.format_trace_id(span_context.trace_id),
        "span_id": trace.format_span_id(span_context.span_id),
        "flags": int(span_context.trace_flags),
        "is_remote": span_context.is_remote,
        "trace_state": [[key, value] for key, value in span_context.trace_state.items()],
    }


def _span_context(span):
    return trace.SpanContext(
        int(span["trace_id"], 16),
        int(span["span_id"], 16),
        span.get("is_remote", False),
        trace.TraceFlags(span.get("flags", 0)),
        TraceState([tuple(member) for member in span.get("trace_state", [])]),
    )


def _within(span_context):
    return trace.set_span_in_context(trace.NonRecordingSpan(span_context), Context())


def tracecontext_extract(headers):
    context = _extract(TraceContextTextMapPropagator(), headers)
    span_context = trace.get_current_span(context).get_span_context()
    return {"span": _described(span_context) if span_context.is_valid else None}


def tracecontext_inject(span):
    return {"headers": _inject(TraceContextTextMapPropagator(), _within(_span_context(span)))}


def tracecontext_relay(headers):
    propagator = TraceContextTextMapPropagator()
    return {"headers": _inject(propagator, _extract(propagator, headers))}


def tracecontext_continue(headers):
    propagator = TraceContextTextMapPropagator()
    span = TracerProvider().get_tracer("conform").start_span("s", _extract(propagator, headers))
    sent = _inject(propagator, trace.set_span_in_context(span, Context()))
    return {"headers": sent, "span": _described(span.get_span_context())}


def _members(state):
    return [[key, value] for key, value in state.items()]


def tracestate_apply(members, operations):
    state = TraceState([tuple(member) for member in members])
    steps = []
    for operation, *arguments in operations:
        try:
            after = getattr(state, operation)(*arguments)
        except Exception as error:
            raised = {"type": type(error).__name__, "message": str(error)}
            steps.append({"raised": raised, "before": _members(state)})
        else:
            steps.append({"members": _members(after), "before": _members(state)})
            state = after
    return {"steps": steps}


def span_context_make(trace_id, span_id, flags):
    made = trace.SpanContext(int(trace_id, 16), int(span_id, 16), False, trace.TraceFlags(flags))
    ids = trace.format_trace_id(made.trace_id), trace.format_span_id(made.span_id)
    return {"is_valid": made.is_valid, "trace_id": ids[0], "span_id": ids[1]}


def _entries(context):
    # Metadata that came with a value may be kept in a form that the API does not show.
    return [[name, value, ""] for name, value in baggage.get_all(context=context).items()]


def _baggage(entries):
    context = Context()
    for name, value, _ in entries:
        context = baggage.set_baggage(name, value, context=context)
    return context


def baggage_extract(headers):
    context = _extract(W3CBaggagePropagator(), headers)
    return {"entries": _entries(context)}


def baggage_inject(entries):
    return {"headers": _inject(W3CBaggagePropagator(), _baggage(entries))}


def baggage_relay(headers):
    propagator = W3CBaggagePropagator()
    return {"headers": _inject(propagator, _extract(propagator, headers))}


def baggage_apply(entries, operations):
    context = _baggage(entries)
    steps = []
    for operation, *arguments in operations:
        if operation == "set":
            after = baggage.set_baggage(*arguments, context=context)
        elif operation == "remove":
            after = baggage.remove_baggage(*arguments, context=context)
        else:
            after = baggage.clear(context=context)
        steps.append({"entries": _entries(after), "before": _entries(context)})
        context = after
    return {"steps": steps}


OFFERS.update(
    {
        "tracecontext.extract": tracecontext_extract,
        "tracecontext.inject": tracecontext_inject,
        "tracecontext.relay": tracecontext_relay,
        "tracestate.apply": tracestate_apply,
        "span_context.make": span_context_make,
        "baggage.apply": baggage_apply,
    }
)
if W3CBaggagePropagator is not None:
    OFFERS["baggage.extract"] = baggage_extract
    OFFERS["baggage.inject"] = baggage_inject
    OFFERS["baggage.relay"] = baggage_relay
if TracerProvider is not None:
    OFFERS["tracecontext.continue"] = tracecontext_continue
