"""Claims about the wire format of Protocol Buffers ("Encoding").

What is written is read back by readers that are written here, byte by byte, as the format
says, and that take bytes which end too early or go on too long for no number at all.
"""

import math

from verified.otlp import protobuf
from verified.otlp.protobuf import I32, I64, LEN, VARINT

from ..claim import Constant, Fault, claim
from ..contracts import fresh_import
from ..domains import Int64, Uint64
from ..verdict import Verdict


def read_varint(data: bytes) -> int | None:
    """The number that all of these bytes are the varint of; None if they are not one."""
    if len(data) == 0:
        return None
    if data[0] < 128:
        return data[0] if len(data) == 1 else None
    rest = read_varint(data[1:])
    return None if rest is None else data[0] - 128 + 128 * rest


def size_of_varint(data: bytes) -> int:
    """How many bytes the varint has with which these bytes begin; all if it does not end."""
    if len(data) > 1 and data[0] >= 128:
        return 1 + size_of_varint(data[1:])
    return 1


@claim(
    "The varint of every unsigned number of 64 bits has from 1 to 10 bytes and is read back as "
    "this number, and of all varints that are it has the fewest bytes",
    subject=protobuf.varint,
)
def varints_are_read_back(number: Uint64) -> bool:
    data = protobuf.varint(number)
    minimal = len(data) == 1 or data[-1] != 0
    return 1 <= len(data) <= 10 and read_varint(data) == number and minimal


@claim(
    "A varint is a byte longer from each power of 128 on, up to ten bytes from 2**63 on",
    subject=protobuf.varint,
)
def varints_grow_at_powers_of_128(number: Uint64) -> bool:
    size = len(protobuf.varint(number))
    return (
        (size > 1) == (number >= 1 << 7)
        and (size > 2) == (number >= 1 << 14)
        and (size > 3) == (number >= 1 << 21)
        and (size > 4) == (number >= 1 << 28)
        and (size > 5) == (number >= 1 << 35)
        and (size > 6) == (number >= 1 << 42)
        and (size > 7) == (number >= 1 << 49)
        and (size > 8) == (number >= 1 << 56)
        and (size > 9) == (number >= 1 << 63)
    )


@claim(
    "A signed number of 64 bits is the varint of its two's complement: the number itself, or, if "
    "it is negative, 2**64 more than it",
    subject=protobuf.int64,
)
def signed_numbers_are_read_back(number: Int64) -> bool:
    read = read_varint(protobuf.int64(number))
    return read == (number if number >= 0 else number + (1 << 64))


@claim(
    "A tag has the field number and the wire type, and nothing else",
    subject=protobuf.tag,
)
def tags_are_read_back(field: Uint64) -> bool:
    if not 1 <= field < 1 << 29:
        return True
    return (
        read_varint(protobuf.tag(field, VARINT)) == 8 * field
        and read_varint(protobuf.tag(field, I64)) == 8 * field + 1
        and read_varint(protobuf.tag(field, LEN)) == 8 * field + 2
        and read_varint(protobuf.tag(field, I32)) == 8 * field + 5
    )


@claim(
    "What stands before the bytes of a field is its tag, of wire type LEN, and the number of bytes "
    "as a varint, however many there are",
    subject=(protobuf.prefix, protobuf.tag, protobuf.varint),
)
def prefixes_are_read_back(field: Uint64, size: Uint64) -> bool:
    if not 1 <= field < 1 << 29:
        return True
    data = protobuf.prefix(field, size)
    split = size_of_varint(data)
    if split == 1:
        return read_varint(data[:1]) == 8 * field + 2 and read_varint(data[1:]) == size
    if split == 2:
        return read_varint(data[:2]) == 8 * field + 2 and read_varint(data[2:]) == size
    if split == 3:
        return read_varint(data[:3]) == 8 * field + 2 and read_varint(data[3:]) == size
    if split == 4:
        return read_varint(data[:4]) == 8 * field + 2 and read_varint(data[4:]) == size
    return read_varint(data[:5]) == 8 * field + 2 and read_varint(data[5:]) == size


@claim(
    "Numbers of fixed size have 8 or 4 bytes, least significant first",
    subject=(protobuf.fixed64, protobuf.fixed32),
)
def fixed_numbers_are_read_back(number: Uint64) -> bool:
    wide, low = protobuf.fixed64(number), number % (1 << 32)
    narrow = protobuf.fixed32(low)
    return (
        len(wide) == 8
        and wide[0] == number % 256
        and int.from_bytes(wide, "little") == number
        and len(narrow) == 4
        and narrow[0] == number % 256
        and int.from_bytes(narrow, "little") == low
    )


@claim(
    "A double has sign, exponent and fraction at the bits of IEEE 754, least significant byte "
    "first; a number that is none stays none, and a zero keeps its sign",
    subject=Constant("verified.otlp.protobuf", "DOUBLE"),
    required=Verdict.TESTED,
    engines=("fuzz",),
    fault=Fault("verified.otlp.protobuf", 'Struct("<d")', 'Struct(">d")'),
)
def doubles_are_ieee_754(number: float) -> bool:
    module = fresh_import(contracts=False)["verified.otlp.protobuf"]
    bits = int.from_bytes(module.DOUBLE.pack(number), "little")
    sign, exponent, fraction = bits >> 63, bits >> 52 & 0x7FF, bits & (1 << 52) - 1
    if exponent == 0x7FF:
        expected = math.inf if fraction == 0 else math.nan
    else:
        # Numbers below the least exponent have no leading one.
        leading = 1 << 52 if exponent > 0 else 0
        expected = math.ldexp(leading + fraction, max(exponent, 1) - 1075)
    if number != number:
        return expected != expected
    return abs(number) == expected and (sign == 1) == str(number).startswith("-")
