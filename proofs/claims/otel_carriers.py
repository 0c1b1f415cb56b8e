"""Claims about what ``verified.otel`` offers, and how it reads carriers."""

from verified import otel
from verified.otel.baggage import BaggageValue, VerifiedBaggagePropagator
from verified.otel.carriers import HeadersGetter
from verified.otel.trace_context import VerifiedTraceContextPropagator

from ..claim import Constant, claim
from ..verdict import Verdict

OFFERED = {
    "BaggageValue": BaggageValue,
    "HeadersGetter": HeadersGetter,
    "VerifiedBaggagePropagator": VerifiedBaggagePropagator,
    "VerifiedTraceContextPropagator": VerifiedTraceContextPropagator,
}


@claim(
    "The package for OpenTelemetry offers its propagators, the value of baggage and the getter of "
    "headers by their names",
    subject=Constant("verified.otel", "__all__"),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def the_package_offers_these() -> bool:
    return set(otel.__all__) == set(OFFERED) and all(
        getattr(otel, name) is offered for name, offered in OFFERED.items()
    )
