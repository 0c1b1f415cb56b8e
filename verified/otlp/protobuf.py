"""The wire format of Protocol Buffers ("Encoding"), as much of it as OTLP needs.

    message = *( tag value )
    tag     = varint            ; field number << 3 | wire type
    value   = varint            ; wire type 0, VARINT
            / 8OCTET            ; wire type 1, I64, least significant first
            / varint *OCTET     ; wire type 2, LEN: the number of octets, then these
            / 4OCTET            ; wire type 5, I32, least significant first
    varint  = *9( %x80-FF ) %x00-7F     ; seven bits each, least significant first

Everything here is a function of its arguments alone. What a field is worth leaving out,
because its value is the default one, is for the callers to say.
"""

import struct
from typing import Final

from verified.contracts import ensure, require

VARINT: Final = 0
I64: Final = 1
LEN: Final = 2
I32: Final = 5

DOUBLE: Final = struct.Struct("<d")
"""Packs a number of IEEE 754 double precision into 8 bytes ("Non-varint Numbers")."""


@ensure(lambda value, result: (len(result) == 1) == (value < 128))
@ensure(lambda result: 1 <= len(result) <= 10 and result[-1] < 128)
@require(lambda value: 0 <= value < 1 << 64)
def varint(value: int) -> bytes:
    """Return an unsigned number of 64 bits in as few bytes as hold it ("Base 128 Varints").

    :raises OverflowError: if the number is negative.
    """
    if value < 0x80:
        return int.to_bytes(value, 1, "little")
    return int.to_bytes(value & 0x7F | 0x80, 1, "little") + varint(value >> 7)


@ensure(lambda value, result: (len(result) == 10) == (value < 0))
@require(lambda value: -1 << 63 <= value < 1 << 63)
def int64(value: int) -> bytes:
    """Return a signed number of 64 bits, in two's complement ("More Integer Types").

    It has 10 bytes if it is negative. Of a number beyond 64 bits the lowest 64 are written.
    """
    return varint(value & 0xFFFF_FFFF_FFFF_FFFF)


@ensure(lambda field, result: (len(result) == 1) == (field < 16))
@ensure(lambda wire_type, result: result[0] % 8 == wire_type)
@require(lambda field, wire_type: 1 <= field < 1 << 29 and wire_type in (VARINT, I64, LEN, I32))
def tag(field: int, wire_type: int) -> bytes:
    """Return what stands before the value of a field ("Message Structure").

    That is its number, from 1 to 2**29 - 1, and its wire type.

    :raises OverflowError: if the number is negative.
    """
    return varint(field << 3 | wire_type)


@ensure(lambda field, size, result: (len(result) == 2) == (field < 16 and size < 128))
@require(lambda field, size: 1 <= field < 1 << 29 and 0 <= size < 1 << 64)
def prefix(field: int, size: int) -> bytes:
    """Return what stands before the bytes of a field of wire type LEN, if it has so many.

    :raises OverflowError: if the number of the field or that of the bytes is negative.
    """
    return tag(field, LEN) + varint(size)


@ensure(lambda result: len(result) == 8)
@require(lambda value: 0 <= value < 1 << 64)
def fixed64(value: int) -> bytes:
    """Return an unsigned number of 64 bits in 8 bytes ("Non-varint Numbers").

    :raises OverflowError: if the number is negative, or 2**64 or more.
    """
    return int.to_bytes(value, 8, "little")


@ensure(lambda result: len(result) == 4)
@require(lambda value: 0 <= value < 1 << 32)
def fixed32(value: int) -> bytes:
    """Return an unsigned number of 32 bits in 4 bytes ("Non-varint Numbers").

    :raises OverflowError: if the number is negative, or 2**32 or more.
    """
    return int.to_bytes(value, 4, "little")
