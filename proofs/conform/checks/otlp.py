"""OTLP, as a receiver sees it: what is sent, what is sent again, and when.

Receivers are the checker's own (``setting``), and several are sent to at the same time. How
long a target waits is judged from below, and from above only where it has a limit of its own
that is far smaller.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from statistics import mean
from typing import Any

from hypothesis import strategies as st

from ... import wire
from ..check import Deviation, Judge, check, raised, wants
from ..receiver import content
from ..target import Arguments

HTTP = ("otlp.http.export", "otlp.json.export")
PROTOBUF = ("otlp.http.export",)
JSON = ("otlp.json.export",)
GRPC = ("otlp.grpc.export",)

Request = Mapping[str, Any]
Act = Mapping[str, Any]
Results = Sequence[Mapping[str, Any]]
"""What the target says of each batch that it exported to one receiver."""

ONE = [[{"name": "s"}]]
"""One batch with one span."""

RETRYABLE = (429, 502, 503, 504)

_REGISTERED = (
    *(400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421),
    *(422, 423, 424, 425, 426, 428, 431, 451, 500, 501, 505, 506, 507, 508, 511),
)
_UNREGISTERED = sorted(set(range(400, 600)) - {*_REGISTERED, *RETRYABLE, 407})


def exports(
    scripts: Sequence[Sequence[Act]], batches: Any = None, opens: float = 0, **options: Any
) -> Arguments:
    """Arguments of an export to a receiver over HTTP for each of these scripts."""
    opening = {"opens": opens} if opens else {}
    return {
        "receivers": [{"acts": list(acts), **opening} for acts in scripts],
        "endpoints": [f"http://receiver-{number}/v1/traces" for number in range(len(scripts))],
        "batches": ONE if batches is None else batches,
        **options,
    }


def grpc_exports(scripts: Sequence[Sequence[Act]], **options: Any) -> Arguments:
    """The same over gRPC."""
    return {
        "receivers": [{"grpc": list(acts)} for acts in scripts],
        "endpoints": [f"http://receiver-{number}" for number in range(len(scripts))],
        "batches": ONE,
        **options,
    }


def always(arguments: Arguments) -> st.SearchStrategy[Arguments]:
    return st.just(arguments)


Part = Callable[[Sequence[Act], Results, Sequence[Request]], str | None]
"""What is expected of what came to one receiver, if something else came."""


def each(part: Part, mine: Sequence[Sequence[Act]] | None = None) -> Judge:
    """A judge of what came to each receiver by itself; of those with these scripts, if given."""

    def judge(arguments: Arguments, answer: Any) -> Deviation | None:
        if raised(answer):
            return Deviation("spans are exported, or a failure is reported")
        described = arguments["receivers"]
        rows = zip(described, answer["exports"], answer["received"], strict=True)
        for number, (receiver, results, requests) in enumerate(rows):
            acts = receiver.get("acts", receiver.get("grpc"))
            if mine is not None and acts not in mine:
                continue
            expected = part(acts, results, requests)
            if expected is not None:
                return Deviation(expected, (number,))
        return None

    return judge


class Together:
    """Cases that are waited for, of several checks, which are asked all at once."""

    def __init__(self, arguments: Callable[..., Arguments], **options: Any) -> None:
        self.scripts: list[Sequence[Act]] = []
        self.inputs = st.builds(lambda: arguments(self.scripts, **options))

    def check(
        self,
        requirement: str,
        kind: str,
        operation: Sequence[str],
        scripts: Sequence[Sequence[Act]],
        part: Part,
    ) -> None:
        """Declare a check of what comes to receivers with these scripts."""
        self.scripts += scripts
        check(requirement, kind, operation, self.inputs, cases=1)(each(part, scripts))


def status(code: int, *headers: tuple[str, str], **more: Any) -> dict[str, Any]:
    """The act that answers with a status."""
    return {"status": code, "headers": [list(header) for header in headers], **more}


def spans(request: Request) -> list[wire.Message]:
    """The spans of a request.

    :raises ValueError: if it is no ExportTraceServiceRequest.
    """

    def inner(messages: Sequence[Any], field: int) -> list[Any]:
        return [
            each for data in messages for each in wire.read(data, canonical=False).get(field, [])
        ]

    scopes = inner(inner([content(request)], 1), 2)
    return [wire.read(span, canonical=False) for span in inner(scopes, 2)]


def names(request: Request) -> list[str]:
    # A name is octets; what is a number instead is no answer of the protocol.
    return [span.get(5, [b""])[-1].decode() for span in spans(request)]  # type: ignore[union-attr]


def delimited(field: int, value: bytes) -> bytes:
    """A field of a message with a value of less than 128 octets."""
    return bytes([field << 3 | 2, len(value)]) + value


def _retried(acts: Sequence[Act], results: Results, requests: Sequence[Request]) -> str | None:
    return None if len(requests) > 1 else f"the request is sent again after {_said(acts[0])}"


def _not_retried(acts: Sequence[Act], results: Results, requests: Sequence[Request]) -> str | None:
    return None if len(requests) < 2 else f"the request is not sent again after {_said(acts[0])}"


def _said(act: Act) -> str:
    if "code" in act:
        return f"the status {_CODES[act['code']]}"
    if "status" not in act:
        return "that"
    headers = "".join(f", {name}: {value}" for name, value in act.get("headers", []))
    return f"an answer {act['status']}{headers}"


# What is tried again.

_MESSAGE = ("content-type", "application/x-protobuf")
_STATUS = delimited(2, b"try later").decode()

RETRIES = Together(exports, timeout=20_000)

RETRIES.check(
    "OT-01",
    "a status that is to be retried",
    HTTP,
    [
        [status(code, *headers, body=body)]
        for code in RETRYABLE
        for headers, body in [
            ((), ""),
            ((_MESSAGE,), _STATUS),
            ((("content-type", "text/html"),), "<p>"),
        ]
    ],
    _retried,
)
RETRIES.check(
    "OT-01",
    "a status that is to be retried, with a Retry-After that says nothing",
    HTTP,
    [
        [status(code, ("retry-after", value))]
        for code, value in [(503, ""), (429, "soon"), (503, "-1"), (503, "Wed, 99 Foo")]
    ],
    _retried,
)
check(
    "OT-02",
    "a status that is not to be retried",
    HTTP,
    always(exports([[status(code)] for code in _REGISTERED])),
    cases=1,
)(each(_not_retried))
check(
    "OT-02",
    "a status that is not registered",
    HTTP,
    st.lists(st.sampled_from(_UNREGISTERED), min_size=6, max_size=6, unique=True).map(
        lambda codes: exports([[status(code)] for code in codes])
    ),
    cases=4,
)(each(_not_retried))
check(
    "OT-02",
    "a status that is not to be retried, with Retry-After",
    HTTP,
    always(exports([[status(code, ("retry-after", "1"))] for code in (400, 413, 500, 501)])),
    cases=1,
)(each(_not_retried))

TOLERANCE = 0.05
"""How much earlier than its wait a request may come, as clocks are not alike, in seconds."""


def _after(seconds: float) -> Part:
    def part(acts: Sequence[Act], results: Results, requests: Sequence[Request]) -> str | None:
        good = len(requests) > 1 and requests[1]["waited"] >= seconds - TOLERANCE
        return None if good else f"the request is sent again, no sooner than after {seconds} s"

    return part


# An ordinary first backoff is one second and its jitter, which is less than the two here.
RETRIES.check(
    "OT-03",
    "Retry-After in seconds",
    HTTP,
    [[status(code, ("retry-after", "2"))] for code in RETRYABLE],
    _after(2),
)
# A date has no fractions, so that three seconds from now may be two and a little.
RETRIES.check(
    "OT-03",
    "Retry-After as a date",
    HTTP,
    [[status(code, ("retry-after", "{date+3}"))] for code in RETRYABLE],
    _after(2),
)


def _waits(arguments: Arguments, answer: Any, script: Sequence[Act]) -> dict[int, list[float]]:
    """How long each receiver with this script waited for requests that came again."""
    described = [receiver["acts"] for receiver in arguments["receivers"]]
    return {
        number: [float(request["waited"]) for request in answer["received"][number][1:]]
        for number, acts in enumerate(described)
        if acts == script
    }


# The answers come one after the other, so that what follows on them does not.
# Of 24 waits of a second and up to a fifth more or less, 16 are within 50 ms once in millions.
@check(
    "OT-04",
    "the jitter of the backoff",
    HTTP,
    always(exports([[status(503, after=number / 25)] for number in range(24)])),
    level="MUST",
    cases=1,
)
def _jitter(arguments: Arguments, answer: Any) -> Deviation | None:
    if raised(answer):
        return None
    received = [requests for requests in answer["received"] if len(requests) > 1]
    waits = sorted(requests[1]["waited"] for requests in received)
    close = any(end - start < end / 20 for start, end in zip(waits, waits[15:], strict=False))
    return wants(not close, "waits before the same retry differ at random")


_TWICE = [status(503)] * 2
RETRIES.scripts += [_TWICE] * 48


# However they are spread, the mean of 48 waits is far from that of 48 that are half as long.
@check("OT-04", "the growth of the backoff", HTTP, RETRIES.inputs, level="MUST", cases=1)
def _growth(arguments: Arguments, answer: Any) -> Deviation | None:
    if raised(answer):
        return None
    waits = {n: w for n, w in _waits(arguments, answer, _TWICE).items() if len(w) > 1}
    if not waits:
        return None
    first, second = (mean(wait[number] for wait in waits.values()) for number in (0, 1))
    if second > 1.15 * first:
        return None
    return Deviation("waits grow exponentially with the retries", tuple(waits))


RETRIES.check(
    "OT-05",
    "a receiver that disconnects without an answer",
    HTTP,
    [[{"disconnect": True}]],
    _retried,
)


@check(
    "OT-05",
    "a receiver that cannot be connected to at first",
    HTTP,
    always(exports([[]] * 2, opens=0.8)),
    cases=1,
)
@each
def _connected(acts: Sequence[Act], results: Results, requests: Sequence[Request]) -> str | None:
    # Who waited before giving up did try again, or may have.
    good = bool(requests) or results[0]["seconds"] > 0.5
    return None if good else "the connection is tried again, after a backoff"


@check(
    "OT-06",
    "a redirection",
    HTTP,
    always(exports([[status(c, ("location", "/elsewhere"))] for c in (301, 302, 307, 308)])),
    cases=1,
)
@each
def _redirected(acts: Sequence[Act], results: Results, requests: Sequence[Request]) -> str | None:
    code = acts[0]["status"]
    if len(requests) == 1:
        failed = results[0].get("result") != "success"
        return None if failed else f"{code} does not say that the spans were accepted"
    if code in (301, 302):
        return None
    first, *others = requests
    same = all(r["method"] == "POST" and r.get("body") == first.get("body") for r in others)
    return None if same else f"a redirection {code} changes neither method nor body"


@check(
    "OT-06",
    "another status of success",
    HTTP,
    always(exports([[status(code)] for code in (201, 202, 204)])),
    cases=1,
)
@each
def _accepted(acts: Sequence[Act], results: Results, requests: Sequence[Request]) -> str | None:
    good = len(requests) == 1 and results[0].get("result") == "success"
    return None if good else f"{acts[0]['status']} says that the request was accepted"


@check(
    "OT-06",
    "an interim answer",
    HTTP,
    always(exports([[status(200, _MESSAGE, before=[100])]])),
    cases=1,
)
@each
def _interim(acts: Sequence[Act], results: Results, requests: Sequence[Request]) -> str | None:
    good = len(requests) == 1 and results[0].get("result") == "success"
    return None if good else "the answer is that after the interim one"


def partial_success(rejected: int, message: str) -> str:
    """An ExportTraceServiceResponse with a partial success, as Latin-1."""
    fields = bytes([1 << 3, rejected]) if rejected else b""
    return delimited(1, fields + delimited(2, message.encode())).decode("latin-1")


check(
    "OT-07",
    "a partial success",
    PROTOBUF,
    always(
        exports(
            [
                [status(200, _MESSAGE, body=partial_success(rejected, message))]
                for rejected, message in [(1, "no"), (1, ""), (0, "slow down"), (100, "x" * 90)]
            ]
        )
    ),
    cases=1,
)(each(_not_retried))


@check(
    "OT-08",
    "the batch after one that was refused",
    PROTOBUF,
    always(
        exports([[status(c)] for c in (400, 401, 413, 500)], [[{"name": "a"}], [{"name": "b"}]])
    ),
    cases=1,
)
@each
def _dropped(acts: Sequence[Act], results: Results, requests: Sequence[Request]) -> str | None:
    try:
        sent = [names(request) for request in requests]
    except ValueError:
        return None
    # Whether it was tried again is another question; it is dropped when the next one is sent.
    second = next((number for number, batch in enumerate(sent) if "b" in batch), len(sent))
    again = any("a" in batch for batch in sent[second:])
    return "the spans that were refused are not sent again" if again else None


# Sizes.

MIB = 1 << 20
_PIECE = delimited(1, delimited(2, b"x" * 60)).decode() * 16
_LARGE = 24 * MIB // len(_PIECE)


@check(
    "OT-09",
    "an answer that is far beyond the limit, with a status that is to be retried",
    PROTOBUF,
    always(exports([[status(503, _MESSAGE, body=_PIECE, repeat=_LARGE)]])),
    cases=1,
)
@each
def _too_large(acts: Sequence[Act], results: Results, requests: Sequence[Request]) -> str | None:
    # Who does not read it has no limit to exceed; buffers of connections take some.
    took_it = bool(requests) and requests[0].get("taken", 0) >= len(_PIECE) * _LARGE
    if not took_it or len(requests) < 2:
        return None
    return "an answer of 24 MiB, beyond the limit of 4 MiB, is an error that is not retried"


@check(
    "OT-09",
    "an answer of success that is far beyond the limit",
    PROTOBUF,
    always(exports([[status(200, _MESSAGE, body=_PIECE, repeat=_LARGE)]])),
    cases=1,
)
@each
def _too_large_to_read(
    acts: Sequence[Act], results: Results, requests: Sequence[Request]
) -> str | None:
    took_it = bool(requests) and requests[0].get("taken", 0) >= len(_PIECE) * _LARGE
    if not took_it or results[0].get("result") != "success":
        return None
    return "no more than the limit of 4 MiB is read of an answer, and a larger one is an error"


@check(
    "OT-10",
    "a request of more than 64 MiB before compression",
    PROTOBUF,
    always(exports([[]], [[{"name": "s", "size": 65 * MIB}]], compression="gzip")),
    level="SHOULD",
    cases=1,
)
@each
def _not_sent(acts: Sequence[Act], results: Results, requests: Sequence[Request]) -> str | None:
    return "the request is not made" if requests else None


# What is sent.

_batches = st.lists(
    st.lists(st.text("abcxyz", min_size=1, max_size=3).map(lambda name: {"name": name}), min_size=1,
             max_size=4),
    min_size=1,
    max_size=2,
)  # fmt: skip


@check(
    "OT-11",
    "the headers and the body of a request",
    PROTOBUF,
    st.builds(
        lambda batches, compression: exports([[]], batches, compression=compression),
        _batches,
        st.sampled_from(["none", "gzip"]),
    ),
    cases=12,
)
def _binary(arguments: Arguments, answer: Any) -> Deviation | None:
    expected = "a POST with Content-Type: application/x-protobuf, and the spans"
    if arguments["compression"] == "gzip":
        expected += ", with Content-Encoding: gzip"
    if raised(answer):
        return Deviation(expected)
    coding = {"none": None, "gzip": "gzip"}[arguments["compression"]]
    found = []
    for request in answer["received"][0]:
        headers = dict(request["headers"])
        given = headers.get("content-encoding", "identity").replace("identity", "") or None
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        if (request["method"], media, given) != ("POST", "application/x-protobuf", coding):
            return Deviation(expected)
        try:
            found.append(sorted(names(request)))
        except (ValueError, KeyError):
            return Deviation(expected)
    sent = [sorted(span["name"] for span in batch) for batch in arguments["batches"]]
    return wants(found == sent, expected)


@check("OT-12", "no spans", HTTP, always(exports([[]], [[]])), cases=1)
@each
def _no_envelope(acts: Sequence[Act], results: Results, requests: Sequence[Request]) -> str | None:
    return "nothing is sent for no spans" if requests else None


_USER_AGENT = re.compile(r"[!#-'*+.^-z|~0-9A-Z-]+/[0-9][^ ]*( .*)?")
_LIBRARY = re.compile(r"(python-requests|python-urllib3?|go-http-client|okhttp|java|node)/", re.I)


@check("OT-18", "the header User-Agent", HTTP, always(exports([[]])), cases=1)
@each
def _user_agent(acts: Sequence[Act], results: Results, requests: Sequence[Request]) -> str | None:
    for request in requests:
        value = dict(request["headers"]).get("user-agent", "")
        if not _USER_AGENT.fullmatch(value) or _LIBRARY.match(value):
            return "a User-Agent with the exporter, its language and its version"
    return None


# Ids and flags.

_trace_ids = st.integers(1, 2**128 - 1).map("{:032x}".format)
_span_ids = st.integers(1, 2**64 - 1).map("{:016x}".format)
_contexts = st.fixed_dictionaries(
    {
        "trace_id": _trace_ids,
        "span_id": _span_ids,
        "flags": st.sampled_from([1, 3]),
        "is_remote": st.booleans(),
    }
)
_described = st.fixed_dictionaries(
    {"name": st.just("s")},
    optional={"parent": _contexts, "links": st.lists(_contexts, min_size=1, max_size=2)},
)
_with_parents = _described.map(lambda span: exports([[]], [[span]]))

Seen = tuple[Mapping[str, Any], Mapping[str, Any], wire.Message]


def _seen(arguments: Arguments, answer: Any) -> Seen | None:
    """The span that was to be sent, its context, and what was sent; None if it did not come."""
    if raised(answer) or not answer["received"][0]:
        return None
    try:
        sent = spans(answer["received"][0][0])
    except (ValueError, KeyError):
        return None
    if len(sent) != 1:
        return None
    return arguments["batches"][0][0], answer["spans"][0][0], sent[0]


def _octets(message: wire.Message, field: int) -> str:
    value = message.get(field, [b""])[-1]
    return value.hex() if isinstance(value, bytes) else ""


@check("ID-04", "the ids of a span, its parent and its links", PROTOBUF, _with_parents, cases=25)
def _ids(arguments: Arguments, answer: Any) -> Deviation | None:
    seen = _seen(arguments, answer)
    if seen is None:
        return Deviation("the span is sent")
    described, context, sent = seen
    parent = described.get("parent", {"span_id": ""})["span_id"]
    wanted = [context["trace_id"], context["span_id"], parent]
    found = [_octets(sent, 1), _octets(sent, 2), _octets(sent, 4)]
    for described_link, data in zip(described.get("links", []), sent.get(13, []), strict=False):
        link = wire.read(data, canonical=False) if isinstance(data, bytes) else {}
        wanted += [described_link["trace_id"], described_link["span_id"]]
        found += [_octets(link, 1), _octets(link, 2)]
    return wants(found == wanted, f"ids of 16 and 8 octets as they are: {', '.join(wanted)}")


def _flags(message: wire.Message, field: int) -> int | None:
    """The flags of a span or link; None if there are none, or they are zero."""
    value = message.get(field, [0])[-1]
    return value if isinstance(value, int) and value else None


def _flags_are(flags: int | None, trace_flags: int, is_remote: bool) -> str | None:
    """What flags are to be, if they are there and others."""
    if flags is None or (flags >> 10 == 0 and flags & 0xFF == trace_flags and (
        flags >> 8 in (0, 3 if is_remote else 1)
    )):  # fmt: skip
        return None
    remote = "are 11" if is_remote else "are 01"
    return f"bits 0 to 7 are the trace flags {trace_flags:08b}, 9 and 8 {remote}, others zero"


@check("ID-05", "the flags of a span, where there are any", PROTOBUF, _with_parents, cases=25)
def _span_flags(arguments: Arguments, answer: Any) -> Deviation | None:
    seen = _seen(arguments, answer)
    if seen is None:
        return None
    described, context, sent = seen
    is_remote = described.get("parent", {"is_remote": False})["is_remote"]
    expected = _flags_are(_flags(sent, 16), context["flags"], is_remote)
    return None if expected is None else Deviation(expected)


@check("ID-05", "the flags of a link, where there are any", PROTOBUF, _with_parents, cases=25)
def _link_flags(arguments: Arguments, answer: Any) -> Deviation | None:
    seen = _seen(arguments, answer)
    if seen is None:
        return None
    described, _, sent = seen
    for link, data in zip(described.get("links", []), sent.get(13, []), strict=False):
        message = wire.read(data, canonical=False) if isinstance(data, bytes) else {}
        expected = _flags_are(_flags(message, 6), link["flags"], link["is_remote"])
        if expected is not None:
            return Deviation(expected)
    return None


@check(
    "ID-05",
    "that a sampled span has flags",
    PROTOBUF,
    always(exports([[]])),
    level="MAY",
    licence='"[Optional]" stands with the field',
    cases=1,
)
def _has_flags(arguments: Arguments, answer: Any) -> Deviation | None:
    seen = _seen(arguments, answer)
    return wants(seen is None or _flags(seen[2], 16) is not None, "the flags of the span are sent")


# Over gRPC.

_GRPC_RETRYABLE = (1, 4, 10, 11, 14, 15)
_GRPC_OTHERS = (2, 3, 5, 6, 7, 9, 12, 13, 16)
RESOURCE_EXHAUSTED, UNAVAILABLE = 8, 14
_CODES = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
]


def retry_info(seconds: int) -> str:
    """A ``google.rpc.Status`` with a RetryInfo, in hexadecimal digits."""
    info = delimited(1, bytes([1 << 3, seconds]) if seconds else b"")
    packed = delimited(1, b"type.googleapis.com/google.rpc.RetryInfo") + delimited(2, info)
    return (bytes([1 << 3, 8]) + delimited(3, packed)).hex()


GRPC_RETRIES = Together(grpc_exports, timeout=20_000)

GRPC_RETRIES.check(
    "OT-13",
    "a status that is to be retried",
    GRPC,
    [[{"code": code}] for code in _GRPC_RETRYABLE],
    _retried,
)
GRPC_RETRIES.check(
    "OT-13",
    "a status that is not to be retried",
    GRPC,
    [[{"code": code}] for code in _GRPC_OTHERS],
    _not_retried,
)
GRPC_RETRIES.check(
    "OT-13",
    "RESOURCE_EXHAUSTED without RetryInfo",
    GRPC,
    [[{"code": RESOURCE_EXHAUSTED}]],
    _not_retried,
)
GRPC_RETRIES.check(
    "OT-13",
    "RESOURCE_EXHAUSTED with RetryInfo",
    GRPC,
    [[{"code": RESOURCE_EXHAUSTED, "details": retry_info(1)}]],
    _retried,
)
GRPC_RETRIES.check(
    "OT-13",
    "the delay of RetryInfo",
    GRPC,
    [[{"code": UNAVAILABLE, "details": retry_info(2)}]],
    _after(2),
)


# In JSON.


@check("OT-14", "a request", JSON, _with_parents, cases=25)
def _as_json(arguments: Arguments, answer: Any) -> Deviation | None:
    expected = "JSON with hexadecimal ids, integers for enumerations, and names in lowerCamelCase"
    if raised(answer) or not answer["received"][0]:
        return Deviation(expected)
    request = answer["received"][0][0]
    media = dict(request["headers"]).get("content-type", "").partition(";")[0].strip()
    try:
        message = json.loads(content(request))
        sent = message["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
        links = sent.get("links", [])
        context = answer["spans"][0][0]
        wanted = [context["trace_id"], context["span_id"]]
        found = [sent["traceId"].lower(), sent["spanId"].lower()]
        for given, link in zip(arguments["batches"][0][0].get("links", []), links, strict=True):
            wanted += [given["trace_id"], given["span_id"]]
            found += [link["traceId"].lower(), link["spanId"].lower()]
        code = sent.get("status", {}).get("code", 0)
        good = isinstance(sent.get("kind", 0), int) and isinstance(code, int)
    except (ValueError, KeyError, IndexError, AttributeError, TypeError):
        return Deviation(expected)
    camel = not any("_" in key for key in _keys(message))
    return wants(good and camel and found == wanted and media == "application/json", expected)


def _keys(value: Any) -> list[str]:
    """The names in an object, but those of attributes, which are texts there anyway."""
    if isinstance(value, dict):
        return [*value, *(key for inner in value.values() for key in _keys(inner))]
    if isinstance(value, list):
        return [key for inner in value for key in _keys(inner)]
    return []


# How long an export may take.

LIMIT = 500
BEYOND = 2.2
"""After so many seconds no request comes whose limit is half a second, on any machine. A first
backoff of a second and a second one of two come to more, whatever their jitter."""

DRIP = 4.0
"""How long an answer takes that comes an octet at a time, in seconds."""

LATE = Together(exports, timeout=LIMIT)
GRPC_LATE = Together(grpc_exports, timeout=LIMIT)


def _not_awaited(acts: Sequence[Act], results: Results, requests: Sequence[Request]) -> str | None:
    # A second request may have been accepted at once.
    waited = len(requests) == 1 and results[0].get("result") == "success"
    return "the export ends when its timeout of 0.5 s is over" if waited else None


def _ended(acts: Sequence[Act], results: Results, requests: Sequence[Request]) -> str | None:
    # Who has no limit waits to the end.
    good = results[0]["seconds"] < DRIP - TOLERANCE
    return None if good else "the export ends when its timeout of 1 s is over"


def _no_more(acts: Sequence[Act], results: Results, requests: Sequence[Request]) -> str | None:
    last = sum(request["waited"] for request in requests[1:])
    good = last < BEYOND
    return None if good else f"nothing is sent after the timeout of 0.5 s, as after {last:.1f} s"


LATE.check(
    "OT-16",
    "an answer that does not come in time",
    HTTP,
    [[status(200, after=2)]],
    _not_awaited,
)
# Octets may come late as well: a limit for each of them is not to be taken for one for all.
check(
    "OT-16",
    "an answer that comes an octet at a time",
    HTTP,
    always(exports([[{"drip": DRIP}]], timeout=1000)),
    cases=1,
)(each(_ended))
LATE.check(
    "OT-16",
    "answers that are to be retried",
    HTTP,
    [[status(503)] * 2, [status(503, ("retry-after", "3"))], [{"disconnect": True}] * 4],
    _no_more,
)
GRPC_LATE.check(
    "OT-16",
    "an answer that does not come in time, over gRPC",
    GRPC,
    [[{"code": 0, "after": 2}]],
    _not_awaited,
)
GRPC_LATE.check(
    "OT-16",
    "answers that are to be retried, over gRPC",
    GRPC,
    [[{"code": UNAVAILABLE}] * 2, [{"code": UNAVAILABLE, "details": retry_info(3)}]],
    _no_more,
)
