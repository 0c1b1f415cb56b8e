"""A reader of Protocol Buffers, which knows no message: fields by number, values as they stand.

It is written from the format ("Encoding") and shares nothing with the code that writes, as does the
varint that is for what readers are asked.
"""

from __future__ import annotations

Message = dict[int, list[int | bytes]]


def read(data: bytes, *, canonical: bool = True) -> Message:
    """The fields of a message.

    :raises ValueError: if the bytes are no message; if they are to be canonical, also for a
        varint that is longer than it need be, and fields that are not in the order of their
        numbers.
    """
    message: Message = {}
    at = 0
    while at < len(data):
        key, at = _varint(data, at, canonical)
        field, wire_type = key >> 3, key & 7
        value: int | bytes
        if field == 0 or (canonical and field < max(message, default=0)):
            raise ValueError(f"the field {field} at {at}")
        if wire_type == 0:
            value, at = _varint(data, at, canonical)
        elif wire_type in (1, 2, 5):
            size = {1: 8, 5: 4}.get(wire_type, 0)
            if wire_type == 2:
                size, at = _varint(data, at, canonical)
            if at + size > len(data):
                raise ValueError(f"{size} bytes at {at}, where there are {len(data) - at}")
            octets = data[at : at + size]
            at += size
            value = octets if wire_type == 2 else int.from_bytes(octets, "little")
        else:
            raise ValueError(f"the wire type {wire_type} at {at}")
        message.setdefault(field, []).append(value)
    return message


def varint(number: int) -> bytes:
    """An unsigned integer as a varint, which has no more octets than it needs."""
    octets = [number >> place & 0x7F | 0x80 for place in range(0, max(number.bit_length(), 1), 7)]
    octets[-1] &= 0x7F
    return bytes(octets)


def _varint(data: bytes, at: int, canonical: bool) -> tuple[int, int]:
    number = 0
    for place in range(10):
        if at + place >= len(data):
            raise ValueError("a varint that does not end")
        octet = data[at + place]
        number |= (octet & 0x7F) << 7 * place
        if octet < 0x80:
            if (canonical and octet == 0 and place > 0) or number >> 64:
                raise ValueError(f"the varint at {at}")
            return number, at + place + 1
    raise ValueError(f"the varint at {at}")
