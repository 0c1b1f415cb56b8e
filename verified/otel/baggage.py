"""The baggage propagator for OpenTelemetry."""

from typing import Any

from opentelemetry import baggage as api
from opentelemetry.context import Context, get_current
from opentelemetry.propagators.textmap import (
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)

from verified import baggage, propagation
from verified.otel.carriers import values

# The key under which OpenTelemetry keeps baggage, found by having it keep some.
(_BAGGAGE_KEY,) = api.clear(Context())
_BAGGAGE = baggage.NAME


class BaggageValue(str):
    """A value that came with metadata, which is sent on with it."""

    __slots__ = ("metadata",)

    metadata: str

    def __new__(cls, value: str, metadata: str = "") -> "BaggageValue":
        self = str.__new__(cls, value)
        self.metadata = metadata
        return self


class VerifiedBaggagePropagator(TextMapPropagator):
    """The propagator of W3C Baggage, in place of ``baggage``."""

    @property
    def fields(self) -> set[str]:
        """The name that it sets (OpenTelemetry, "Fields")."""
        return {baggage.NAME}

    def extract(
        self,
        carrier: Any,
        context: Context | None = None,
        getter: Getter[Any] = default_getter,
    ) -> Context:
        """Return the context with the entries that the carrier holds set in its baggage.

        The context is returned as it is if there are none; none is the current context.
        Never raises.
        """
        if context is None:
            context = get_current()
        try:
            # A mapping that holds one text is read here as the default getter would read it.
            value = carrier.get(_BAGGAGE) if getter is default_getter else ...
            if value is None:
                return context
            if type(value) is str:
                members = baggage.members(value)
            else:
                members = propagation.baggage_members(values(carrier, _BAGGAGE, getter))
        except Exception:
            return context
        if not members:
            return context
        held = context.get(_BAGGAGE_KEY)
        entries = dict(held) if isinstance(held, dict) else {}
        for key, text, metadata in members:
            entries[key] = BaggageValue(text, metadata) if metadata else text
        return Context({**context, _BAGGAGE_KEY: entries})

    def inject(
        self,
        carrier: Any,
        context: Context | None = None,
        setter: Setter[Any] = default_setter,
    ) -> None:
        """Set baggage unless no entry can be sent; of values that are not text, their ``str``.

        An entry that has no text for its name or value is left out. Raises only what the
        setter raises.
        """
        held = (get_current() if context is None else context).get(_BAGGAGE_KEY)
        if not isinstance(held, dict):
            return
        try:
            header = baggage.header(
                [
                    (name, value, "") if type(value) is str else _member(name, value)
                    for name, value in held.items()
                    if isinstance(name, str)
                ]
            )
        except Exception:
            return
        if header:
            setter.set(carrier, baggage.NAME, header)


def _member(name: str, value: object) -> tuple[str, str, str]:
    """The name, value and metadata that are sent for a value that is not just text.

    The name is empty, and so not sent, if the value has no text.
    """
    try:
        return name, str(value), value.metadata if isinstance(value, BaggageValue) else ""
    except Exception:
        return "", "", ""
