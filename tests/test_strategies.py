"""The strategies that are shipped: valid is valid, every edge is reached, and small is simple."""

import ast
import inspect
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from proofs.grammar import Grammar
from verified import Baggage, SpanContext, SpanId, TraceFlags, TraceId, TraceState, strategies
from verified.baggage import Entry
from verified.propagation import Context
from verified.strategies import (
    baggage_entries,
    baggage_headers,
    baggage_keys,
    baggage_members,
    baggage_metadata,
    baggage_properties,
    baggage_values,
    baggages,
    carriers,
    contexts,
    forbidden_traceparents,
    header_names,
    hostile_carriers,
    hostile_values,
    invalid_span_contexts,
    near_misses,
    oversized_baggage_headers,
    oversized_tracestates,
    span_contexts,
    span_ids,
    strings,
    trace_flags,
    trace_ids,
    trace_states,
    traceparents,
    tracestate_keys,
    tracestate_members,
    tracestate_values,
    tracestates,
)

FIELDS = Grammar("traceparent", "value")
VERSION_00 = Grammar("traceparent", "version-00")
HIGHER_VERSION = Grammar("traceparent", "higher-version")
LIST = Grammar("tracestate", "list")
BAGGAGE = Grammar("baggage", "baggage-string")

DRAWN = settings(suppress_health_check=list(HealthCheck), deadline=None, database=None)


def is_taken(header: str) -> bool:
    """Whether the standard has a traceparent be taken."""
    if header[:2] == "ff" or set(header[3:35]) == {"0"} or set(header[36:52]) == {"0"}:
        return False
    return VERSION_00.matches(header) or (header[:2] != "00" and HIGHER_VERSION.matches(header))


def is_baggage(header: str) -> bool:
    return BAGGAGE.matches(header) and len(header) <= 8192


VALID: list[tuple[Callable[[], SearchStrategy[str]], Callable[[str], bool]]] = [
    (traceparents, is_taken),
    (tracestate_keys, Grammar("tracestate", "key").matches),
    (tracestate_values, Grammar("tracestate", "value").matches),
    (tracestate_members, Grammar("tracestate", "member").matches),
    (tracestates, LIST.matches),
    (baggage_keys, Grammar("baggage", "key").matches),
    (baggage_values, Grammar("baggage", "value").matches),
    (baggage_properties, Grammar("baggage", "property").matches),
    (baggage_metadata, Grammar("baggage", "metadata").matches),
    (baggage_members, Grammar("baggage", "list-member").matches),
    (baggage_headers, is_baggage),
]
INVALID: list[tuple[Callable[[], SearchStrategy[str]], Callable[[str], bool]]] = [
    (forbidden_traceparents, lambda text: FIELDS.matches(text[:55]) and not is_taken(text)),
    (oversized_tracestates, lambda text: not LIST.matches(text)),
    (
        oversized_baggage_headers,
        # All members but those in excess make a header.
        lambda text: not is_baggage(text) and BAGGAGE.matches(",".join(text.split(",")[:180])),
    ),
]


@pytest.mark.parametrize(("texts", "is_as_said"), VALID + INVALID)
def test_texts_are_what_they_are_said_to_be(
    texts: Callable[[], SearchStrategy[str]], is_as_said: Callable[[str], bool]
) -> None:
    @settings(DRAWN, max_examples=300)
    @given(texts())
    def check(text: str) -> None:
        assert is_as_said(text), text

    check()


@given(trace_states())
def test_a_trace_state_is_one_that_the_constructor_makes(state: TraceState) -> None:
    assert type(state) is TraceState
    assert TraceState(state.header) == state


@given(baggages())
def test_baggage_is_what_the_constructor_makes(held: Baggage) -> None:
    assert type(held) is Baggage
    assert Baggage(held.entries) == held
    assert all(type(entry) is Entry for entry in held.entries)


@given(span_contexts(), invalid_span_contexts(), contexts())
def test_span_contexts(valid: SpanContext, invalid: SpanContext, context: Context) -> None:
    assert SpanContext(*valid) == valid
    assert SpanContext(*invalid) == invalid
    assert valid.is_valid
    assert not invalid.is_valid
    assert type(context) is Context
    assert [type(field) for field in valid] == [TraceId, SpanId, TraceFlags, TraceState, bool]


@given(carriers())
def test_carriers_have_valid_headers(carrier: dict[str, Any]) -> None:
    valid = {"traceparent": is_taken, "tracestate": LIST.matches, "baggage": is_baggage}
    names = [name.lower() for name in carrier]
    assert len(set(names)) == len(names)
    for name, held in carrier.items():
        if name.lower() in valid:
            assert valid[name.lower()](held if isinstance(held, str) else ",".join(held))


def members(text: str) -> list[str]:
    return text.split(",")


def is_surrogate(value: object) -> bool:
    return isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value)


def held(carrier: dict[Any, Any]) -> list[Any]:
    """All values of a carrier."""
    return [
        value
        for values in carrier.values()
        for value in (values if isinstance(values, list | tuple) else [values])
    ]


EDGES: dict[str, tuple[Callable[[], SearchStrategy[Any]], Callable[[Any], bool]]] = {
    "version 00": (traceparents, lambda t: t[:2] == "00"),
    "a version of digits": (traceparents, lambda t: t[:2] != "00" and t[:2].isdecimal()),
    "a version with letters": (traceparents, lambda t: t[:2].isalpha()),
    "the first version": (traceparents, lambda t: t[:2] == "01"),
    "the last version": (traceparents, lambda t: t[:2] == "fe"),
    "a higher version alone": (traceparents, lambda t: t[:2] != "00" and len(t) == 55),
    "a higher version with a dash": (traceparents, lambda t: len(t) == 56),
    "a higher version with more": (traceparents, lambda t: len(t) > 56),
    "flags that are not known": (traceparents, lambda t: t[53:55] > "03"),
    "all flags": (trace_flags, lambda f: f == 255),
    "the least trace id": (trace_ids, lambda n: n == 1),
    "the greatest trace id": (trace_ids, lambda n: n == (1 << 128) - 1),
    "the least span id": (span_ids, lambda n: n == 1),
    "the greatest span id": (span_ids, lambda n: n == (1 << 64) - 1),
    "version ff": (forbidden_traceparents, lambda t: t[:2] == "ff"),
    "a zero trace id": (forbidden_traceparents, lambda t: t[3:35] == "0" * 32),
    "a zero parent id": (forbidden_traceparents, lambda t: t[36:52] == "0" * 16),
    "more in version 00": (forbidden_traceparents, lambda t: t[:2] == "00" and t[55:56] == "-"),
    "no dash": (forbidden_traceparents, lambda t: t[:2] != "00" and t[55:56] not in ("", "-")),
    "a key of 256 characters": (tracestate_keys, lambda t: len(t) == 256),
    "a key of one character": (tracestate_keys, lambda t: len(t) == 1),
    "a key that begins with a digit": (tracestate_keys, lambda t: t[0].isdecimal()),
    "a key with two vendors": (tracestate_keys, lambda t: t.count("@") > 1),
    "a value of 256 characters": (tracestate_values, lambda t: len(t) == 256),
    "a value that begins with spaces": (tracestate_values, lambda t: t.startswith("  ")),
    "an entry of 128 characters": (tracestate_members, lambda t: len(t) == 128),
    "an entry of 129 characters": (tracestate_members, lambda t: len(t) == 129),
    "no list": (tracestates, lambda t: t == ""),
    "a list of one": (tracestates, lambda t: t and "," not in t),
    "a list of 31": (tracestates, lambda t: len(members(t)) == 31),
    "a list of 32": (tracestates, lambda t: len(members(t)) == 32 and "" not in members(t)),
    "a list of 32, some empty": (tracestates, lambda t: members(t).count("") > 1 and len(t) > 31),
    "empty members alone": (tracestates, lambda t: "," in t and "=" not in t),
    "an empty member": (tracestates, lambda t: "=" in t and "" in members(t)),
    "OWS before a comma": (tracestates, lambda t: " ," in t),
    "OWS behind a comma": (tracestates, lambda t: ", " in t),
    "a tab": (tracestates, lambda t: "\t" in t),
    "a key twice": (
        tracestates,
        lambda t: len({m.strip().split("=")[0] for m in members(t)}) < len(members(t)),
    ),
    "an entry of 513 characters": (tracestates, lambda t: 513 in map(len, members(t))),
    "32 long entries": (tracestates, lambda t: len(t) > 32 * 256),
    "33 members": (oversized_tracestates, lambda t: len(members(t)) == 33),
    "a key of 257": (oversized_tracestates, lambda t: t.index("=") == 257),
    "a value of 257": (oversized_tracestates, lambda t: t.endswith("=" + "v" * 257)),
    "a list without members": (trace_states, lambda s: not s),
    "a full list": (trace_states, lambda s: len(s.members) == 32),
    "a value that is empty": (baggage_values, lambda t: t == ""),
    "a value with =": (baggage_values, lambda t: "=" in t),
    "an octet that is no UTF-8": (baggage_values, lambda t: t == "%ff"),
    "a property without value": (baggage_properties, lambda t: "=" not in t),
    "a property with an empty value": (baggage_properties, lambda t: t.endswith("=")),
    "OWS around the = of a property": (baggage_properties, lambda t: "\t=\t" in t),
    "two properties": (baggage_metadata, lambda t: ";" in t),
    "OWS around a semicolon": (baggage_members, lambda t: " ;" in t),
    "OWS around the = of a member": (baggage_members, lambda t: " = " in t.replace("\t", " ")),
    "baggage of 64 members": (baggage_headers, lambda t: len(members(t)) == 64),
    "baggage of 180 members": (baggage_headers, lambda t: len(members(t)) == 180),
    "baggage of 8192 bytes": (baggage_headers, lambda t: len(t) == 8192),
    "all of it": (baggage_headers, lambda t: len(t) == 8192 and len(members(t)) == 180),
    "a member of 8192 bytes": (baggage_headers, lambda t: len(t) == 8192 and "," not in t),
    "percent-encoded all over": (baggage_headers, lambda t: t.count("%E2%82%AC") > 100),
    "baggage of 181 members": (oversized_baggage_headers, lambda t: len(members(t)) == 181),
    "baggage of 8193 bytes": (oversized_baggage_headers, lambda t: len(t) == 8193),
    "no baggage": (baggages, lambda b: not b),
    "baggage of 200 entries": (baggages, lambda b: len(b.entries) == 200),
    "a value of 8900 characters": (
        baggages,
        lambda b: any(len(entry.value) > 8900 for entry in b.entries),
    ),
    "an entry that cannot be sent": (baggage_entries, lambda e: not e.name.isascii()),
    "an entry with metadata": (baggage_entries, lambda e: e.metadata != ""),
    "a lone surrogate": (strings, is_surrogate),
    "a string of 10,000 characters": (strings, lambda s: len(s) == 10_000),
    "a carrier with nothing": (carriers, lambda c: c == {}),
    "a carrier with everything": (carriers, lambda c: len(c) == 4),
    "a name in another case": (
        carriers,
        lambda c: any(not name.islower() for name in c if "parent" in name),
    ),
    "several headers": (carriers, lambda c: any(len(v) > 2 for v in c.values() if type(v) is list)),
    "bytes": (hostile_carriers, lambda c: any(isinstance(v, bytes) for v in held(c))),
    "an int": (hostile_carriers, lambda c: any(type(v) is int for v in held(c))),
    "None": (hostile_carriers, lambda c: None in held(c)),
    "a surrogate": (hostile_carriers, lambda c: any(map(is_surrogate, held(c)))),
    "long": (
        hostile_carriers,
        lambda c: any(isinstance(v, str) and len(v) > 9999 for v in held(c)),
    ),
    "a name twice": (
        hostile_carriers,
        lambda c: len({k.lower() for k in c if type(k) is str}) < sum(type(k) is str for k in c),
    ),
    "a name that is none": (hostile_carriers, lambda c: None in c),
    "a valid parent beside a bad list": (
        hostile_carriers,
        lambda c: is_taken(str(c.get("traceparent"))) and type(c.get("tracestate", "")) is not str,
    ),
    "no span": (contexts, lambda c: c.span_context is None),
    "a span that is not valid": (
        contexts,
        lambda c: c.span_context and not c.span_context.is_valid,
    ),
}


@pytest.mark.parametrize("edge", EDGES)
def test_edges_are_reached(edge: str) -> None:
    strategy, is_there = EDGES[edge]
    find(
        strategy(),
        is_there,
        settings=settings(DRAWN, max_examples=3000, phases=[Phase.generate]),
        random=Random(0),
    )


@pytest.mark.parametrize(
    ("strategy", "simplest"),
    [
        (traceparents(), f"00-{1:032x}-{1:016x}-00"),
        (forbidden_traceparents(), f"00-{0:032x}-{1:016x}-00"),
        (tracestates(), ""),
        (tracestates().filter(bool), "0=0"),
        (baggage_headers(), "k0="),
        (trace_states(), TraceState()),
        (trace_ids(), TraceId(1)),
        (span_contexts(), SpanContext(TraceId(1), SpanId(1))),
        (baggages(), Baggage()),
        (baggages().filter(bool), Baggage((Entry("k0", ""),))),
        (carriers(), {}),
        (strings(), ""),
        (header_names("baggage"), "baggage"),
    ],
)
def test_shrinking_leads_to_what_is_simple(strategy: SearchStrategy[Any], simplest: object) -> None:
    assert find(strategy, lambda value: True, settings=DRAWN, random=Random(0)) == simplest


TEXT = f"cc-{TraceId(0xABC).to_hex()}-{SpanId(0xDEF).to_hex()}-01-more"


def common(one: str, other: str) -> int:
    """The number of characters with which both texts begin."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 10**6)


@given(near_misses(st.just(TEXT)))
def test_a_near_miss_is_one_edit_away(text: str) -> None:
    start = min(common(text, TEXT), len(text), len(TEXT))
    end = min(common(text[::-1], TEXT[::-1]), len(text) - start, len(TEXT) - start)
    spaces = text.removeprefix(TEXT) if text.startswith(TEXT) else text.removesuffix(TEXT)
    assert (
        (len(text) - start - end <= 1 and len(TEXT) - start - end <= 1)
        or text == TEXT.upper()
        or TEXT.startswith(text)
        or (len(spaces) <= 4 and spaces.isspace())
    )


@pytest.mark.parametrize(("texts", "is_valid"), VALID)
def test_near_misses_are_mostly_invalid(
    texts: Callable[[], SearchStrategy[str]], is_valid: Callable[[str], bool]
) -> None:
    valid: list[bool] = []

    @settings(DRAWN, max_examples=300, phases=[Phase.generate], derandomize=True)
    @given(near_misses(texts()))
    def draw(text: str) -> None:
        valid.append(is_valid(text))

    draw()
    assert 30 < sum(valid) < 270


def public() -> dict[str, SearchStrategy[Any]]:
    """Every public strategy, by name."""
    arguments: dict[str, tuple[Any, ...]] = {
        "near_misses": (tracestates(),),
        "header_names": ("baggage",),
    }
    return {
        name: function(*arguments.get(name, ()))
        for name, function in inspect.getmembers(strategies, inspect.isfunction)
        if function.__module__ == strategies.__name__ and not name.startswith("_")
    }


@pytest.mark.parametrize("name", public())
def test_no_value_is_made_by_a_constructor(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise AssertionError

    classes = TraceId, SpanId, TraceFlags, SpanContext, TraceState, Baggage
    for cls in classes:
        name_of_constructor = "__init__" if cls in (TraceState, Baggage) else "__new__"
        monkeypatch.setattr(cls, name_of_constructor, fail)

    @settings(DRAWN, max_examples=30, phases=[Phase.generate])
    @given(public()[name])
    def draw(value: object) -> None:
        pass

    draw()


def test_no_function_of_the_package_is_called() -> None:
    imported = [
        alias.name
        for node in ast.walk(ast.parse(inspect.getsource(strategies)))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("verified")
        for alias in node.names
    ]
    assert imported
    assert all(inspect.isclass(getattr(strategies, name)) for name in imported)


@pytest.mark.parametrize("name", public())
def test_every_strategy_says_what_it_draws(name: str) -> None:
    assert len(getattr(strategies, name).__doc__) > 40


def test_hostile_values_are_drawn_alone_too() -> None:
    kinds = {type(None), int, bytes, str, dict, float, bool}
    for kind in kinds:
        find(
            hostile_values(),
            lambda value, kind=kind: type(value) is kind,  # type: ignore[misc]
            settings=settings(DRAWN, max_examples=3000),
            random=Random(0),
        )
