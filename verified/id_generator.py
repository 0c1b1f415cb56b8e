"""New trace and span ids (OpenTelemetry trace SDK, "Id Generators")."""

import os
from collections.abc import Callable
from random import Random

from verified.contracts import ensure
from verified.ids import SpanId, TraceId
from verified.span_context import SpanContext
from verified.trace_flags import RANDOM_TRACE_ID, SAMPLED, TraceFlags

# A generator of our own, so that an application that seeds the random module to repeat
# its own draws does not make its trace ids repeat. Seeded by the operating system, and
# again in every forked child, which would otherwise draw the ids that its parent draws.
_random = Random()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)


class IdGenerator:
    """Makes ids that are never zero and otherwise as uniform as their source.

    ``getrandbits(k)`` is to return an integer from 0 to 2**k - 1, each as likely as any
    other; of one that is out of range the last k bits are taken. The default is a
    Mersenne Twister, safe to call from any thread and in forked processes. A draw of
    zero is drawn again, any other draw *is* the id: all of its bits are random, the last
    7 bytes among them, as the random flag promises.
    """

    __slots__ = ("_getrandbits",)

    def __init__(self, getrandbits: Callable[[int], int] = _random.getrandbits) -> None:
        self._getrandbits = getrandbits

    def _draw(self, bits: int) -> int:
        """A number from 1 to 2**bits - 1."""
        most = (1 << bits) - 1
        number = self._getrandbits(bits) & most
        while number == 0:
            number = self._getrandbits(bits) & most
        return number

    @ensure(lambda result: result.is_valid)
    def generate_trace_id(self) -> TraceId:
        """Return a new trace id."""
        return int.__new__(TraceId, self._draw(128))

    @ensure(lambda result: result.is_valid)
    def generate_span_id(self) -> SpanId:
        """Return a new span id."""
        return int.__new__(SpanId, self._draw(64))

    @ensure(lambda result: result)
    def is_trace_id_random(self) -> bool:
        """Whether at least the last 7 bytes of each trace id are random; always true."""
        return True

    @ensure(lambda result: result.is_valid and not result.is_remote)
    @ensure(lambda result: result.trace_flags.random)
    @ensure(lambda sampled, result: result.trace_flags.sampled == sampled)
    def root(self, sampled: bool = False) -> SpanContext:
        """Return the context of a span that starts a new trace, its random flag set."""
        flags = RANDOM_TRACE_ID | SAMPLED if sampled else RANDOM_TRACE_ID
        return SpanContext(
            self.generate_trace_id(), self.generate_span_id(), TraceFlags(flags), is_remote=False
        )
