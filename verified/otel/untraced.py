"""What an exporter does itself is not traced."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, set_value


@contextmanager
def untraced() -> Iterator[None]:
    """Suppress instrumentation, as opentelemetry's own processors do."""
    token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
    try:
        yield
    finally:
        detach(token)
