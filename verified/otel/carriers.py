"""Reading carriers through OpenTelemetry's getters."""

from collections.abc import Sequence
from typing import Any

from opentelemetry.propagators.textmap import Getter, default_getter

from verified.propagation import GETTER


def values(carrier: Any, key: str, getter: Getter[Any]) -> Sequence[Any]:
    """Return what ``getter`` finds in the carrier; raises whatever it raises.

    Whether the case of names matters is for the getter to say, and the default one says
    that it does.
    """
    if getter is default_getter and carrier.get(key) is None:
        return ()
    return tuple(getter.get(carrier, key) or ())


class HeadersGetter(Getter[Any]):
    """Reads HTTP headers, whose names are the same whatever the case of their letters.

    The carrier has pairs of names and values as its ``items()``: a dictionary, or a message
    of the standard library, which may have several headers of the same name.
    """

    def get(self, carrier: Any, key: str) -> list[str] | None:
        """Return all values of this name in any case, in order; None for none ("Getter")."""
        return GETTER.get_all(carrier, key) or None

    def keys(self, carrier: Any) -> list[str]:
        """Return the names that the carrier has ("Getter")."""
        return GETTER.keys(carrier)
