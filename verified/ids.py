"""Trace and span ids (OpenTelemetry trace API, "Retrieving the TraceId and SpanId").

An id is an ``int``: comparing, hashing and passing it on cost what an ``int``
costs, and every API that takes ids as integers takes these. The constructors make
no id that the standards call invalid. The all-zero id, by which the standards say
"no id", has one name, ``INVALID``, and is never the result of a calculation.
"""

import re
from operator import index
from typing import Any, ClassVar, Literal, Self, SupportsIndex

from verified.contracts import ensure


class _Id(int):
    """What trace ids and span ids have in common: all but their size."""

    __slots__ = ()

    SIZE: ClassVar[int]
    _HEX: ClassVar[re.Pattern[str]]

    @ensure(lambda value, result: result == value)
    @ensure(lambda result: result.is_valid)
    def __new__(cls, value: int) -> Self:
        """Make the id with this number.

        :raises ValueError: if the number is zero, negative, or needs more bytes than
            the id has.
        :raises TypeError: if the value is not an integer.
        """
        number = index(value)
        if not 0 < number < 1 << 8 * cls.SIZE:
            raise ValueError(
                f"{cls.__name__} must be from 1 to 2**{8 * cls.SIZE} - 1, not {number:#x}; "
                f"to say that there is none, use {cls.__name__}.INVALID"
            )
        return int.__new__(cls, number)

    @classmethod
    @ensure(lambda text, result: result is None or result.to_hex() == text)
    @ensure(lambda result: result is None or result.is_valid)
    def from_hex(cls, text: str) -> Self | None:
        """Return the id that these hexadecimal digits denote.

        None unless there are exactly two digits for each byte, each one of
        ``0123456789abcdef``, and the id is not zero.
        """
        if cls._HEX.fullmatch(text) is None:
            return None
        number = int(text, 16)
        if number == 0:
            return None
        return int.__new__(cls, number)

    @classmethod
    @ensure(lambda data, result: result is None or result.to_bytes() == data)
    @ensure(lambda result: result is None or result.is_valid)
    def from_bytes(cls, data: bytes) -> Self | None:  # type: ignore[override]
        """Return the id with these bytes, most significant first.

        None unless there are exactly ``SIZE`` bytes, not all of them zero. Narrower
        than ``int.from_bytes`` on purpose: the inherited method would take bytes of
        any number, in any order, for an id.
        """
        if len(data) != cls.SIZE:
            return None
        number = int.from_bytes(data, "big")
        if number == 0:
            return None
        return int.__new__(cls, number)

    @property
    @ensure(lambda self, result: result == any(self.to_bytes()))
    def is_valid(self) -> bool:
        """Whether any byte of the id is not zero; false only for ``INVALID``."""
        return self != 0

    @ensure(lambda self, result: int(result, 16) == self and len(result) == 2 * self.SIZE)
    def to_hex(self) -> str:
        """Return the id as lowercase hexadecimal digits, two for each byte."""
        return f"{self:0{2 * self.SIZE}x}"

    @ensure(
        lambda self, length, byteorder, result: (
            int.from_bytes(result, byteorder) == self
            and len(result) == (self.SIZE if length is None else length)
        )
    )
    def to_bytes(
        self,
        length: SupportsIndex | None = None,
        byteorder: Literal["little", "big"] = "big",
        *,
        signed: bool = False,
    ) -> bytes:
        """Return the id as bytes, by default ``SIZE`` of them, most significant first.

        If they are to be ``signed``, their topmost bit is that of the sign, and zero.

        :raises OverflowError: if the id does not fit the length that was asked for.
        """
        return int.to_bytes(self, self.SIZE if length is None else length, byteorder, signed=signed)

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"{name}(0x{self.to_hex()})" if self else f"{name}.INVALID"

    def __reduce__(self) -> tuple[Any, ...]:
        # The constructor refuses zero; a copy of INVALID must not go through it.
        return int.__new__, (type(self), int(self))


class TraceId(_Id):
    """The id of a trace: 16 bytes, not all of them zero."""

    __slots__ = ()

    SIZE: ClassVar[int] = 16
    _HEX: ClassVar[re.Pattern[str]] = re.compile("[0-9a-f]{32}")
    INVALID: ClassVar["TraceId"]


class SpanId(_Id):
    """The id of a span: 8 bytes, not all of them zero."""

    __slots__ = ()

    SIZE: ClassVar[int] = 8
    _HEX: ClassVar[re.Pattern[str]] = re.compile("[0-9a-f]{16}")
    INVALID: ClassVar["SpanId"]


TraceId.INVALID = int.__new__(TraceId, 0)
SpanId.INVALID = int.__new__(SpanId, 0)
