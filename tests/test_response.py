"""What receivers say in protobuf is read as protobuf's own parser reads it."""

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as Detail
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from verified.exporter.retry import LONGEST_DELAY
from verified.otlp.response import PartialSuccess, partial_success, retry_delay

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
INT64 = st.integers(-(1 << 63), (1 << 63) - 1) | st.sampled_from([0, 1, -1, 127, 128])
INT32 = st.integers(-(1 << 31), (1 << 31) - 1)


def number(value: int, size: int = 0) -> bytes:
    """A varint, of so many bytes at least."""
    octets = bytearray()
    while value > 0x7F or len(octets) + 1 < size:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(octets) + bytes([value])


def field(key: int, wire_type: int, content: bytes) -> bytes:
    return number(key << 3 | wire_type) + content


def sized(content: bytes) -> bytes:
    return number(len(content)) + content


KEYS = st.integers(1, 5) | st.sampled_from([15, 16, 2047, (1 << 29) - 1])
VARINTS = st.builds(number, st.integers(0, (1 << 64) - 1), st.integers(0, 10))
SIMPLE = st.one_of(
    st.builds(field, KEYS, st.just(0), VARINTS),
    st.builds(field, KEYS, st.just(1), st.binary(min_size=8, max_size=8)),
    st.builds(field, KEYS, st.just(2), st.binary(max_size=6).map(sized)),
    st.builds(field, KEYS, st.just(5), st.binary(min_size=4, max_size=4)),
)
# Fields that the message may not know, or of another wire type than it knows.
FIELDS = SIMPLE | st.builds(
    lambda key, inner: field(key, 3, inner) + field(key, 4, b""),
    KEYS,
    st.lists(SIMPLE, max_size=2).map(b"".join),
)


def mixed(message: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """A message that may come in pieces, with other fields between them."""
    return st.lists(message | FIELDS, max_size=4).map(b"".join)


@st.composite
def mutated(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Bytes of which some were changed, left out or put in."""
    data = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(data)


def written(build: Callable[..., Any], *values: st.SearchStrategy[Any]) -> Any:
    return st.builds(lambda *drawn: build(*drawn).SerializeToString(), *values)


PARTIAL = mixed(
    written(lambda n, s: ExportTracePartialSuccess(rejected_spans=n, error_message=s), INT64, TEXTS)
)
RESPONSES = mixed(PARTIAL.map(lambda partial: field(1, 2, sized(partial))))

DURATION = mixed(written(lambda s, n: Duration(seconds=s, nanos=n), INT64, INT32))
RETRY_INFO = mixed(DURATION.map(lambda duration: field(1, 2, sized(duration))))
TYPES = st.sampled_from(
    [
        *("type.googleapis.com/google.rpc.RetryInfo", "/google.rpc.RetryInfo"),
        *("google.rpc.RetryInfo", "a/b/google.rpc.RetryInfo", "/google.rpc.RetryInfo2", ""),
    ]
)
DETAILS = mixed(
    written(lambda t, v: Detail(type_url=t, value=v), TYPES, RETRY_INFO)
    | written(lambda s: Detail(type_url="/google.rpc.ErrorInfo", value=s), st.binary(max_size=3))
)
STATUSES = mixed(
    DETAILS.map(lambda detail: field(3, 2, sized(detail)))
    | written(lambda c, m: Status(code=c, message=m), INT32, TEXTS)
)


def protobufs_partial_success(data: bytes) -> PartialSuccess | None:
    try:
        read = ExportTraceServiceResponse.FromString(data).partial_success
    except DecodeError:
        return None
    return PartialSuccess(read.rejected_spans, read.error_message)


def protobufs_retry_delay(data: bytes) -> int:
    try:
        details = Status.FromString(data).details
    except DecodeError:
        return -1
    for detail in details:
        if detail.Is(RetryInfo.DESCRIPTOR):
            try:
                delay = RetryInfo.FromString(detail.value).retry_delay
            except DecodeError:
                continue
            nanos = delay.seconds * 1_000_000_000 + delay.nanos
            millis: int = -(-nanos // 1_000_000)
            return min(max(millis, 0), LONGEST_DELAY)
    return -1


def may_have_a_nameless_field(data: bytes) -> bool:
    """Whether there may be a field 0 in a group: protobuf skips it, though no field is 0."""
    return any(octet & 7 == 3 for octet in data) and any(octet < 8 for octet in data)


@settings(max_examples=500)
@given(RESPONSES)
@example(field(1, 2, sized(field(2, 2, sized(b"\xff")) + field(2, 2, sized(b"a")))))
@example(field(1, 2, sized(field(1, 5, bytes(4)))))
@example(field(1, 2, sized(b"\x12")) + field(1, 2, sized(b"\x01a")))
@example(number(1 << 3, 6) + b"\x00")
@example(number(1 << 3, 5) + b"\x00")
@example(field(1, 2, number(0, 6)))
def test_a_response_is_read_as_protobuf_reads_it(data: bytes) -> None:
    assert partial_success(data) == protobufs_partial_success(data)


@settings(max_examples=500)
@given(STATUSES)
@example(field(2, 2, sized(b"\xff")))
def test_a_status_is_read_as_protobuf_reads_it(data: bytes) -> None:
    assert retry_delay(data) == protobufs_retry_delay(data)


@settings(max_examples=1000)
@given(mutated(RESPONSES) | st.binary(max_size=24))
def test_what_is_no_response_is_so_to_both(data: bytes) -> None:
    found, expected = partial_success(data), protobufs_partial_success(data)
    assert found == expected or (found is None and may_have_a_nameless_field(data))


@settings(max_examples=1000)
@given(mutated(STATUSES) | st.binary(max_size=24))
def test_what_is_no_status_is_so_to_both(data: bytes) -> None:
    found, expected = retry_delay(data), protobufs_retry_delay(data)
    assert found == expected or (found == -1 and may_have_a_nameless_field(data))


def packed(*messages: Any) -> bytes:
    status = Status(code=8, message="later")
    for message in messages:
        status.details.add().Pack(message)
    data: bytes = status.SerializeToString()
    return data


@pytest.mark.parametrize(
    ("status", "millis"),
    [
        (packed(RetryInfo(retry_delay=Duration(seconds=2, nanos=1))), 2001),
        (packed(ErrorInfo(reason="x"), RetryInfo(retry_delay=Duration(nanos=-5))), 0),
        (packed(RetryInfo(), RetryInfo(retry_delay=Duration(seconds=1))), 0),
        (packed(ErrorInfo(reason="x")), -1),
        (packed(), -1),
    ],
)
def test_the_first_retry_info_counts(status: bytes, millis: int) -> None:
    assert retry_delay(status) == protobufs_retry_delay(status) == millis
