"""Samplers, and what a tracer makes of their decisions.

A sampler is *told* what to decide, or it is one of those that the standard has. What a ratio
means for one trace id is not said (the algorithm "was never specified"); that it is the same
for ever, and that more is sampled by a higher one, is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

from hypothesis import strategies as st

from ..check import Deviation, raised, wants
from ..check import check as any_check
from ..target import Arguments
from .identifiers import ODDS, span_contexts

check = partial(any_check, cases=50)
"""A check of fewer cases than others have."""

SAMPLED = 1

_DECISIONS = ("DROP", "RECORD_ONLY", "RECORD_AND_SAMPLE")

_states = st.sampled_from([[["a", "1"]], [["b", "2"], ["a", "1"]], [["x@y", "a b"]]])
_trace_ids = st.integers(1, 2**128 - 1).map("{:032x}".format)
_names = st.sampled_from(["s", "a", "GET /"])
_ratios = st.sampled_from([0.0, 1e-18, 1e-9, 0.1, 0.25, 0.5, 1 - 2**-53, 1.0]) | st.floats(0, 1)
_on, _off = {"sampler": "always_on"}, {"sampler": "always_off"}


def _ratio(value: float) -> dict[str, Any]:
    return {"sampler": "trace_id_ratio_based", "ratio": value}


def _told(decision: str, name: str = "told", **more: Any) -> dict[str, Any]:
    return {"sampler": "told", "name": name, "decision": decision, **more}


def _parents(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return span_contexts(**fields) | st.none()


@st.composite
def _spans(draw: st.DrawFn, parents: Any = None, trace_ids: Any = _trace_ids) -> dict[str, Any]:
    """A span that is to be decided on; it has the trace id of its parent."""
    trace_id = draw(trace_ids)
    parent = draw(_parents() if parents is None else parents)
    if parent is not None:
        parent = {**parent, "trace_id": trace_id}
    return {"trace_id": trace_id, "name": draw(_names), "parent": parent}


def _decides(samplers: Any, spans: Any) -> st.SearchStrategy[Any]:
    """Arguments of ``sampler.decide``."""
    return st.fixed_dictionaries({"samplers": samplers, "spans": spans})


def _one(sampler: Any, spans: Any = None) -> st.SearchStrategy[Any]:
    """Arguments for one sampler and a few spans."""
    samplers = sampler.map(lambda each: [each])
    return _decides(
        samplers, st.lists(_spans() if spans is None else spans, min_size=1, max_size=4)
    )


def _decisions(answer: Any, sampler: int = 0) -> list[str]:
    """What a sampler decided, for each span."""
    return [result["decision"] for result in answer["samplers"][sampler]["results"]]


def _description(answer: Any, sampler: int = 0) -> str:
    return str(answer["samplers"][sampler]["description"])


@check("SA-07", "AlwaysOn", "sampler.decide", _one(st.just(_on)))
def _always_on(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and set(_decisions(answer)) == {"RECORD_AND_SAMPLE"}
    return wants(holds, "RECORD_AND_SAMPLE, whatever the parent")


@check("SA-07", "AlwaysOff", "sampler.decide", _one(st.just(_off)))
def _always_off(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and set(_decisions(answer)) == {"DROP"}
    return wants(holds, "DROP, whatever the parent")


@check(
    "SA-07", "descriptions", "sampler.decide", _decides(st.just([_on, _off]), st.just([])), cases=1
)
def _descriptions(arguments: Arguments, answer: Any) -> Deviation | None:
    wanted = ["AlwaysOnSampler", "AlwaysOffSampler"]
    holds = not raised(answer) and [_description(answer, n) for n in (0, 1)] == wanted
    return wants(holds, f"the descriptions {' and '.join(wanted)}")


@st.composite
def _same_trace(draw: st.DrawFn) -> dict[str, Any]:
    """Two samplers of one ratio, and spans of one trace with other parents and names."""
    ratio = draw(_ratios)
    trace_id = draw(_near(ratio))
    spans = draw(st.lists(_spans(trace_ids=st.just(trace_id)), min_size=2, max_size=4))
    return {"samplers": [_ratio(ratio)] * 2, "spans": spans}


@st.composite
def _near(draw: st.DrawFn, *ratios: float) -> str:
    """A trace id, often near a bound that an algorithm may have for one of the ratios."""
    bound = draw(st.sampled_from([bound for each in ratios for bound in (each, 1 - each)]))
    bits, shift = draw(st.sampled_from([(56, 0), (63, 0), (64, 0), (64, 64), (128, 0)]))
    near = (int(bound * 2**bits) + draw(st.integers(-2, 2))) % 2**bits << shift
    # Of bytes as many are high as low; integers are small more often than not.
    anywhere = int.from_bytes(draw(st.binary(min_size=16, max_size=16))) or 1
    return f"{draw(st.sampled_from([near or anywhere, anywhere])):032x}"


@check("SA-08", "spans of one trace", "sampler.decide", _same_trace())
def _deterministic(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and len({*_decisions(answer), *_decisions(answer, 1)}) == 1
    return wants(holds, "one decision for one trace id, whatever the parent and the name")


@check(
    "SA-08",
    "the sampled flag of the parent",
    "sampler.decide",
    _decides(
        _ratios.map(lambda ratio: [_ratio(ratio)]),
        _spans(span_contexts()).map(
            lambda span: [
                {**span, "parent": {**span["parent"], "flags": flags}} for flags in (0, SAMPLED)
            ]
        ),
    ),
)
def _ignores_the_flag(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and len(set(_decisions(answer))) == 1
    return wants(holds, "the same decision for a parent that is sampled and one that is not")


@st.composite
def _two_ratios(draw: st.DrawFn) -> dict[str, Any]:
    """Samplers of two ratios, the lower first, and trace ids near their bounds."""
    low, high = sorted((draw(_ratios), draw(_ratios)))
    spans = st.lists(
        _near(low, high).map(lambda trace_id: {"trace_id": trace_id}), min_size=5, max_size=20
    )
    return {"samplers": [_ratio(low), _ratio(high)], "spans": draw(spans)}


@check("SA-09", "traces that a lower ratio samples", "sampler.decide", _two_ratios())
def _monotonic(arguments: Arguments, answer: Any) -> Deviation | None:
    if raised(answer):
        return Deviation("decisions")
    pairs = zip(_decisions(answer, 0), _decisions(answer, 1), strict=True)
    holds = all(high == "RECORD_AND_SAMPLE" for low, high in pairs if low == "RECORD_AND_SAMPLE")
    return wants(holds, "the higher ratio samples all traces that the lower one samples")


_TRACES = 200


def _random_spans(seed: int) -> list[dict[str, Any]]:
    random = Random(seed)
    return [{"trace_id": f"{random.getrandbits(128) or 1:032x}"} for _ in range(_TRACES)]


@check(
    "SA-09",
    "how many traces a ratio samples",
    "sampler.decide",
    _decides(
        st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]).map(lambda ratio: [_ratio(ratio)]),
        st.integers(0, 3).map(_random_spans),
    ),
    cases=10,
)
def _probability(arguments: Arguments, answer: Any) -> Deviation | None:
    ratio = arguments["samplers"][0]["ratio"]
    # Hoeffding's inequality; a ratio of 0 or 1 leaves nothing to chance.
    far = math.sqrt(_TRACES * math.log(2 / ODDS) / 2) if 0 < ratio < 1 else 0
    holds = not raised(answer)
    if holds:
        sampled = _decisions(answer).count("RECORD_AND_SAMPLE")
        holds = abs(sampled - ratio * _TRACES) <= far
    return wants(holds, f"of {_TRACES} random trace ids {ratio:g} or about as many are sampled")


_DESCRIPTION = re.compile(r"TraceIdRatioBased\{(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\}")


def _written(description: str) -> Decimal | None:
    """The ratio that a description has."""
    match = _DESCRIPTION.fullmatch(description)
    return Decimal(match[1]) if match else None


def _of_ratios(*ratios: Any) -> st.SearchStrategy[Any]:
    return _decides(st.tuples(*ratios).map(lambda each: [*map(_ratio, each)]), st.just([]))


@check("SA-10", "the description", "sampler.decide", _of_ratios(_ratios))
def _described(arguments: Arguments, answer: Any) -> Deviation | None:
    # Whether a small number is written with an exponent is left to the language.
    ratio = Decimal(arguments["samplers"][0]["ratio"])
    written = None if raised(answer) else _written(_description(answer))
    holds = False
    if written is not None:
        place = Decimal(1).scaleb(int(written.as_tuple().exponent))
        # Rounded or cut off at the last place that is written.
        holds = abs(written - ratio) <= place
    return wants(holds, "TraceIdRatioBased{RATIO}, with the ratio as a decimal number")


@check(
    "SA-10",
    "descriptions of two ratios",
    "sampler.decide",
    _of_ratios(_ratios, _ratios).filter(
        lambda arguments: arguments["samplers"][0] != arguments["samplers"][1]
    ),
    level="SHOULD",
)
def _told_apart(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and _description(answer) != _description(answer, 1)
    return wants(holds, "two descriptions: the precision is high enough to tell the ratios apart")


_CASES = (
    "root",
    "remote_parent_sampled",
    "remote_parent_not_sampled",
    "local_parent_sampled",
    "local_parent_not_sampled",
)


def _case(parent: dict[str, Any] | None) -> str:
    """Which sampler ParentBased asks, by the table of the standard."""
    if parent is None or not int(parent["trace_id"], 16) or not int(parent["span_id"], 16):
        return "root"
    sampled = "sampled" if parent["flags"] & SAMPLED else "not_sampled"
    return f"{'remote' if parent['is_remote'] else 'local'}_parent_{sampled}"


@st.composite
def _parent_based(draw: st.DrawFn, given: Iterable[str] = _CASES) -> dict[str, Any]:
    return {"sampler": "parent_based"} | {
        name: _told(draw(st.sampled_from(_DECISIONS)), name) for name in given
    }


@check("SA-11", "the five cases", "sampler.decide", _one(_parent_based()))
def _five_ways(arguments: Arguments, answer: Any) -> Deviation | None:
    spans, (sampler,) = arguments["spans"], arguments["samplers"]
    cases = [_case(span["parent"]) for span in spans]
    wanted = [sampler[case]["decision"] for case in cases]
    holds = not raised(answer) and _decisions(answer) == wanted
    holds = holds and [name for name, _ in answer["samplers"][0]["asked"]] == cases
    return wants(
        holds, f"these are asked: {', '.join(cases)}; their decisions: {', '.join(wanted)}"
    )


@check("SA-11", "samplers that are not given", "sampler.decide", _one(_parent_based(["root"])))
def _defaults(arguments: Arguments, answer: Any) -> Deviation | None:
    spans, (sampler,) = arguments["spans"], arguments["samplers"]
    wanted = [
        sampler["root"]["decision"]
        if (case := _case(span["parent"])) == "root"
        else ("DROP" if case.endswith("not_sampled") else "RECORD_AND_SAMPLE")
        for span in spans
    ]
    holds = not raised(answer) and _decisions(answer) == wanted
    return wants(holds, f"{', '.join(wanted)}: AlwaysOn for sampled parents, else AlwaysOff")


@check(
    "SA-11",
    "a parent that is not valid",
    "sampler.decide",
    _parent_based().map(
        lambda sampler: {
            "samplers": [sampler],
            "spans": [
                {
                    "trace_id": "1" * 32,
                    "parent": {"trace_id": "0" * 32, "span_id": "0" * 16, "flags": SAMPLED}
                    | {"is_remote": is_remote},
                }
                for is_remote in (False, True)
            ],
        }
    ),
)
def _invalid_parent(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and [n for n, _ in answer["samplers"][0]["asked"]] == ["root"] * 2
    return wants(holds, "root is asked: a span context that is not valid is no parent")


@check(
    "SA-12",
    "each decision of the root",
    "sampler.always_record",
    _one(
        st.sampled_from(_DECISIONS).map(
            lambda decision: {"sampler": "always_record", "root": _told(decision)}
        )
    ),
)
def _always_record(arguments: Arguments, answer: Any) -> Deviation | None:
    root = arguments["samplers"][0]["root"]["decision"]
    wanted = "RECORD_ONLY" if root == "DROP" else root
    holds = not raised(answer) and set(_decisions(answer)) == {wanted}
    return wants(holds, f"{wanted} where the root says {root}")


_built_in = st.one_of(
    st.sampled_from([_on, _off]),
    _ratios.map(_ratio),
    st.sampled_from([_on, _off]).map(lambda root: {"sampler": "parent_based", "root": root}),
)


@check(
    "SA-06",
    "what a sampler returns",
    "sampler.decide",
    _one(_built_in, _spans(span_contexts(trace_state=_states))),
)
def _state_is_returned(arguments: Arguments, answer: Any) -> Deviation | None:
    wanted = [span["parent"]["trace_state"] for span in arguments["spans"]]
    holds = (
        not raised(answer)
        and [result["trace_state"] for result in answer["samplers"][0]["results"]] == wanted
    )
    return wants(holds, "the trace state of the parent is returned")


@check(
    "SA-13",
    "threads that ask one sampler",
    "sampler.threads",
    st.fixed_dictionaries(
        {
            "sampler": _built_in,
            "spans": st.lists(_spans(), min_size=20, max_size=20),
            "threads": st.integers(2, 4),
        }
    ),
    cases=10,
)
def _threads(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and all(each == answer["alone"] for each in answer["together"])
    return wants(holds, "the decisions and descriptions of one thread, in each of them")


def _starts(
    samplers: st.SearchStrategy[Any], parents: st.SearchStrategy[Any]
) -> st.SearchStrategy[Any]:
    """Arguments of ``tracer.start``."""
    return st.fixed_dictionaries(
        {"sampler": samplers, "parent": parents, "count": st.integers(1, 3)}
    )


_any_told = st.sampled_from(_DECISIONS).map(_told)


def _flags(answer: Any) -> list[int]:
    return [each["span"]["flags"] & SAMPLED for each in answer["spans"]]


@check(
    "SA-01", "spans of each decision", "tracer.start", _starts(_any_told | _built_in, _parents())
)
def _not_sampled_alone(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and all(
        each["is_recording"] or not each["span"]["flags"] & SAMPLED for each in answer["spans"]
    )
    return wants(holds, "no span that is sampled and does not record")


@check("SA-02", "spans that a processor is given", "tracer.start", _starts(_any_told, _parents()))
def _processed(arguments: Arguments, answer: Any) -> Deviation | None:
    is_recording = arguments["sampler"]["decision"] != "DROP"
    wanted = ["on_start", "on_end"] * arguments["count"] if is_recording else []
    holds = not raised(answer) and answer["processor"] == wanted
    return wants(
        holds, "on_start and on_end of each span" if wanted else "no call: the span does not record"
    )


@check("SA-03", "the trace id of a child", "tracer.start", _starts(_any_told, span_contexts()))
def _trace_goes_on(arguments: Arguments, answer: Any) -> Deviation | None:
    wanted = arguments["parent"]["trace_id"]
    holds = not raised(answer) and all(
        each["span"]["trace_id"] == wanted == asked[1]
        for each, asked in zip(answer["spans"], answer["asked"], strict=True)
    )
    return wants(holds, f"the trace id {wanted}, of which the sampler was asked")


@check("SA-03", "the trace id of a root span", "tracer.start", _starts(_any_told, st.none()))
def _trace_begins(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer)
    if holds:
        traces = [each["span"]["trace_id"] for each in answer["spans"]]
        holds = traces == [trace_id for _, trace_id in answer["asked"]]
        holds = holds and all(int(trace_id, 16) for trace_id in traces)
        holds = holds and len(set(traces)) == len(traces)
    return wants(holds, "a new trace id, of which the sampler was asked")


@check("SA-04", "span ids", "tracer.start", _starts(_any_told | _built_in, _parents()))
def _new_span_ids(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer)
    if holds:
        ids = [each["span"]["span_id"] for each in answer["spans"]]
        ids += [arguments["parent"]["span_id"]] if arguments["parent"] else []
        holds = len(set(ids)) == len(ids) and all(int(id, 16) for id in ids)
    return wants(holds, "a new span id for each span, whatever the decision")


@check(
    "SA-05", "what a span is after each decision", "tracer.start", _starts(_any_told, _parents())
)
def _as_decided(arguments: Arguments, answer: Any) -> Deviation | None:
    decision = arguments["sampler"]["decision"]
    sampled = int(decision == "RECORD_AND_SAMPLE")
    holds = not raised(answer) and all(
        each["is_recording"] == (decision != "DROP")
        and (decision == "DROP" or each["span"]["flags"] & SAMPLED == sampled)
        for each in answer["spans"]
    )
    return wants(
        holds,
        {
            "DROP": "a span that does not record",
            "RECORD_ONLY": "a span that records, without the sampled flag",
            "RECORD_AND_SAMPLE": "a span that records, with the sampled flag",
        }[decision],
    )


def _state_of(arguments: Arguments, answer: Any, wanted: Any) -> bool:
    return not raised(answer) and all(
        each["span"]["trace_state"] == wanted for each in answer["spans"]
    )


@check(
    "SA-06",
    "the trace state of a child",
    "tracer.start",
    _starts(_built_in, span_contexts(trace_state=_states)),
)
def _state_goes_on(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = _state_of(arguments, answer, arguments["parent"]["trace_state"])
    return wants(holds, "the trace state of the parent")


@check(
    "SA-06",
    "a trace state that the sampler changes or clears",
    "tracer.start",
    _starts(
        st.builds(
            lambda decision, state: _told(decision, trace_state=state),
            st.sampled_from(_DECISIONS),
            st.just([]) | _states,
        ),
        span_contexts(trace_state=_states),
    ),
)
def _state_is_the_samplers(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = _state_of(arguments, answer, arguments["sampler"]["trace_state"])
    return wants(holds, "the trace state that the sampler returned")
