"""Every difference between opentelemetry-api's propagators and ours is in the table."""

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from opentelemetry import trace

from proofs import domains
from proofs.requirements import requirements
from verified import baggage, traceparent, tracestate
from verified.otel import BaggageValue, trace_context
from verified.otel.trace_context import LazyTraceState
from verified.strategies import (
    baggage_headers,
    baggage_keys,
    baggage_metadata,
    baggage_values,
    forbidden_traceparents,
    near_misses,
    oversized_tracestates,
    traceparents,
    tracestate_keys,
    tracestate_members,
    tracestate_values,
    tracestates,
)

from .differences import (
    PARTS,
    OtherTraceState,
    Row,
    Unclassified,
    changed,
    outcome,
    table,
)

MANY = settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    """Theirs log a warning for most of what is drawn here."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def headers(
    usual: st.SearchStrategy[str], sound: st.SearchStrategy[str], long: st.SearchStrategy[str]
) -> st.SearchStrategy[Any]:
    """What a carrier holds for a header: one text of any of these kinds, several, or no text."""
    one = st.one_of(usual, usual, near_misses(sound), long, domains.TEXTS)
    other = st.none() | st.just(5)
    several = st.lists(st.one_of(one, one, one, other), max_size=3)
    return st.one_of(one, one, one, one, several, other, st.just(b"a=1"))


@st.composite
def distinct(draw: st.DrawFn, most: int) -> str:
    """About so many members with keys of their own, some of them empty."""
    count = draw(st.integers(most - 2, most + 2))
    spare = draw(st.lists(st.integers(0, count - 1), max_size=4))
    return ",".join("" if n in spare else f"k{n}={n}" for n in range(count))


def about(size: int) -> st.SearchStrategy[int]:
    return st.integers(size - 8, size + 8)


SAME = st.sampled_from(["a", "b"])
TRACEPARENTS = traceparents() | forbidden_traceparents()
LISTS = tracestates() | oversized_tracestates()

# What may stand behind a header, and what may not.
SOME_MORE = st.sampled_from(["-a\nb", "-\n", "\n", " \n", "\n ", "-a\n\n", "-\n-", "x", " -", "\t"])
VALID = st.sampled_from(["00", "01", "cc"]).map(
    lambda version: f"{version}-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
)
PARENTS = headers(
    TRACEPARENTS,
    VALID,
    st.builds("{}{}".format, VALID, SOME_MORE | about(457).map(lambda size: "-".ljust(size, "x"))),
)
LEVEL_2 = st.sampled_from(["0b@@=2", "0=1", "a@=1", "a@b@c=1", "a@0=1", "0a@b=1"])
FEW = st.lists(tracestate_members() | LEVEL_2, max_size=4).map(",".join)
STATES = headers(
    LISTS | FEW,
    FEW,
    distinct(32)
    | distinct(32)
    | st.builds("a=1{}{}".format, about(8190).map(" ".__mul__), st.just(",b=2")),
)
SPACES = st.sampled_from(["%20", "%0A", "%C2%A0", "%e2%80%83", "%00"])
ENCODED = st.builds(
    "{}={}{};{}".format, SAME, st.sampled_from(["", "1", "+"]), SPACES, baggage_keys()
)
BAGGAGE = headers(
    baggage_headers() | ENCODED,
    baggage_headers(),
    st.one_of(
        distinct(180),
        st.builds("a={},b=1".format, about(4094).map("v".__mul__)),
        st.builds("a=1,{}b={}".format, about(8184).map(" ".__mul__), baggage_values()),
    ),
)
CARRIERS = st.one_of(
    st.fixed_dictionaries({"traceparent": VALID, "tracestate": STATES}),
    st.fixed_dictionaries({"traceparent": TRACEPARENTS, "tracestate": STATES}),
    st.fixed_dictionaries({"traceparent": PARENTS}),
    st.fixed_dictionaries({}, optional={"traceparent": PARENTS, "tracestate": FEW}),
    st.none(),
)
BAGGAGE_CARRIERS = st.fixed_dictionaries({}, optional={"baggage": BAGGAGE}) | st.none()


def ids(bits: int) -> st.SearchStrategy[int]:
    most = 1 << bits
    usual = st.integers(1, most - 1)
    return st.one_of(usual, usual, usual, st.sampled_from([0, 1, most - 1, most, most * 16]))


TRACE_STATES = st.one_of(
    (LISTS | FEW).map(lambda text: trace.TraceState.from_header([text])),
    (LISTS | FEW).map(lambda text: LazyTraceState.from_header([text])),
    (LISTS | near_misses(LISTS) | domains.TEXTS).map(OtherTraceState),
)
SPAN_CONTEXTS = st.builds(
    trace.SpanContext,
    ids(128),
    ids(64),
    st.booleans(),
    st.one_of(st.integers(0, 3), st.integers(0, 300)).map(trace.TraceFlags),
    TRACE_STATES,
) | st.just(trace.INVALID_SPAN_CONTEXT)

NAMES = st.one_of(SAME, baggage_keys(), st.text(max_size=4), st.integers(0, 2))
VALUES = st.one_of(baggage_values(), st.text(max_size=6), st.integers(), st.text("a /+%\ud800"))
SOME_HELD = st.dictionaries(
    NAMES,
    VALUES | st.builds(BaggageValue, baggage_values(), baggage_metadata() | st.text(max_size=3)),
    max_size=5,
)
HELD = st.one_of(
    SOME_HELD,
    SOME_HELD,
    SOME_HELD,
    about(180).map(lambda count: {f"k{n}": n for n in range(count)}),
    st.lists(st.sampled_from([1, 3, 90, 3990, 4000, 4094, 4095]) | about(4092), max_size=6).map(
        lambda sizes: {f"k{n}": "v" * size for n, size in enumerate(sizes)}
    ),
)

STATE_KEYS = st.one_of(
    tracestate_keys(), LEVEL_2.map(lambda member: member.partition("=")[0]), domains.TEXTS
)
STATE_VALUES = st.one_of(tracestate_values(), near_misses(tracestate_values()))
SOME_ENTRIES = st.lists(st.tuples(STATE_KEYS, STATE_VALUES), max_size=4)
ENTRIES = st.one_of(
    SOME_ENTRIES,
    SOME_ENTRIES,
    SOME_ENTRIES,
    st.builds(
        lambda count, more: [(f"k{n}", "v") for n in range(count)] + more,
        st.integers(29, 34),
        st.lists(st.tuples(STATE_KEYS, STATE_VALUES), max_size=2),
    ),
).map(tuple)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["add", "update"]), STATE_KEYS, STATE_VALUES),
        st.tuples(st.just("delete"), STATE_KEYS | st.sampled_from(["k0", "k9", "k31"])),
    ),
    max_size=4,
)


def run_sequence(drawn: tuple[Any, list[Any]]) -> set[str]:
    """Make a trace state on each side and change both, each step on what came before.

    After a difference ours go on from where theirs are.
    """
    part = PARTS["operation", "trace context"]
    entries, operations = drawn
    theirs = trace.TraceState(entries)
    ours: trace.TraceState = LazyTraceState(entries)
    found = part.classify((entries, ("new",)), tuple(theirs.items()), tuple(ours.items()))
    for operation in operations:
        items = tuple(theirs.items())
        if tuple(ours.items()) != items:
            ours = LazyTraceState(items)
        theirs, before = changed(theirs, operation), ours
        ours = changed(before, operation)
        assert tuple(before.items()) == items
        assert ours.to_header() == ",".join(map("=".join, ours.items()))
        found |= part.classify((items, operation), tuple(theirs.items()), tuple(ours.items()))
    return found


# What is drawn for each part, and how it is run.
DRAWN: dict[tuple[str, str], tuple[st.SearchStrategy[Any], Callable[[Any], set[str]]]] = {
    ("extract", "trace context"): (CARRIERS, PARTS["extract", "trace context"].run),
    ("extract", "baggage"): (BAGGAGE_CARRIERS, PARTS["extract", "baggage"].run),
    ("inject", "trace context"): (SPAN_CONTEXTS, PARTS["inject", "trace context"].run),
    ("inject", "baggage"): (HELD, PARTS["inject", "baggage"].run),
    ("operation", "trace context"): (st.tuples(ENTRIES, OPERATIONS), run_sequence),
}


def run_many(part: tuple[str, str], chosen: settings) -> Counter[str]:
    """How often each row spoke."""
    drawn, run = DRAWN[part]
    seen: Counter[str] = Counter()

    @chosen
    @given(drawn)
    def check(input: Any) -> None:
        seen.update(run(input))

    check()
    return seen


@pytest.mark.parametrize("part", DRAWN, ids=" ".join)
def test_every_difference_is_in_the_table(part: tuple[str, str]) -> None:
    seen = run_many(part, MANY)
    # That something was compared.
    assert len(seen) > 1


@pytest.mark.parametrize("row", table(), ids=lambda row: row.id)
def test_every_row_is_shown_by_its_example(row: Row) -> None:
    """A row of which one side changed fails here."""
    part = PARTS[row.part]
    theirs, ours = outcome(part.theirs, row.example), outcome(part.ours, row.example)
    assert theirs != ours
    assert part.classify(row.example, theirs, ours) == {row.id, *row.also}
    for wrong in ((theirs, theirs), (ours, ours), (ours, theirs)):
        with pytest.raises(Unclassified):
            part.classify(row.example, *wrong)


def test_each_of_several_reasons_speaks() -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    carrier = {"traceparent": [parent, parent], "tracestate": "0b@@=1,a=1,a=2"}
    found = PARTS["extract", "trace context"].run(carrier)
    assert found == {
        "traceparent-first-of-several",
        "tracestate-level-1-keys",
        "tracestate-key-twice",
    }


def test_the_table() -> None:
    rows = table()
    assert max(Counter(row.id for row in rows).values()) == 1
    for row in rows:
        assert row.part in PARTS
        assert row.header in ("traceparent", "tracestate", "baggage")
        assert row.deviates in ("theirs", "open")
        assert row.theirs != row.ours
        assert row.decides
        assert row.requirements
        assert set(row.requirements) <= requirements().keys()


EXTRACT = ("extract", "trace context")
EXTRACT_BAGGAGE = ("extract", "baggage")
INJECT = ("inject", "trace context")
INJECT_BAGGAGE = ("inject", "baggage")
OPERATION = ("operation", "trace context")

MEMBERS, DECODE, HEADER = baggage.members, baggage.decode, baggage.header

# Faults, many of which look like something in the table: the part in which each is seen,
# what it replaces, and with what.
FAULTS: dict[str, tuple[tuple[str, str], tuple[Any, str], Any]] = {
    "digits of either case": (
        EXTRACT,
        (trace_context, "fields"),
        lambda text: traceparent.fields(text.lower()),
    ),
    "anything after the flags": (
        EXTRACT,
        (trace_context, "fields"),
        lambda text: traceparent.fields(text[: traceparent.LENGTH]),
    ),
    "another length": (EXTRACT, (traceparent, "LENGTH"), 56),
    "33 members": (
        EXTRACT,
        (tracestate, "_LIST"),
        re.compile(tracestate._LIST.pattern.replace("{0,31}", "{0,32}")),
    ),
    "members in another order": (
        EXTRACT,
        (tracestate, "header"),
        lambda text: ",".join(text.split(",")[::-1]),
    ),
    "no members": (EXTRACT, (tracestate.TraceState, "members"), ()),
    "properties dropped": (
        EXTRACT_BAGGAGE,
        (baggage, "members"),
        lambda text: [(key, value, "") for key, value, _ in MEMBERS(text)],
    ),
    "179 members of baggage": (EXTRACT_BAGGAGE, (baggage, "MAX_MEMBERS"), 179),
    "plus for space": (
        EXTRACT_BAGGAGE,
        (baggage, "decode"),
        lambda value: DECODE(value.replace("+", " ")),
    ),
    "values stripped": (
        EXTRACT_BAGGAGE,
        (baggage, "decode"),
        lambda value: DECODE(value).strip(),
    ),
    "random flag not sent": (INJECT, (traceparent, "KNOWN"), 1),
    "flags confused": (INJECT, (traceparent, "_SENT"), ("00", "01", "02", "01")),
    "entries in another order": (
        INJECT_BAGGAGE,
        (baggage, "header"),
        lambda members: HEADER(members[::-1]),
    ),
    "a byte less": (INJECT_BAGGAGE, (baggage, "MAX_BYTES"), 8191),
    "values not encoded": (INJECT_BAGGAGE, (baggage, "encode"), str),
    "added at the end": (
        OPERATION,
        (tracestate.TraceState, "with_member"),
        lambda self, key, value: tracestate.TraceState(f"{self.header},{key}={value}".strip(",")),
    ),
    "not deleted": (OPERATION, (tracestate.TraceState, "delete"), lambda self, key: self),
    "31 members": (OPERATION, (tracestate, "MAX_MEMBERS"), 31),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_ours_is_unclassified(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A fault does not pass for a difference that it looks like."""
    part, target, fault = FAULTS[name]
    monkeypatch.setattr(*target, fault)
    once = settings(
        MANY, phases=[Phase.generate], database=None, derandomize=True, report_multiple_bugs=False
    )
    with pytest.raises(Unclassified):
        run_many(part, once)
