"""Propagation of trace context and baggage in text headers (OpenTelemetry, "Propagators API").

A carrier holds headers by name. What the values of a header mean together, one or several
of them, is decided by ``parent``, ``trace_state`` and ``baggage_members``, which are
functions of the values alone; the propagators fetch the values and store what comes out.

Headers are written by anybody, and carriers come from any library: a value may be
something other than text, and reading it may raise. ``extract`` never does. Where there is
nothing to extract, it returns the context that it was given.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from verified import baggage, traceparent, tracestate
from verified.baggage import Baggage
from verified.contracts import ensure
from verified.ids import SpanId, TraceId
from verified.span_context import SpanContext
from verified.trace_flags import TraceFlags
from verified.tracestate import TraceState


class Context(NamedTuple):
    """What is propagated: the current span, if there is one, and the baggage."""

    span_context: SpanContext | None = None
    baggage: Baggage = baggage.EMPTY


EMPTY: Final = Context()
"""No span, and no baggage."""


class Getter(Protocol):
    """Reads headers from a carrier ("Getter argument").

    Names of HTTP headers are the same whatever the case of their letters.
    """

    def get(self, carrier: Any, key: str) -> Any:
        """Return the first value of a header; None if there is none."""
        raise NotImplementedError

    def get_all(self, carrier: Any, key: str) -> Sequence[Any]:
        """Return all values of a header in order; an empty sequence if there are none."""
        raise NotImplementedError

    def keys(self, carrier: Any) -> Sequence[str]:
        """Return the names of all headers."""
        raise NotImplementedError


class Setter(Protocol):
    """Writes headers to a carrier ("Setter argument")."""

    def set(self, carrier: Any, key: str, value: str) -> None:
        """Give a header this value, and no other."""
        raise NotImplementedError


class MappingGetter:
    """Reads from a mapping of names to values, each one value or a list or tuple of them."""

    def get(self, carrier: Mapping[Any, Any], key: str) -> Any:
        """Return the first value of this name in any case (OpenTelemetry, "Get"); None for none."""
        return next(iter(self.get_all(carrier, key)), None)

    def get_all(self, carrier: Mapping[Any, Any], key: str) -> list[Any]:
        """Return all values of this name in any case, in order (OpenTelemetry, "GetAll")."""
        values: list[Any] = []
        for name, held in carrier.items():
            if same_name(name, key):
                values += held if isinstance(held, list | tuple) else (held,)
        return values

    def keys(self, carrier: Mapping[Any, Any]) -> list[Any]:
        """Return the names that the carrier has (OpenTelemetry, "Keys")."""
        return list(carrier)


class MappingSetter:
    """Writes to a mapping of names to values; a name is written in the case that is given."""

    def set(self, carrier: MutableMapping[Any, Any], key: str, value: str) -> None:
        """Give a name this value, and no other in any case (OpenTelemetry, "Set")."""
        for name in [name for name in carrier if name != key and same_name(name, key)]:
            del carrier[name]
        carrier[key] = value


GETTER: Final = MappingGetter()
SETTER: Final = MappingSetter()


@ensure(
    lambda name, key, result: (
        result
        == (
            name == key
            or (
                isinstance(name, str)
                and (name + key).isascii()
                and name.casefold() == key.casefold()
            )
        )
    )
)
def same_name(name: object, key: str) -> bool:
    """Whether two names are the same but for the case of ASCII letters."""
    return name == key or (
        isinstance(name, str)
        and len(name) == len(key)
        and name.isascii()
        and key.isascii()
        and name.lower() == key.lower()
    )


@ensure(lambda values, result: (result is None) == any(not isinstance(v, str) for v in values))
def combined(values: Sequence[object]) -> str | None:
    """Return the one value that several headers of a name stand for.

    The values are joined by commas in order (RFC 9110, section 5.3); those that are empty
    or white space add nothing. None if one of the values is not text.
    """
    texts = []
    for value in values:
        if not isinstance(value, str):
            return None
        if value.strip(" \t"):
            texts.append(value)
    return ",".join(texts)


@ensure(
    lambda values, result: (
        result is None
        or (len(values) == 1 and result == traceparent.fields(values[0].strip(" \t")))
    )
)
def parent(values: Sequence[object]) -> tuple[int, int, int] | None:
    """Return trace id, parent id and trace flags of the traceparent headers with these values.

    None if the trace is to be restarted: there is not exactly one header, or it is to be
    ignored. White space around the header is not part of it (RFC 9110, section 5.5).
    """
    if len(values) != 1:
        return None
    value = values[0]
    return traceparent.fields(value.strip(" \t")) if isinstance(value, str) else None


@ensure(lambda result: tracestate.header(result) == result)
def trace_state(values: Sequence[object]) -> str:
    """Return the list of the tracestate headers with these values, as it is to be sent on.

    It is empty if there is no header, or if what the headers stand for together is not a
    list. They are to be looked at only if there is a parent.
    """
    value = values[0] if len(values) == 1 else combined(values)
    return (tracestate.header(value) or "") if isinstance(value, str) else ""


@ensure(lambda values, result: result == baggage.members(combined(values) or ""))
def baggage_members(values: Sequence[object]) -> list[tuple[str, str, str]]:
    """Return the list-members of the baggage headers with these values, in order."""
    value = values[0] if len(values) == 1 else combined(values)
    return baggage.members(value) if isinstance(value, str) else []


class Propagator(Protocol):
    """Carries part of a context across process boundaries ("TextMap Propagator")."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the headers that ``inject`` sets.

        Whoever uses a carrier again should delete them first ("Fields").
        """
        raise NotImplementedError

    def extract(self, carrier: Any, context: Context = EMPTY, getter: Getter = GETTER) -> Context:
        """Return the context with what the carrier holds; never raises."""
        raise NotImplementedError

    def inject(self, carrier: Any, context: Context, setter: Setter = SETTER) -> None:
        """Set the headers for the context; those that would be empty are not set.

        Raises only what the setter raises.
        """
        raise NotImplementedError


class TraceContextPropagator:
    """The propagator of W3C Trace Context Level 2."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The names that it sets (OpenTelemetry, "Fields")."""
        return traceparent.NAME, tracestate.NAME

    @ensure(
        lambda context, result: (
            result is context
            or (
                result.baggage == context.baggage
                and result.span_context.is_valid
                and result.span_context.is_remote
            )
        )
    )
    def extract(self, carrier: Any, context: Context = EMPTY, getter: Getter = GETTER) -> Context:
        """Return the context in which the parent that the carrier names is the current span.

        A tracestate is looked at only if there is a parent, and does not change it.
        """
        try:
            values = parent(getter.get_all(carrier, traceparent.NAME))
        except Exception:
            return context
        if values is None:
            return context
        try:
            state = trace_state(getter.get_all(carrier, tracestate.NAME))
        except Exception:
            state = ""
        trace_id, span_id, trace_flags = values
        span_context = SpanContext(
            TraceId(trace_id), SpanId(span_id), TraceFlags(trace_flags), TraceState(state), True
        )
        return context._replace(span_context=span_context)

    def inject(self, carrier: Any, context: Context, setter: Setter = SETTER) -> None:
        """Set traceparent if the current span is valid, and then tracestate unless it is empty."""
        span_context = context.span_context
        header = None if span_context is None else traceparent.format(span_context)
        if span_context is None or header is None:
            return
        setter.set(carrier, traceparent.NAME, header)
        if span_context.trace_state:
            setter.set(carrier, tracestate.NAME, span_context.trace_state.header)


class BaggagePropagator:
    """The propagator of W3C Baggage."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The name that it sets (OpenTelemetry, "Fields")."""
        return (baggage.NAME,)

    @ensure(
        lambda context, result: (
            result is context
            or (result.span_context is context.span_context and bool(result.baggage))
        )
    )
    def extract(self, carrier: Any, context: Context = EMPTY, getter: Getter = GETTER) -> Context:
        """Return the context with the entries that the carrier holds set in its baggage."""
        try:
            members = baggage_members(getter.get_all(carrier, baggage.NAME))
        except Exception:
            return context
        if not members:
            return context
        entries = {entry.name: entry for entry in context.baggage.entries}
        entries |= {member[0]: baggage.Entry(*member) for member in members}
        return context._replace(baggage=Baggage(tuple(entries.values())))

    def inject(self, carrier: Any, context: Context, setter: Setter = SETTER) -> None:
        """Set baggage unless no entry can be sent."""
        header = baggage.format(context.baggage)
        if header:
            setter.set(carrier, baggage.NAME, header)


class CompositePropagator:
    """Several propagators, called in the order in which they are given."""

    def __init__(self, *propagators: Propagator) -> None:
        self._propagators = propagators

    @property
    def fields(self) -> tuple[str, ...]:
        """The names that its propagators set, each once (OpenTelemetry, "Fields")."""
        return tuple(dict.fromkeys(name for each in self._propagators for name in each.fields))

    def extract(self, carrier: Any, context: Context = EMPTY, getter: Getter = GETTER) -> Context:
        """Return what each propagator in turn extracts into the context of the one before."""
        for propagator in self._propagators:
            context = propagator.extract(carrier, context, getter)
        return context

    def inject(self, carrier: Any, context: Context, setter: Setter = SETTER) -> None:
        """Have each propagator in turn set its headers."""
        for propagator in self._propagators:
            propagator.inject(carrier, context, setter)
