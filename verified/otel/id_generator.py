"""The id generator for opentelemetry-sdk."""

from opentelemetry.sdk.trace.id_generator import IdGenerator

from verified import id_generator

_ids = id_generator.IdGenerator()
_getrandbits = id_generator._random.getrandbits


class VerifiedIdGenerator(IdGenerator):
    """Makes the ids that ``verified.IdGenerator`` makes, in place of ``random``."""

    def generate_trace_id(self) -> int:
        """Return a new trace id: a draw of 128 bits, or, if it is zero, one that is not."""
        return _getrandbits(128) or int(_ids.generate_trace_id())

    def generate_span_id(self) -> int:
        """Return a new span id: a draw of 64 bits, or, if it is zero, one that is not."""
        return _getrandbits(64) or int(_ids.generate_span_id())

    def is_trace_id_random(self) -> bool:
        """Whether at least the last 7 bytes of each trace id are random; always true."""
        return _ids.is_trace_id_random()
