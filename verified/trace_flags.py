"""Trace flags (W3C Trace Context Level 2, "trace-flags")."""

from operator import index
from typing import Self

from verified.contracts import ensure

SAMPLED = 0b00000001
RANDOM_TRACE_ID = 0b00000010
KNOWN = SAMPLED | RANDOM_TRACE_ID


class TraceFlags(int):
    """Eight bits, of which Level 2 defines two; an ``int`` from 0 to 255."""

    __slots__ = ()

    @ensure(lambda value, result: result == value)
    @ensure(lambda result: 0 <= result <= 255)
    def __new__(cls, value: int = 0) -> Self:
        """Make the flags with this value.

        :raises ValueError: if the value is not from 0 to 255.
        :raises TypeError: if the value is not an integer.
        """
        number = index(value)
        if not 0 <= number <= 0xFF:
            raise ValueError(f"{cls.__name__} must be from 0 to 255, not {number:#x}")
        return int.__new__(cls, number)

    @property
    @ensure(lambda self, result: result == (self % 2 == 1))
    def sampled(self) -> bool:
        """Whether the caller may have recorded trace data ("sampled")."""
        return self & SAMPLED != 0

    @property
    @ensure(lambda self, result: result == (self // 2 % 2 == 1))
    def random(self) -> bool:
        """Whether the last 7 bytes of the trace id are random ("random-trace-id")."""
        return self & RANDOM_TRACE_ID != 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}(0x{self:02x})"
