"""The environment: what is configured by it, and what becomes of values that are not valid.

Each case is a process that is started with the variables at hand, so that it is seen what a
user sees; a case with a receiver also shows what is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from ..check import Deviation, check, raised, wants
from ..target import Arguments
from .otlp import Act, status

HTTP = "otlp.http.configured"
GRPC = "otlp.grpc.configured"

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
TRACES_HEADERS = "OTEL_EXPORTER_OTLP_TRACES_HEADERS"
TIMEOUT = "OTEL_EXPORTER_OTLP_TIMEOUT"
COMPRESSION = "OTEL_EXPORTER_OTLP_COMPRESSION"
RECEIVER = "http://receiver-0"


def exporting(environment: Mapping[str, str], *acts: Act) -> Arguments:
    """Arguments of an export by an exporter that its environment configures, to a receiver."""
    return {
        "environment": {ENDPOINT: RECEIVER, **environment},
        "receivers": [{"acts": list(acts)}],
    }


def exporting_over_grpc(environment: Mapping[str, str], *acts: Act) -> Arguments:
    return {
        "environment": {ENDPOINT: RECEIVER, "OTEL_EXPORTER_OTLP_INSECURE": "true", **environment},
        "receivers": [{"grpc": list(acts)}],
    }


def within(environment: Mapping[str, str], **arguments: Any) -> Arguments:
    return {"environment": dict(environment), **arguments}


def one_of(*cases: Arguments) -> st.SearchStrategy[Arguments]:
    return st.sampled_from(cases)


def requests(answer: Any) -> list[Mapping[str, Any]]:
    return [] if raised(answer) else list(answer["received"][0])


def exported(answer: Any) -> bool:
    return not raised(answer) and answer.get("result") == "success"


def warned(answer: Any) -> bool:
    """Whether a warning was logged, as far as the target tells what it logs."""
    return raised(answer) or "logged" not in answer or bool(answer["logged"])


# Endpoints and headers.


_PATHS = {
    (ENDPOINT, ""): "/v1/traces",
    (ENDPOINT, "/"): "/v1/traces",
    (ENDPOINT, "/base"): "/base/v1/traces",
    (ENDPOINT, "/base/"): "/base/v1/traces",
    (TRACES_ENDPOINT, ""): "/",
    (TRACES_ENDPOINT, "/"): "/",
    (TRACES_ENDPOINT, "/own"): "/own",
    (TRACES_ENDPOINT, "/own/v1/traces/"): "/own/v1/traces/",
}


def _endpoint(name: str, path: str) -> Arguments:
    other = {ENDPOINT: "http://receiver-0/other"} if name == TRACES_ENDPOINT else {}
    return exporting({**other, name: RECEIVER + path})


def _path(arguments: Arguments) -> str:
    """The path that the endpoint of a case stands for."""
    environment = arguments["environment"]
    name = TRACES_ENDPOINT if TRACES_ENDPOINT in environment else ENDPOINT
    return _PATHS[name, environment[name][len(RECEIVER) :]]


def _to_path(arguments: Arguments, answer: Any) -> Deviation | None:
    wanted = _path(arguments)
    found = [request["target"] for request in requests(answer)]
    return wants(found == [wanted], f"spans are sent to the path {wanted}")


check(
    "OT-15",
    "a base endpoint",
    HTTP,
    one_of(*(_endpoint(*each) for each in _PATHS if each[0] == ENDPOINT)),
    cases=8,
)(_to_path)
check(
    "OT-15",
    "an endpoint of traces, which is used as it is",
    HTTP,
    one_of(*(_endpoint(*each) for each in _PATHS if each[0] == TRACES_ENDPOINT)),
    cases=8,
)(_to_path)

_HEADERS = {
    "a=1,b=2": {"a": "1", "b": "2"},
    " a = 1 , b = 2 ": {"a": "1", "b": "2"},
    "authorization=Basic%20dXNlcg%3D%3D,x-two=a%2Cb": {
        "authorization": "Basic dXNlcg==",
        "x-two": "a,b",
    },
    "a=b=c,x=": {"a": "b=c"},
}


@check(
    "OT-17",
    "headers of requests",
    HTTP,
    one_of(
        *(exporting({HEADERS: text}) for text in _HEADERS),
        exporting({HEADERS: "a=9", TRACES_HEADERS: "a=1,b=2"}),
    ),
    cases=10,
)
def _headers(arguments: Arguments, answer: Any) -> Deviation | None:
    environment = arguments["environment"]
    wanted = _HEADERS[environment.get(TRACES_HEADERS, environment[HEADERS])]
    for request in requests(answer):
        if wanted.items() <= dict(request["headers"]).items():
            return None
    return Deviation(f"requests have the headers {wanted}")


# Numbers.


@check(
    "CF-01",
    "a timeout of 500, while the answer takes 2 s",
    HTTP,
    one_of(exporting({TIMEOUT: "500"}, status(200, after=2))),
    cases=1,
)
def _milliseconds(arguments: Arguments, answer: Any) -> Deviation | None:
    waited = exported(answer) and len(requests(answer)) == 1
    return wants(not waited, "500 is half a second, after which the export ends")


@check(
    "CF-01",
    "a timeout of 500, while the answer takes 2 s, over gRPC",
    GRPC,
    one_of(exporting_over_grpc({TIMEOUT: "500"}, {"code": 0, "after": 2})),
    cases=1,
)
def _milliseconds_grpc(arguments: Arguments, answer: Any) -> Deviation | None:
    return _milliseconds(arguments, answer)


_NEGATIVE = one_of(exporting({TIMEOUT: "-1"}, status(200, after=0.2)))


@check("CF-01", "a negative timeout", HTTP, _NEGATIVE, cases=1)
def _negative(arguments: Arguments, answer: Any) -> Deviation | None:
    return wants(exported(answer), "a negative timeout is ignored, and the default of 10 s is used")


@check("CF-01", "the warning of a negative timeout", HTTP, _NEGATIVE, cases=1)
def _negative_warns(arguments: Arguments, answer: Any) -> Deviation | None:
    return wants(warned(answer), "a negative timeout is warned of")


@check(
    "CF-02",
    "a timeout of 0",
    HTTP,
    one_of(exporting({TIMEOUT: "0"}, status(200, after=0.2))),
    cases=1,
)
def _no_limit(arguments: Arguments, answer: Any) -> Deviation | None:
    return wants(exported(answer), "a timeout of 0 is no limit")


@check(
    "CF-03",
    "a timeout that is no number",
    HTTP,
    one_of(*(exporting({TIMEOUT: text}, status(200, after=0.2)) for text in ("soon", "1e999"))),
    cases=2,
)
def _no_number(arguments: Arguments, answer: Any) -> Deviation | None:
    return wants(exported(answer) and warned(answer), "it is warned of, and the default is used")


_PROCESSOR = "processor.configured"


@check(
    "CF-01",
    "a negative delay of the batching processor",
    _PROCESSOR,
    one_of(within({"OTEL_BSP_SCHEDULE_DELAY": "-1"}, count=1)),
    cases=1,
)
def _negative_delay(arguments: Arguments, answer: Any) -> Deviation | None:
    return _processed(arguments, answer)


@check(
    "CF-03",
    "sizes of the batching processor that are out of range, or no numbers",
    _PROCESSOR,
    one_of(
        *(
            within(environment, count=3)
            for environment in (
                {"OTEL_BSP_MAX_QUEUE_SIZE": "-1"},
                {"OTEL_BSP_MAX_QUEUE_SIZE": "0"},
                {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "-1"},
                {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "0"},
                {"OTEL_BSP_MAX_QUEUE_SIZE": "many"},
            )
        )
    ),
    cases=8,
)
def _processed(arguments: Arguments, answer: Any) -> Deviation | None:
    count = arguments["count"]
    good = not raised(answer) and answer["exported"] == count and warned(answer)
    return wants(good, f"it is warned of, the default is used, and {count} spans are exported")


@check(
    "CF-03",
    "a limit of attributes that is out of range, or no number",
    "limits.configured",
    one_of(*(within({"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": text}) for text in ("-1", "few"))),
    cases=2,
)
def _limits(arguments: Arguments, answer: Any) -> Deviation | None:
    good = not raised(answer) and answer["attributes"] == 1 and warned(answer)
    return wants(good, "it is warned of, and the default is used")


_SAMPLER = {"OTEL_TRACES_SAMPLER": "traceidratio"}
_ARGUMENT = "OTEL_TRACES_SAMPLER_ARG"
_COUNT = 20


@check(
    "CF-04",
    "an argument of a sampler that is not valid",
    "sampler.configured",
    one_of(
        *(
            within({"OTEL_TRACES_SAMPLER": sampler, _ARGUMENT: text}, count=_COUNT)
            for sampler in ("traceidratio", "parentbased_traceidratio")
            for text in ("half", "-0.5", "1.5")
        )
    ),
    cases=6,
)
def _sampler(arguments: Arguments, answer: Any) -> Deviation | None:
    good = not raised(answer) and answer["sampled"] == arguments["count"]
    return wants(
        good and warned(answer), "it is logged and ignored, so that the ratio is 1 as if not set"
    )


# Propagators.

_PROPAGATORS = "propagators.configured"
_SPAN = {
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
    "span_id": "b7ad6b7169203331",
    "flags": 1,
    "is_remote": False,
    "trace_state": [],
}


def _named(text: str) -> Arguments:
    return within({"OTEL_PROPAGATORS": text}, span=_SPAN)


def _sent(answer: Any) -> list[str]:
    return [] if raised(answer) else sorted(name.lower() for name, _ in answer["headers"])


def _are(*names: str) -> Any:
    def judge(arguments: Arguments, answer: Any) -> Deviation | None:
        good = not raised(answer) and _sent(answer) == sorted(names)
        return wants(good, f"headers are set: {', '.join(names) or 'none'}, and each once")

    return judge


BOTH = ("traceparent", "baggage")

check(
    "CF-05",
    "propagators that are named twice",
    _PROPAGATORS,
    one_of(_named("tracecontext,baggage,tracecontext"), _named("baggage,baggage,tracecontext")),
    cases=2,
)(_are(*BOTH))
check("CF-05", "no propagators", _PROPAGATORS, one_of(_named("none")), cases=1)(_are())
check(
    "CF-05",
    "the propagators that are named",
    _PROPAGATORS,
    one_of(_named("tracecontext,baggage")),
    cases=1,
)(_are(*BOTH))
check(
    "CF-05",
    "a propagator in another case",
    _PROPAGATORS,
    one_of(_named("TraceContext")),
    level="SHOULD",
    cases=1,
)(_are("traceparent"))


@check(
    "CF-05",
    "a propagator that nobody knows",
    _PROPAGATORS,
    one_of(_named("tracecontext,conform-unknown")),
    cases=1,
)
def _unknown(arguments: Arguments, answer: Any) -> Deviation | None:
    good = _sent(answer) == ["traceparent"] and warned(answer)
    return wants(good and not raised(answer), "it is warned of and ignored, and not the others")


@check(
    "PR-08",
    "the propagators if nobody names any",
    _PROPAGATORS,
    one_of(within({}, span=_SPAN)),
    level="SHOULD",
    cases=1,
)
def _default(arguments: Arguments, answer: Any) -> Deviation | None:
    good = not raised(answer) and _sent(answer) in ([], sorted(BOTH))
    return wants(good, "none, or those of Trace Context and Baggage")


# Empty values.

check(
    "CF-06",
    "no names of propagators",
    _PROPAGATORS,
    one_of(_named("")),
    cases=1,
)(_default)


@check(
    "CF-06",
    "variables of the exporter that are empty",
    HTTP,
    one_of(
        exporting(
            dict.fromkeys((TRACES_ENDPOINT, HEADERS, TRACES_HEADERS, TIMEOUT, COMPRESSION), ""),
            status(200, after=0.2),
        ),
    ),
    cases=1,
)  # fmt: skip
def _empty(arguments: Arguments, answer: Any) -> Deviation | None:
    found = [request["target"] for request in requests(answer)]
    good = exported(answer) and found == ["/v1/traces"]
    return wants(good, "the spans are exported as if none of them were set")


@check(
    "CF-06",
    "a variable of the exporter over gRPC that is empty",
    GRPC,
    one_of(
        exporting_over_grpc({}),
        *(
            exporting_over_grpc({name: ""})
            for name in (TRACES_ENDPOINT, HEADERS, TIMEOUT, COMPRESSION)
        ),
    ),
    cases=6,
)
def _empty_grpc(arguments: Arguments, answer: Any) -> Deviation | None:
    good = exported(answer) and len(requests(answer)) == 1
    return wants(good, "the spans are exported as if it were not set")


@check(
    "CF-06",
    "variables of the batching processor that are empty",
    _PROCESSOR,
    one_of(
        within(
            {
                "OTEL_BSP_MAX_QUEUE_SIZE": "",
                "OTEL_BSP_SCHEDULE_DELAY": "",
                "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "",
                "OTEL_BSP_EXPORT_TIMEOUT": "",
            },
            count=3,
        )
    ),
    cases=1,
)
def _empty_processor(arguments: Arguments, answer: Any) -> Deviation | None:
    good = not raised(answer) and answer["exported"] == arguments["count"]
    return wants(good, "the spans are exported as if none of them were set")


@check(
    "CF-06",
    "variables of the sampler that are empty",
    "sampler.configured",
    one_of(
        within({"OTEL_TRACES_SAMPLER": "", _ARGUMENT: ""}, count=_COUNT),
        within({**_SAMPLER, _ARGUMENT: ""}, count=_COUNT),
    ),
    cases=2,
)
def _empty_sampler(arguments: Arguments, answer: Any) -> Deviation | None:
    good = not raised(answer) and answer["sampled"] == arguments["count"]
    return wants(good, "all root spans are sampled, as if they were not set")
