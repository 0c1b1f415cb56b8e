"""Ids: how they are made, and the span context that has them.

Whether ids are random is decided by counting: each bit, each change of a bit from one id to the
next, and each pair of bits, over ``COUNT`` spans. Of ids that are random, one of these counts is
beyond its bound in fewer than one of 10**9 runs (Hoeffding's inequality, over all counts).
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

from hypothesis import strategies as st

from ..check import Deviation, check, raised, wants
from ..target import Arguments
from .trace_context import sent

COUNT = 256
"""How many spans are started to see whether their ids are random."""

ODDS = 1e-9
"""How often random ids may be taken for others."""

RANDOM = 2
"""The random flag of Trace Context Level 2."""

_trace_ids = st.integers(1, 2**128 - 1).map("{:032x}".format)
_span_ids = st.integers(1, 2**64 - 1).map("{:016x}".format)
_trace_states = st.sampled_from([[], [["a", "1"]], [["b", "2"], ["a", "1"]], [["x@y", "a b"]]])


def span_contexts(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Valid span contexts, with these fields drawn in another way."""
    drawn = {
        "trace_id": _trace_ids,
        "span_id": _span_ids,
        "flags": st.integers(0, 1),
        "is_remote": st.booleans(),
        "trace_state": _trace_states,
    }
    return st.fixed_dictionaries({**drawn, **fields})


def _is_hex(text: Any, digits: int) -> bool:
    return isinstance(text, str) and len(text) == digits and set(text) <= set("0123456789abcdef")


def _is_valid(text: Any, digits: int) -> bool:
    return _is_hex(text, digits) and int(text, 16) > 0


def is_random(numbers: list[int], bits: int, odds: float = ODDS) -> bool:
    """Whether the last bits of numbers are as random ones are.

    If each bit is 0 or 1 by a coin, this is False with a probability of at most ``odds``.
    """
    size = len(numbers)
    columns = [sum((number >> bit & 1) << row for row, number in enumerate(numbers))
               for bit in range(bits)]  # fmt: skip
    changes = [column ^ column >> 1 for column in columns]
    pairs = [a ^ b for a, b in combinations(columns, 2)]
    tests = [(column, size) for column in columns + pairs]
    tests += [(change & (1 << size - 1) - 1, size - 1) for change in changes]
    # At most so often, of so many tosses, is the count of heads this far from half of them.
    far = math.sqrt(size * math.log(2 * len(tests) / odds) / 2)
    return all(abs(count.bit_count() - tosses / 2) < far for count, tosses in tests)


def _numbers(answer: Any, place: int) -> list[int]:
    return [int(pair[place], 16) for pair in answer["ids"]]


def has_random_trace_ids(answer: Any) -> bool:
    """Whether the last 7 bytes of trace ids are random; false of too few to say so."""
    traces = _numbers(answer, 0)
    return len(traces) >= COUNT and is_random(traces, 56)


_counts = st.integers(1, 20).map(lambda count: {"count": count})
_many = st.just({"count": COUNT})


@check("ID-01", "ids of root spans are valid", "ids.generate", _counts)
def _ids_are_valid(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and len(answer["ids"]) == arguments["count"]
    holds = holds and all(_is_valid(a, 32) and _is_valid(b, 16) for a, b in answer["ids"])
    return wants(holds, "trace ids of 32 and span ids of 16 lower-case digits, not all zero")


@check("ID-01", "no id is made twice", "ids.generate", _many)
def _ids_are_distinct(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and all(
        len({pair[place] for pair in answer["ids"]}) == COUNT for place in (0, 1)
    )
    return wants(holds, "ids that are random, of which no two are the same")


@check("ID-01", "the bits of ids are random", "ids.generate", _many)
def _ids_are_random(arguments: Arguments, answer: Any) -> Deviation | None:
    # What is random of a trace id is said of its last 7 bytes; others begin with a time.
    holds = (
        not raised(answer) and has_random_trace_ids(answer) and is_random(_numbers(answer, 1), 64)
    )
    return wants(holds, "the last 7 bytes of trace ids, and span ids, are random")


@check("ID-01", "ids of a process and of its fork", "ids.fork", _counts, cases=3)
def _ids_of_forks(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and all(
        not {pair[place] for pair in answer["parent"]} & {pair[place] for pair in answer["child"]}
        for place in (0, 1)
    )
    return wants(holds, "a process and its fork make other ids")


def _given_ids(is_random: st.SearchStrategy[bool] | None = None) -> st.SearchStrategy[Any]:
    count = st.shared(st.integers(1, 4), key="ids")
    ids = {
        "trace_ids": count.flatmap(lambda n: st.lists(_trace_ids, min_size=n, max_size=n)),
        "span_ids": count.flatmap(lambda n: st.lists(_span_ids, min_size=n, max_size=n)),
    }
    return st.fixed_dictionaries(ids if is_random is None else {**ids, "is_random": is_random})


@check("ID-02", "ids of a generator of the application", "ids.custom", _given_ids())
def _custom_ids(arguments: Arguments, answer: Any) -> Deviation | None:
    pairs = list(zip(arguments["trace_ids"], arguments["span_ids"], strict=True))
    holds = (
        not raised(answer)
        and [(span["trace_id"], span["span_id"]) for span in answer["spans"]] == pairs
    )
    return wants(holds, "the ids that the generator made, in their order")


@check("ID-03", "the random flag of a root span", "ids.generate", _many, levels=(2,))
@check("TP-16", "the random flag of a root span", "ids.generate", _many, levels=(2,))
def _random_flag(arguments: Arguments, answer: Any) -> Deviation | None:
    if raised(answer) or "flags" not in answer or not has_random_trace_ids(answer):
        return None
    return wants(bool(answer["flags"] & RANDOM), "the trace ids are random, and the flag says so")


@check(
    "ID-03",
    "a generator of the application says whether its ids are random",
    "ids.custom_random",
    _given_ids(st.booleans()),
    levels=(2,),
)
def _custom_random(arguments: Arguments, answer: Any) -> Deviation | None:
    wanted = arguments["is_random"]
    holds = not raised(answer) and all(
        bool(span["flags"] & RANDOM) == wanted for span in answer["spans"]
    )
    return wants(holds, f"the random flag is {'set' if wanted else 'not set'}")


@check("TP-15", "trace ids under the random flag", "ids.generate", _many, levels=(2,))
def _random_as_said(arguments: Arguments, answer: Any) -> Deviation | None:
    if raised(answer) or not answer.get("flags", 0) & RANDOM:
        return None
    return wants(
        has_random_trace_ids(answer), "the last 7 bytes of a trace id that is flagged are random"
    )


@check(
    "SC-01",
    "attributes are assigned to",
    "span_context.assign",
    st.fixed_dictionaries({"span": span_contexts()}),
)
def _is_immutable(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and answer["before"] == answer["after"]
    return wants(holds, "the span context is as it was")


def _ids(trace_ids: Any, span_ids: Any) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {"trace_id": trace_ids, "span_id": span_ids, "flags": st.integers(0, 1)}
    )


_zero_trace_ids, _zero_span_ids = st.just("0" * 32), st.just("0" * 16)
_short_trace_ids = st.integers(0, 2**120).map("{:032x}".format)
_short_span_ids = st.integers(0, 2**60).map("{:016x}".format)
_wide_trace_ids = st.integers(2**128, 2**140).map("{:x}".format)
_wide_span_ids = st.integers(2**64, 2**70).map("{:x}".format)


@check(
    "SC-02",
    "ids in hexadecimal",
    "span_context.make",
    _ids(_trace_ids | _short_trace_ids, _span_ids | _short_span_ids),
)
def _hex(arguments: Arguments, answer: Any) -> Deviation | None:
    wanted = arguments["trace_id"], arguments["span_id"]
    holds = not raised(answer) and (answer["trace_id"], answer["span_id"]) == wanted
    return wants(holds, f"the lower-case texts {wanted[0]} and {wanted[1]}")


@check("SC-03", "ids that are not zero", "span_context.make", _ids(_trace_ids, _span_ids))
def _valid(arguments: Arguments, answer: Any) -> Deviation | None:
    return wants(not raised(answer) and answer["is_valid"] is True, "a span context that is valid")


@check(
    "SC-03",
    "an id that is zero",
    "span_context.make",
    _ids(_zero_trace_ids, _span_ids | _zero_span_ids) | _ids(_trace_ids, _zero_span_ids),
)
def _zero(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and answer["is_valid"] is False
    return wants(holds, "a span context that is not valid")


@check(
    "SC-03",
    "an id that is too wide",
    "span_context.make",
    _ids(_wide_trace_ids, _span_ids) | _ids(_trace_ids, _wide_span_ids),
)
def _too_wide(arguments: Arguments, answer: Any) -> Deviation | None:
    # To make no such span context is as good.
    return wants(
        raised(answer) or answer["is_valid"] is False,
        "no valid span context: a trace id has 16 bytes, a span id 8",
    )


@check(
    "SC-04",
    "a span context that is extracted",
    "tracecontext.extract",
    st.builds("00-{}-{}-0{:x}".format, _trace_ids, _span_ids, st.integers(0, 3)).map(
        lambda text: {"headers": [["traceparent", text]]}
    ),
)
def _is_remote(arguments: Arguments, answer: Any) -> Deviation | None:
    if raised(answer) or answer["span"] is None or "is_remote" not in answer["span"]:
        return None
    return wants(answer["span"]["is_remote"] is True, "a span context that is remote")


_samplers = st.sampled_from(["always_on", "always_off"]).map(lambda name: {"sampler": name})


@check(
    "SC-04",
    "children of a remote and of a local parent",
    "tracer.start",
    st.fixed_dictionaries(
        {"sampler": _samplers, "parent": span_contexts() | st.none(), "count": st.just(1)}
    ),
)
def _children_are_local(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and all(
        each["span"]["is_remote"] is False for each in answer["spans"]
    )
    return wants(holds, "the span context of a child is not remote")


def _without_sdk(parents: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({"span": parents, "current": st.booleans()})


@check("SC-08", "a span with a parent", "noop.start", _without_sdk(span_contexts()))
def _parent_is_returned(arguments: Arguments, answer: Any) -> Deviation | None:
    wanted = arguments["span"]
    holds = not raised(answer) and answer["is_recording"] is False and answer["span"] == wanted
    return wants(holds, "a span that does not record, with the span context of the parent")


@check("SC-08", "what is propagated of a parent", "noop.start", _without_sdk(span_contexts()))
def _parent_is_propagated(arguments: Arguments, answer: Any) -> Deviation | None:
    span = arguments["span"]
    wanted = f"00-{span['trace_id']}-{span['span_id']}-{span['flags']:02x}"
    return wants(sent(answer) == [wanted], f"the traceparent {wanted}")


@check("SC-08", "a span without a parent", "noop.start", _without_sdk(st.none()))
def _nothing_is_made(arguments: Arguments, answer: Any) -> Deviation | None:
    if raised(answer):
        return Deviation("an empty span that does not record")
    span = answer["span"]
    empty = (span["trace_id"], span["span_id"], span["flags"], span["trace_state"])
    holds = empty == ("0" * 32, "0" * 16, 0, []) and answer["is_recording"] is False
    return wants(holds, "an empty span that does not record: ids of zero, no flags, no trace state")
