"""Claims about the span context (OpenTelemetry trace API, "SpanContext")."""

import copy
import pickle
from typing import Any

from verified import SpanContext, SpanId, TraceFlags, TraceId
from verified.ids import _Id
from verified.tracestate import EMPTY

from ..claim import Fault, claim
from ..contracts import fresh_import
from ..frozen import fails, is_frozen
from ..verdict import Verdict


@claim(
    "A span context is valid if and only if its trace id and its span id are both not zero",
    discharges="SC-03",
    subject=SpanContext.is_valid,
)
def validity(context: SpanContext) -> bool:
    return context.is_valid == (context.trace_id != 0 and context.span_id != 0)


@claim(
    "A span context that is made of valid ids is valid, whatever its flags and origin",
    discharges="SC-03",
    subject=SpanContext.is_valid,
)
def of_valid_ids_is_valid(
    trace_id: TraceId, span_id: SpanId, flags: TraceFlags, remote: bool
) -> bool:
    context = SpanContext(trace_id, span_id, flags, EMPTY, remote)
    return context.is_valid == (trace_id.is_valid and span_id.is_valid)


@claim(
    "A child is local and keeps its parent's trace id and trace state",
    discharges=("SC-04", "TP-18"),
    subject=SpanContext.child,
)
def child_continues_its_parent(context: SpanContext, span_id: SpanId, sampled: bool | None) -> bool:
    child = context.child(span_id, sampled)
    return (
        not child.is_remote
        and child.trace_id == context.trace_id
        and child.span_id == span_id
        and child.trace_state == context.trace_state
    )


@claim(
    "A child has its parent's sampled flag unless a decision is given, its parent's random flag "
    "always, and no flag that Level 2 does not define",
    discharges=("TP-13", "TP-14", "TP-23"),
    subject=SpanContext.child,
)
def child_flags(context: SpanContext, span_id: SpanId, sampled: bool | None) -> bool:
    flags = context.child(span_id, sampled).trace_flags
    decided = context.trace_flags.sampled if sampled is None else sampled
    return flags.sampled == decided and flags.random == context.trace_flags.random and flags < 4


@claim(
    "No field of a span context can be set, deleted, added or changed in place",
    discharges="SC-01",
    subject=SpanContext.__new__,
    required=Verdict.TESTED,
    engines=("fuzz",),
    fault=Fault("verified.span_context", "\n    __slots__ = ()\n", "\n"),
)
def immutable(context: SpanContext, span_id: SpanId) -> bool:
    # Imported anew, so that a fault in how the class is declared is seen.
    imported: Any = fresh_import(contracts=False)["verified.span_context"]
    context = tuple.__new__(imported.SpanContext, context)
    before = tuple(context)

    def put() -> None:
        # What mypy refuses, as Python is to.
        context[1] = span_id  # type: ignore[index]

    names = (*SpanContext._fields, "is_valid", "other")
    return (
        is_frozen(context, names, span_id)
        and fails(put)
        and tuple(context) == before
        and hash(context) == hash(before)
    )


@claim(
    "A span context can be copied, by copy, deepcopy and pickle: the copy is equal, of the same "
    "types and as valid, and replacing a field of it leaves the original as it was",
    discharges="SC-01",
    subject=(_Id.__reduce__, SpanContext._make),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def copies_are_independent(context: SpanContext, span_id: SpanId) -> bool:
    before = tuple(context)
    try:
        copies = copy.copy(context), copy.deepcopy(context), pickle.loads(pickle.dumps(context))
        changed = [duplicate._replace(span_id=span_id) for duplicate in copies]
    except (TypeError, ValueError, AttributeError):
        return False
    types = [type(field) for field in context]
    return (
        all(type(c) is SpanContext and c == context for c in copies)
        and all([type(field) for field in c] == types for c in copies)
        and all(tuple(c) == (before[0], span_id, *before[2:]) for c in changed)
        and tuple(context) == before
    )


@claim(
    "A span context is not made of what is not an id, flags, a tuple and a bool, each in its place",
    discharges="SC-01",
    subject=(SpanContext.__new__, SpanContext._make),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def fields_have_their_types(context: SpanContext, number: int) -> bool:
    fields = context._asdict()
    for name, right in fields.items():
        others: list[Any] = [v for v in fields.values() if type(v) is not type(right)]
        for value in (number, "1", [], None, *others):
            for make in (SpanContext, context._replace):
                try:
                    make(**{**fields, name: value})
                except TypeError:
                    continue
                return False
    return True


@claim(
    "A context that is made of ids alone has no flags and no trace state, and is local",
    discharges=("SC-04", "TP-13"),
    subject=SpanContext.__new__,
)
def fields_by_default(trace_id: TraceId, span_id: SpanId) -> bool:
    context = SpanContext(trace_id, span_id)
    return context.trace_flags == 0 and not context.trace_state and not context.is_remote
