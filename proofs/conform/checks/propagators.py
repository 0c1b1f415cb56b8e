"""Propagators beside those of W3C: B3, what is made of several, and how carriers are read."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from ..check import Deviation, check, raised, wants
from ..target import Arguments
from .trace_context import headers as with_traceparent

_trace_ids = st.integers(1, 2**128 - 1).map("{:032x}".format)
_short_trace_ids = st.integers(1, 2**64 - 1).map("{:016x}".format)
_span_ids = st.integers(1, 2**64 - 1).map("{:016x}".format)
_texts = st.text(st.characters(codec="utf-8"), max_size=6)

# Headers in another case.

_NAMES = ("Traceparent", "TraceParent", "TRACEPARENT", "traceParent", "traceparent")


@check(
    "TP-06",
    "the name of the header in any case, where the case of headers does not matter",
    "tracecontext.receive",
    st.builds(
        lambda name, trace_id, span_id: {"headers": [[name, f"00-{trace_id}-{span_id}-01"]]},
        st.sampled_from(_NAMES),
        _trace_ids,
        _span_ids,
    ),
    cases=25,
)
def _in_any_case(arguments: Arguments, answer: Any) -> Deviation | None:
    trace_id, span_id = arguments["headers"][0][1].split("-")[1:3]
    span = None if raised(answer) else answer["span"]
    good = span is not None and (span["trace_id"], span["span_id"]) == (trace_id, span_id)
    return wants(good, f"the trace {trace_id} is continued")


# What may be in a header.

_FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FIELD_VALUE = re.compile(r"[\t -~]*")


def _are_fields(arguments: Arguments, answer: Any) -> Deviation | None:
    good = not raised(answer) and all(
        _FIELD_NAME.fullmatch(name) and _FIELD_VALUE.fullmatch(value)
        for name, value in answer["headers"]
    )
    return wants(good, "names and values are of US-ASCII and make header fields")


check(
    "PR-02",
    "baggage with any names and values",
    "baggage.inject",
    st.lists(st.tuples(_texts, _texts), min_size=1, max_size=2, unique_by=lambda e: e[0]).map(
        lambda held: {"entries": [[name, value, ""] for name, value in held]}
    ),
)(_are_fields)
check(
    "PR-02",
    "a trace context that is passed on",
    "tracecontext.relay",
    st.builds(
        lambda arguments, state: {"headers": [*arguments["headers"], ["tracestate", state]]},
        with_traceparent(st.builds("00-{}-{}-01".format, _trace_ids, _span_ids)),
        _texts | st.builds("a={}".format, _texts),
    ),
)(_are_fields)

# Getters and setters.

_FIELDS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "x-c"]), st.text("abc", min_size=1, max_size=2)),
    max_size=4,
).map(lambda fields: [list(field) for field in fields])
_asked = st.builds(
    lambda fields, name: {"headers": fields, "name": name},
    _FIELDS,
    st.sampled_from(["a", "b", "missing"]),
)


def _values(arguments: Arguments) -> list[str]:
    return [value for name, value in arguments["headers"] if name == arguments["name"]]


@check("PR-03", "the first value of a name, or none", "getter.get", _asked)
def _first(arguments: Arguments, answer: Any) -> Deviation | None:
    wanted = next(iter(_values(arguments)), None)
    good = not raised(answer) and answer["value"] == wanted
    return wants(good, f"the value {wanted!r}")


@check("PR-04", "all values of a name, in their order", "getter.get", _asked)
def _all(arguments: Arguments, answer: Any) -> Deviation | None:
    if not raised(answer) and "values" not in answer:
        return None
    wanted = _values(arguments)
    return wants(not raised(answer) and answer["values"] == wanted, f"the values {wanted}")


@check("PR-05", "the names of a carrier", "getter.keys", _FIELDS.map(lambda f: {"headers": f}))
def _keys(arguments: Arguments, answer: Any) -> Deviation | None:
    wanted = sorted({name for name, _ in arguments["headers"]})
    good = not raised(answer) and sorted(set(answer["keys"])) == wanted
    return wants(good, f"the names {wanted}")


@check(
    "PR-05",
    "the case of names that are set",
    "setter.set",
    st.lists(st.sampled_from(["Content-Type", "x-B3-TraceId", "b"]), min_size=1, unique=True).map(
        lambda names: {"headers": [[name, "1"] for name in names]}
    ),
)
def _casing(arguments: Arguments, answer: Any) -> Deviation | None:
    good = not raised(answer) and sorted(answer["headers"]) == sorted(arguments["headers"])
    return wants(good, "names are set as they are given")


@check(
    "PR-06",
    "the order of a composite propagator",
    "propagators.composite",
    st.lists(st.sampled_from("abcd"), max_size=4, unique=True).map(lambda names: {"names": names}),
    cases=25,
)
def _in_order(arguments: Arguments, answer: Any) -> Deviation | None:
    both = {"injected": arguments["names"], "extracted": arguments["names"]}
    return wants(answer == both, "each propagator is used once, in the order given")


# B3.

EXTRACTS, INJECTS, RELAYS = "b3.extract", "b3.inject", "b3.relay"
_FORMS = st.sampled_from(["single", "multi"])
_STATES = {"1": True, "0": False, "d": True}

Header = list[str]


def single(trace_id: str, span_id: str, *more: str) -> list[Header]:
    return [["b3", "-".join([trace_id, span_id, *more])]]


def multi(trace_id: str, span_id: str, *more: tuple[str, str]) -> list[Header]:
    """Several headers of B3, and others of it by the ends of their names."""
    fields = [("TraceId", trace_id), ("SpanId", span_id), *more]
    return [[f"X-B3-{name}", value] for name, value in fields]


def _b3(headers: st.SearchStrategy[list[Header]]) -> st.SearchStrategy[Any]:
    return headers.map(lambda each: {"headers": each})


def _ids_of(headers: Sequence[Header]) -> tuple[str, str]:
    """The ids that headers of B3 stand for; of the single one, if it is there."""
    found = {name.lower(): value for name, value in headers}
    if "b3" in found:
        trace_id, span_id = found["b3"].split("-")[:2]
    else:
        trace_id, span_id = found["x-b3-traceid"], found["x-b3-spanid"]
    return trace_id.rjust(32, "0"), span_id


def _taken(arguments: Arguments, answer: Any) -> Deviation | None:
    trace_id, span_id = _ids_of(arguments["headers"])
    span = None if raised(answer) else answer["span"]
    good = span is not None and (span["trace_id"], span["span_id"]) == (trace_id, span_id)
    return wants(good, f"the trace {trace_id} and the span {span_id}")


def _sampled_is(sampled: Callable[[Sequence[Header]], bool]) -> Any:
    def judge(arguments: Arguments, answer: Any) -> Deviation | None:
        span = None if raised(answer) else answer["span"]
        if span is None:
            return None
        wanted = sampled(arguments["headers"])
        return wants(bool(span["flags"] & 1) == wanted, f"sampled is {wanted}")

    return judge


_any_trace_ids = _trace_ids | _short_trace_ids
_single = st.builds(
    lambda trace_id, span_id, more: single(trace_id, span_id, *more),
    _any_trace_ids,
    _span_ids,
    st.sampled_from([("1",), ("0",), ("d",)])
    | st.builds(lambda state, parent: (state, parent), st.sampled_from("10d"), _span_ids),
)
_multi = st.builds(
    lambda trace_id, span_id, more: multi(trace_id, span_id, *more),
    _any_trace_ids,
    _span_ids,
    st.sampled_from([(("Sampled", "1"),), (("Sampled", "0"),), (("Flags", "1"),)])
    | _span_ids.map(lambda parent: (("ParentSpanId", parent), ("Sampled", "1"))),
)

check("PR-09", "the ids of the single header", EXTRACTS, _b3(_single))(_taken)
check("PR-09", "the ids of several headers", EXTRACTS, _b3(_multi))(_taken)
check(
    "PR-09",
    "the single header beside the others",
    EXTRACTS,
    _b3(st.builds(lambda one, others: [*others, *one], _single, _multi)),
)(_taken)
check("PR-09", "whether the single header says sampled", EXTRACTS, _b3(_single))(
    _sampled_is(lambda headers: _STATES[headers[0][1].split("-")[2]])
)
check("PR-09", "whether several headers say sampled", EXTRACTS, _b3(_multi))(
    _sampled_is(lambda headers: any(h[0] in ("X-B3-Sampled", "X-B3-Flags") and h[1] == "1"
                                    for h in headers))
)  # fmt: skip
check(
    "PR-09",
    "debug, which is sampled as well",
    EXTRACTS,
    _b3(
        st.builds(lambda t, s: single(t, s, "d"), _any_trace_ids, _span_ids)
        | st.builds(lambda t, s: multi(t, s, ("Flags", "1")), _any_trace_ids, _span_ids)
    ),
)(_sampled_is(lambda headers: True))

_BAD: tuple[list[Header], ...] = (
    single("0" * 32, "1" * 16, "1"),
    single("1" * 32, "0" * 16, "1"),
    single("g" * 32, "1" * 16, "1"),
    single("1" * 31, "1" * 16, "1"),
    single("1" * 32, "1" * 15, "1"),
    single("1" * 33, "1" * 17, "1"),
    single("", "", "1"),
    [["b3", "1"]],
    [["b3", "0"]],
    [["b3", "d"]],
    [["b3", "-"]],
    [["b3", ""]],
    [["b3", "\u0661" * 32 + "-" + "\u0661" * 16 + "-1"]],
    multi("0" * 32, "1" * 16, ("Sampled", "1")),
    multi("1" * 32, "0" * 16, ("Sampled", "1")),
    multi("1" * 20, "1" * 16),
    multi("x" * 32, "1" * 16),
    multi("1" * 32, ""),
    [["X-B3-TraceId", "1" * 32]],
    [["X-B3-SpanId", "1" * 16]],
    [["X-B3-Sampled", "1"]],
    [["X-B3-Flags", "1"]],
    [],
)


@check(
    "PR-01",
    "headers of B3 without ids, or with such as are not valid",
    EXTRACTS,
    _b3(st.sampled_from(_BAD)),
    cases=len(_BAD),
)
def _nothing_stored(arguments: Arguments, answer: Any) -> Deviation | None:
    good = not raised(answer) and answer["span"] is None
    return wants(good, "nothing is raised, and no span context is stored")


def _sent(answer: Any) -> dict[str, str]:
    return {} if raised(answer) else {name.lower(): value for name, value in answer["headers"]}


@check(
    "PR-09",
    "debug that was received, sent on",
    RELAYS,
    st.builds(
        lambda trace_id, span_id, form, is_single: {
            "headers": single(trace_id, span_id, "d")
            if is_single
            else [
                [name.lower(), value] for name, value in multi(trace_id, span_id, ("Flags", "1"))
            ],
            "form": form,
        },
        _trace_ids,
        _span_ids,
        _FORMS,
        st.booleans(),
    ),
)
def _debug_stays(arguments: Arguments, answer: Any) -> Deviation | None:
    sent = _sent(answer)
    kept = sent.get("b3", "").split("-")[2:3] == ["d"] or sent.get("x-b3-flags") == "1"
    return wants(kept, "the debug flag is sent on: d, or X-B3-Flags: 1")


@check(
    "PR-09",
    "a parent span id that was received",
    RELAYS,
    st.builds(
        lambda one, others, form, is_single: {
            "headers": one if is_single else [[name.lower(), value] for name, value in others],
            "form": form,
        },
        st.builds(lambda t, s, p: single(t, s, "1", p), _trace_ids, _span_ids, _span_ids),
        st.builds(
            lambda t, s, p: multi(t, s, ("ParentSpanId", p), ("Sampled", "1")),
            _trace_ids,
            _span_ids,
            _span_ids,
        ),
        _FORMS,
        st.booleans(),
    ),
)
def _no_parent(arguments: Arguments, answer: Any) -> Deviation | None:
    return _no_parent_in(_sent(answer))


def _no_parent_in(sent: dict[str, str]) -> Deviation | None:
    good = "x-b3-parentspanid" not in sent and sent.get("b3", "").count("-") < 3
    return wants(good, "no ParentSpanId is sent")


_injected = st.builds(
    lambda trace_id, span_id, flags, form: {
        "span": {"trace_id": trace_id, "span_id": span_id, "flags": flags, "is_remote": False,
                 "trace_state": []},
        "form": form,
    },
    _trace_ids,
    _span_ids,
    st.sampled_from([0, 1]),
    _FORMS,
)  # fmt: skip


@check("PR-09", "what is sent in either form", INJECTS, _injected)
def _injects(arguments: Arguments, answer: Any) -> Deviation | None:
    span, sent = arguments["span"], _sent(answer)
    ids, sampled = [span["trace_id"], span["span_id"]], str(span["flags"])
    if arguments["form"] == "single":
        found = sent.get("b3", "").split("-")
        wanted = f"b3: {'-'.join([*ids, sampled])}"
        good = found == [*ids, sampled] and set(sent) == {"b3"}
    else:
        found = [sent.get(f"x-b3-{name}", "") for name in ("traceid", "spanid", "sampled")]
        wanted = f"X-B3-TraceId, X-B3-SpanId and X-B3-Sampled: {', '.join([*ids, sampled])}"
        good = found == [*ids, sampled] and "b3" not in sent
    return Deviation(wanted) if not good else _no_parent_in(sent)


_OF_FORM = {"single": {"b3"}, "multi": {"x-b3-traceid", "x-b3-spanid", "x-b3-sampled"}}


@check(
    "PR-09", "the fields of either form", "b3.fields", _FORMS.map(lambda f: {"form": f}), cases=2
)
def _fields(arguments: Arguments, answer: Any) -> Deviation | None:
    wanted = _OF_FORM[arguments["form"]]
    found = set() if raised(answer) else {name.lower() for name in answer["fields"]}
    return wants(found - {"x-b3-flags"} == wanted, f"those that are sent: {sorted(wanted)}")
