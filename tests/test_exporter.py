"""The OTLP exporter against receivers on real sockets, which misbehave."""

import gzip
import logging
import ssl
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.receivers import (
    Act,
    Drip,
    HttpReceiver,
    Reply,
    Reset,
    Silence,
    grpc_receiver,
    http_receiver,
    names,
    partial_success,
)
from verified.exporter.batching import Returned
from verified.exporter.outcome import FAILURE, SUCCESS, UNKNOWN
from verified.otel.exporter import VerifiedOTLPSpanExporter
from verified.otel.processor import VerifiedBatchSpanProcessor
from verified.otlp.answer import MAX_RESPONSE
from verified.otlp.exporter import Counters
from verified.otlp.protobuf import varint

QUICK: Any = {"timeout_millis": 300, "first_backoff_millis": 5, "longest_backoff_millis": 10}
PATIENT: Any = {**QUICK, "timeout_millis": 20_000}
PROTOBUF = ("content-type", "application/x-protobuf")


def spans(*wanted: str) -> Sequence[ReadableSpan]:
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    for name in wanted:
        provider.get_tracer("test").start_span(name).end()
    return memory.get_finished_spans()


TWO = spans("a", "b")


def sent_to(receiver: HttpReceiver, **arguments: Any) -> tuple[VerifiedOTLPSpanExporter, Returned]:
    exporter = VerifiedOTLPSpanExporter(receiver.endpoint, **{**PATIENT, **arguments})
    return exporter, exporter.returned(TWO)


answers = st.builds(
    Reply,
    st.sampled_from([200, 202, 301, 302, 400, 404, 429, 500, 502, 503, 504]),
    st.lists(
        st.sampled_from(
            [
                PROTOBUF,
                ("content-type", "text/html"),
                ("retry-after", "0"),
                ("retry-after", "soon"),
                ("content-encoding", "gzip"),
                ("location", "/elsewhere"),
            ]
        ),
        unique_by=lambda pair: pair[0],
    ).map(tuple),
    st.sampled_from([b"", b"\x0a", b"text", partial_success(1, "no"), gzip.compress(b"")]),
    st.none(),
)
acts: st.SearchStrategy[Act] = st.one_of(
    answers,
    st.builds(Reply, st.just(200), st.just(()), st.just(b"short"), st.just(100)),
    st.builds(Reset, st.none() | st.integers(1, 300)),
    st.just(Silence()),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(acts, max_size=4), st.booleans())
def test_what_is_called_exported_is_what_was_accepted(script: list[Act], is_gzip: bool) -> None:
    compression = "gzip" if is_gzip else "none"
    with http_receiver(*script) as receiver:
        exporter = VerifiedOTLPSpanExporter(receiver.endpoint, compression=compression, **QUICK)
        returned = exporter.returned(TWO)
        exporter.shutdown()
        accepted = [each for each in receiver.received if each.is_accepted]
        lost = [each for each in receiver.received if not isinstance(each.act, Reply)]
        broken = [each for each in accepted if isinstance(each.act, Reply) and each.act.length]
    counts = exporter.counters
    assert counts.exported + counts.rejected + counts.failed + counts.unknown == len(TWO)
    assert counts.retries == counts.attempts - 1
    assert all(each.spans == ("a", "b") for each in receiver.received)
    assert all(each.target == "/v1/traces" for each in receiver.received)
    assert len(receiver.received) <= counts.attempts
    if returned.outcome == SUCCESS:
        assert len(accepted) - len(broken) == 1
        assert counts.exported + counts.rejected == 2
    elif returned.outcome == FAILURE:
        assert not accepted
        assert not lost
    else:
        assert len(accepted) == len(broken)


@pytest.mark.parametrize(
    "status", [300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 413, 500, 501]
)
def test_no_other_status_is_retried_or_followed(status: int) -> None:
    with http_receiver(Reply(status, (("location", "/elsewhere"),))) as receiver:
        exporter, returned = sent_to(receiver)
        assert returned == Returned(FAILURE)
        assert len(receiver.received) == exporter.counters.attempts == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_these_are_retried(status: int) -> None:
    with http_receiver(Reply(status), Reply(status, (("retry-after", "0"),))) as receiver:
        exporter, returned = sent_to(receiver)
        assert returned == Returned(SUCCESS)
        assert exporter.counters == Counters(attempts=3, retries=2, exported=2)


def test_a_delay_beyond_the_deadline_is_not_waited_for() -> None:
    with http_receiver(Reply(503, (("retry-after", "3600"),))) as receiver:
        exporter, returned = sent_to(receiver)
        assert returned == Returned(FAILURE)
        assert exporter.counters == Counters(failed=2, attempts=1)


def test_spans_that_a_partial_success_rejects_are_counted_and_not_sent_again() -> None:
    with http_receiver(Reply(200, (PROTOBUF,), partial_success(1, "too old"))) as receiver:
        exporter, returned = sent_to(receiver)
        assert returned == Returned(SUCCESS, rejected=1)
        assert exporter.counters == Counters(exported=1, rejected=1, attempts=1)
        assert len(receiver.received) == 1


def test_the_processor_keeps_what_was_rejected() -> None:
    with http_receiver(Reply(200, (PROTOBUF,), partial_success(1))) as receiver:
        processor = VerifiedBatchSpanProcessor(VerifiedOTLPSpanExporter(receiver.endpoint))
        for span in TWO:
            processor.on_end(span)
        processor.shutdown()
        assert (processor.state.exported, processor.state.rejected) == (1, 1)


@pytest.mark.parametrize("act", [Drip(), Silence()])
def test_an_answer_that_does_not_end_is_given_up(act: Act) -> None:
    found: list[Returned] = []
    with http_receiver(act) as receiver:
        exporter = VerifiedOTLPSpanExporter(receiver.endpoint, **{**PATIENT, "timeout_millis": 200})
        thread = threading.Thread(target=lambda: found.append(exporter.returned(TWO)), daemon=True)
        thread.start()
        # An exporter whose deadline is broken waits for ever.
        thread.join(20)
        assert found == [Returned(UNKNOWN)]
        assert exporter.counters.unknown == 2
        assert len(receiver.received) == 1


@pytest.mark.parametrize("own", [0, 20_000])
def test_the_processor_has_an_export_given_up(own: int) -> None:
    with http_receiver(Silence()) as receiver:
        exporter = VerifiedOTLPSpanExporter(receiver.endpoint, timeout_millis=own)
        processor = VerifiedBatchSpanProcessor(exporter, export_timeout_millis=100)
        for span in TWO:
            processor.on_end(span)
        assert processor.force_flush()
        assert processor.state.unknown == exporter.counters.unknown == 2
        assert len(receiver.received) == 1
        processor.shutdown()


def test_an_answer_that_is_too_large_is_not_read_on_and_not_sent_again() -> None:
    with http_receiver(Reply(200, (PROTOBUF,), bytes(4 * 1024 * 1024 + 1))) as receiver:
        _, returned = sent_to(receiver)
        assert returned == Returned(UNKNOWN)
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    with http_receiver(Reply(503, (("content-encoding", "gzip"),), bomb)) as receiver:
        _, returned = sent_to(receiver)
        assert returned == Returned(FAILURE)
        assert len(receiver.received) == 1


def test_headers_are_those_of_otlp_and_those_given() -> None:
    with http_receiver() as receiver:
        given_headers = {"Authorization": "Basic 12345", "content-type": "text/plain"}
        sent_to(receiver, headers=given_headers, compression="gzip")
        (received,) = receiver.received
    assert received.headers["content-type"] == "application/x-protobuf"
    assert received.headers["content-encoding"] == "gzip"
    assert received.headers["authorization"] == "Basic 12345"
    assert received.headers["user-agent"].startswith("verified-otlp-exporter-python/")


def test_nobody_there_is_tried_again_until_somebody_is() -> None:
    first = HttpReceiver()
    first.close()
    found: list[Returned] = []
    exporter = VerifiedOTLPSpanExporter(first.endpoint, **PATIENT)
    thread = threading.Thread(target=lambda: found.append(exporter.returned(TWO)))
    thread.start()
    again = HttpReceiver(port=first.port)
    try:
        thread.join()
        assert found == [Returned(SUCCESS)]
        assert [each.spans for each in again.received] == [("a", "b")]
    finally:
        again.close()


def test_nobody_there_at_all_is_a_failure() -> None:
    receiver = HttpReceiver()
    receiver.close()
    exporter, returned = sent_to(receiver, timeout_millis=100)
    assert returned == Returned(FAILURE)
    assert exporter.counters.failed == 2


def test_shutdown_ends_the_wait_and_nothing_is_sent_after_it() -> None:
    asked = threading.Event()

    class Asking(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            asked.set()

    found: list[Returned] = []
    with http_receiver(Reply(503, (("retry-after", "10"),))) as receiver:
        exporter = VerifiedOTLPSpanExporter(receiver.endpoint, **PATIENT)
        thread = threading.Thread(target=lambda: found.append(exporter.returned(TWO)))
        thread.start()
        while not receiver.received:
            asked.wait(0.01)
        exporter.shutdown()
        exporter.shutdown()
        thread.join()
        assert found == [Returned(FAILURE)]
        assert exporter.export(TWO) is SpanExportResult.FAILURE
        assert len(receiver.received) == 1


def test_shutdown_ends_an_attempt_that_would_never_end() -> None:
    found: list[Returned] = []
    with http_receiver(Silence()) as receiver:
        exporter = VerifiedOTLPSpanExporter(receiver.endpoint, timeout_millis=0)
        thread = threading.Thread(target=lambda: found.append(exporter.returned(TWO)), daemon=True)
        thread.start()
        while not receiver.received:
            thread.join(0.01)
        exporter.shutdown()
        thread.join(30)
        assert found == [Returned(UNKNOWN)]
    assert exporter.counters.unknown == 2


def test_what_becomes_of_spans_is_told_to_a_meter_provider() -> None:
    reader = InMemoryMetricReader()
    answers = Reply(200, (PROTOBUF,), partial_success(1)), Reply(400)
    with http_receiver(*answers) as receiver:
        exporter = VerifiedOTLPSpanExporter(
            receiver.endpoint, meter_provider=MeterProvider([reader])
        )
        exporter.export(TWO)
        exporter.export(TWO)
    data = reader.get_metrics_data()
    assert data is not None
    (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
    assert metric.name == "otel.sdk.exporter.span.exported"
    found = {}
    for point in metric.data.data_points:
        assert isinstance(point, NumberDataPoint)
        assert point.attributes is not None
        assert point.attributes["otel.component.type"] == "otlp_http_span_exporter"
        found[point.attributes.get("error.type")] = point.value
    assert found == {None: 1, "rejected": 1, "failed": 2}


def test_nothing_is_sent_for_no_spans() -> None:
    with http_receiver() as receiver:
        exporter = VerifiedOTLPSpanExporter(receiver.endpoint)
        assert exporter.export(()) is SpanExportResult.SUCCESS
        assert not receiver.received


def test_a_request_that_is_too_large_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verified.otlp.http.MAX_REQUEST", 10)
    with http_receiver() as receiver:
        exporter, returned = sent_to(receiver)
        assert returned == Returned(FAILURE)
        assert not receiver.received
        assert exporter.counters == Counters(attempts=1, failed=2)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_tls(authority: trustme.CA, client: trustme.CA | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    if client is not None:
        client.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def pem(folder: Path, name: str, *blobs: trustme.Blob) -> str:
    path = folder / name
    path.write_bytes(b"".join(blob.bytes() for blob in blobs))
    return str(path)


def test_certificates_of_both_sides_are_checked(authority: trustme.CA, tmp_path: Path) -> None:
    client = authority.issue_cert("client@example.org")
    trust = pem(tmp_path, "ca.pem", authority.cert_pem)
    key = pem(tmp_path, "key.pem", client.private_key_pem)
    chain = pem(tmp_path, "client.pem", *client.cert_chain_pems)
    with http_receiver(tls=server_tls(authority, authority)) as receiver:
        _, returned = sent_to(
            receiver, certificate_file=trust, client_key_file=key, client_certificate_file=chain
        )
        assert returned == Returned(SUCCESS)
        assert len(receiver.received) == 1
    stranger = pem(tmp_path, "stranger.pem", trustme.CA().cert_pem)
    with http_receiver(tls=server_tls(authority)) as receiver:
        exporter, returned = sent_to(receiver, certificate_file=stranger, timeout_millis=100)
        assert returned == Returned(FAILURE)
        assert exporter.counters.failed == 2
        assert not receiver.received


FORKED = """
import os, sys
from opentelemetry.sdk.trace import TracerProvider
from verified.otel.exporter import VerifiedOTLPSpanExporter
from verified.otel.processor import VerifiedBatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(VerifiedBatchSpanProcessor(VerifiedOTLPSpanExporter(sys.argv[1])))
tracer = provider.get_tracer("test")
tracer.start_span("before").end()
provider.force_flush()
tracer.start_span("kept").end()
child = os.fork()
tracer.start_span("parent" if child else "child").end()
if child:
    os.waitpid(child, 0)
provider.force_flush()
if not child:
    os._exit(0)
"""

TERMINATED = """
import signal, sys
from opentelemetry.sdk.trace import TracerProvider
from verified.otel.exporter import VerifiedOTLPSpanExporter
from verified.otel.processor import VerifiedBatchSpanProcessor

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
provider = TracerProvider()
provider.add_span_processor(VerifiedBatchSpanProcessor(VerifiedOTLPSpanExporter(sys.argv[1])))
for name in ("a", "b", "c"):
    provider.get_tracer("test").start_span(name).end()
print("ready", flush=True)
signal.pause()
"""


def test_parent_and_child_of_a_fork_send_their_own_spans_once() -> None:
    with http_receiver() as receiver:
        subprocess.run([sys.executable, "-c", FORKED, receiver.endpoint], check=True)
        came = {name: each.connection for each in receiver.received for name in each.spans}
        received = sorted(name for each in receiver.received for name in each.spans)
    assert received == ["before", "child", "kept", "parent"]
    assert came["before"] == came["parent"] != came["child"]


def test_what_is_left_when_the_process_is_terminated_is_sent() -> None:
    with http_receiver() as receiver:
        command = [sys.executable, "-c", TERMINATED, receiver.endpoint]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            process.terminate()
            assert process.wait() == 0
        assert [name for each in receiver.received for name in each.spans] == ["a", "b", "c"]


def grpc_exporter(endpoint: str, **arguments: Any) -> VerifiedOTLPSpanExporter:
    return VerifiedOTLPSpanExporter(endpoint, protocol="grpc", **{**PATIENT, **arguments})


def refusing(code: grpc.StatusCode, times: int, retry_info: bool = False) -> Any:
    """A receiver that answers so many times with a status, and then accepts; and its requests."""
    received: list[tuple[str, ...]] = []

    def answering(request: bytes, context: grpc.ServicerContext) -> bytes:
        received.append(names(request))
        if len(received) > times:
            return b""
        if retry_info:
            detail = any_pb2.Any()
            detail.Pack(error_details_pb2.RetryInfo())
            status = status_pb2.Status(code=code.value[0], message="later", details=[detail])
            context.set_trailing_metadata(
                (("grpc-status-details-bin", status.SerializeToString()),)
            )
        context.abort(code, "later")
        raise AssertionError

    return answering, received


RETRYABLE = {
    *(grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.ABORTED),
    *(grpc.StatusCode.OUT_OF_RANGE, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DATA_LOSS),
}


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.value[0]])
def test_grpc_statuses_are_retried_or_not(code: grpc.StatusCode) -> None:
    answering, received = refusing(code, 2)
    with grpc_receiver(answering) as endpoint:
        exporter = grpc_exporter(endpoint)
        returned = exporter.returned(TWO)
        exporter.shutdown()
    if code in RETRYABLE:
        assert returned == Returned(SUCCESS)
        assert received == [("a", "b")] * 3
    else:
        assert returned == Returned(FAILURE)
        assert received == [("a", "b")]


def test_resource_exhausted_is_retried_if_the_receiver_says_when() -> None:
    answering, received = refusing(grpc.StatusCode.RESOURCE_EXHAUSTED, 2, retry_info=True)
    with grpc_receiver(answering) as endpoint:
        exporter = grpc_exporter(endpoint, compression="gzip")
        assert exporter.returned(TWO) == Returned(SUCCESS)
        exporter.shutdown()
    assert len(received) == 3


def test_a_partial_success_over_grpc_is_counted() -> None:
    with grpc_receiver(lambda request, context: partial_success(2, "no")) as endpoint:
        exporter = grpc_exporter(endpoint)
        assert exporter.returned(TWO) == Returned(SUCCESS, rejected=2)
        assert exporter.counters == Counters(rejected=2, attempts=1)
        exporter.shutdown()


def test_a_grpc_receiver_that_never_answers_is_given_up() -> None:
    released = threading.Event()

    def answering(request: bytes, context: grpc.ServicerContext) -> bytes:
        released.wait()
        return b""

    with grpc_receiver(answering) as endpoint:
        exporter = grpc_exporter(endpoint, timeout_millis=200)
        assert exporter.returned(TWO) == Returned(UNKNOWN)
        exporter.shutdown()
        released.set()


@pytest.mark.parametrize(
    ("size", "returned"), [(MAX_RESPONSE, SUCCESS), (MAX_RESPONSE + 1, UNKNOWN)]
)
def test_a_grpc_answer_that_is_too_large_is_not_read_and_not_sent_again(
    size: int, returned: int
) -> None:
    received: list[tuple[str, ...]] = []
    # One field that is not known, so that it is a response.
    prefix = b"\x7a" + varint(size - 5)
    body = prefix + bytes(size - len(prefix))

    def answering(request: bytes, context: grpc.ServicerContext) -> bytes:
        received.append(names(request))
        return body

    with grpc_receiver(answering) as endpoint:
        exporter = grpc_exporter(endpoint)
        assert exporter.returned(TWO) == Returned(returned)
        exporter.shutdown()
    assert received == [("a", "b")]


def test_a_grpc_receiver_that_finds_a_request_too_large_does_not_have_it() -> None:
    text = f"SERVER: Received message larger than max (5000000 vs. {MAX_RESPONSE})"

    def answering(request: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
        raise AssertionError

    with grpc_receiver(answering) as endpoint:
        exporter = grpc_exporter(endpoint)
        assert exporter.returned(TWO) == Returned(FAILURE)
        exporter.shutdown()


def test_no_grpc_receiver_is_a_failure() -> None:
    gone = HttpReceiver()
    gone.close()
    exporter = grpc_exporter(f"http://127.0.0.1:{gone.port}", timeout_millis=200)
    assert exporter.returned(TWO) == Returned(FAILURE)
    exporter.shutdown()


def test_grpc_with_tls_and_metadata(authority: trustme.CA, tmp_path: Path) -> None:
    found: list[dict[str, str | bytes]] = []

    def answering(request: bytes, context: grpc.ServicerContext) -> bytes:
        found.append(dict(context.invocation_metadata()))
        return b""

    certificate = authority.issue_cert("127.0.0.1")
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    pair = [(certificate.private_key_pem.bytes(), chain)]
    with grpc_receiver(answering, grpc.ssl_server_credentials(pair)) as endpoint:
        trust = pem(tmp_path, "ca.pem", authority.cert_pem)
        exporter = grpc_exporter(endpoint, certificate_file=trust, headers={"X-Key": "1"})
        assert exporter.returned(TWO) == Returned(SUCCESS)
        exporter.shutdown()
        stranger = pem(tmp_path, "stranger.pem", trustme.CA().cert_pem)
        exporter = grpc_exporter(endpoint, certificate_file=stranger, timeout_millis=100)
        assert exporter.returned(TWO).outcome != SUCCESS
        exporter.shutdown()
    (metadata,) = found
    assert metadata["x-key"] == "1"
    assert str(metadata["user-agent"]).startswith("verified-otlp-exporter-python/")
