"""The tracestate header and the operations on its list."""

import pickle
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from proofs.grammar import Grammar
from verified import tracestate
from verified.strategies import (
    near_misses,
    oversized_tracestates,
    strings,
    tracestate_keys,
    tracestate_values,
    tracestates,
)
from verified.tracestate import EMPTY, MAX_MEMBERS, TraceState, parse

KEY = Grammar("tracestate", "key")
VALUE = Grammar("tracestate", "value")
WHITE = " \t"

texts = near_misses(tracestate_keys()) | near_misses(tracestate_values()) | strings()


def members_of(header: str) -> list[tuple[str, str]]:
    """The members of a list in order, of which some keys come twice."""
    parts = [member.strip(WHITE).split("=") for member in header.split(",")]
    return [(part[0], part[1]) for part in parts if len(part) == 2]


def first_of_each(members: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for key, value in members:
        found.setdefault(key, value)
    return tuple(found.items())


def full() -> TraceState:
    state = parse(",".join(f"k{n:02}={n}" for n in range(32)))
    assert state is not None
    return state


@pytest.mark.parametrize(
    ("header", "members"),
    [
        ("", ()),
        (" \t ", ()),
        (",", ()),
        (" , \t,", ()),
        ("a=1", (("a", "1"),)),
        ("\t a=1 \t", (("a", "1"),)),
        ("a=1,,b=2", (("a", "1"), ("b", "2"))),
        ("foo=1 \t , \t bar=2, \t baz=3", (("foo", "1"), ("bar", "2"), ("baz", "3"))),
        ("a=  leading spaces stay ,b=2", (("a", "  leading spaces stay"), ("b", "2"))),
        ("0=1", (("0", "1"),)),
        ("foo@=1,foo@@bar=2", (("foo@", "1"), ("foo@@bar", "2"))),
        ("a=" + "v" * 256, (("a", "v" * 256),)),
        ("z" * 256 + "=1", (("z" * 256, "1"),)),
        ("foo=1,foo=2", (("foo", "1"),)),
        (",".join(f"k{n}={n}" for n in range(32)), tuple((f"k{n}", f"{n}") for n in range(32))),
    ],
)
def test_lists(header: str, members: tuple[tuple[str, str], ...]) -> None:
    state = parse(header)
    assert state is not None
    assert state.members == members
    assert bool(state) == bool(members)


@pytest.mark.parametrize(
    "header",
    [
        "a",
        "a=",
        "a= ",
        "=1",
        "a =1",
        "A=1",
        "@foo=1,bar=2",
        "foo.bar=1",
        "foo=bar=baz",
        "foo=,bar=3",
        "a=1;b=2\n",
        "a=1\n",
        "\na=1",
        "a=1\u00a0",
        "a=é",
        "a=\ud800",
        "a=x\ty",
        "a=" + "v" * 257,
        "z" * 257 + "=1",
        "foo=1," + "z" * 257 + "=1",
        ",".join(f"k{n}={n}" for n in range(33)),
        "," * 32,
    ],
)
def test_what_is_not_a_list_is_discarded_whole(header: str) -> None:
    assert parse(header) is None


@given(tracestates(), st.text(WHITE, max_size=3), st.text(WHITE, max_size=3))
def test_a_list_is_sent_as_it_came(header: str, before: str, after: str) -> None:
    state = parse(before + header + after)
    assert state is not None
    assert state.members == first_of_each(members_of(header))
    assert state.header == (header if state.members else "")


@given(tracestates() | near_misses(tracestates()) | oversized_tracestates() | texts)
def test_a_header_is_a_list_exactly_if_each_member_is_one(header: str) -> None:
    members = [member.strip(WHITE) for member in header.strip(WHITE).split(",")]
    parts = [member.split("=") for member in members if member]
    valid = len(members) <= MAX_MEMBERS and all(
        len(part) == 2 and KEY.matches(part[0]) and VALUE.matches(part[1]) for part in parts
    )
    assert (parse(header) is not None) == valid


def test_a_new_member_stands_first_and_the_right_most_goes() -> None:
    state = full().with_member("new", "v")
    assert state.members == (("new", "v"), *full().members[:31])


def test_add_leaves_a_key_that_is_there() -> None:
    state = TraceState("a=1,b=2")
    assert state.add("b", "3") is state
    assert state.add("c", "3") == TraceState("c=3,a=1,b=2")


def test_update_leaves_a_key_that_is_not_there() -> None:
    state = TraceState("a=1,b=2")
    assert state.update("c", "3") is state
    assert state.update("b", "3") == TraceState("b=3,a=1")
    assert full().update("k31", "x").members == (("k31", "x"), *full().members[:31])


def test_delete() -> None:
    state = TraceState("a=1,b=2,a=3")
    assert state.delete("c") is state
    assert state.delete("a") == TraceState("b=2")
    assert state.delete("a").delete("b") == EMPTY


def test_a_list_that_is_changed_keeps_no_key_twice() -> None:
    assert TraceState("a=1,b=2,a=3").with_member("c", "4") == TraceState("c=4,a=1,b=2")


@given(texts, texts)
def test_invalid_members_change_nothing(key: str, value: str) -> None:
    state = TraceState("a=1")
    if not (KEY.matches(key) and VALUE.matches(value)):
        assert state.with_member(key, value) is state
        assert state.add(key, value) is state
        assert state.update(key, value) is state


@pytest.mark.parametrize("odd", [None, 1, b"a", ["a"], object()])
def test_what_is_not_text_changes_nothing(odd: Any) -> None:
    state = TraceState("a=1")
    assert state.get(odd) is None
    assert state.delete(odd) is state
    for change in (state.with_member, state.add, state.update):
        assert change(odd, "1") is state
        assert change("a", odd) is state


class Operations(RuleBasedStateMachine):
    """A trace state beside a list of pairs that the same is done to."""

    def __init__(self) -> None:
        super().__init__()
        self.state = EMPTY
        self.pairs: list[tuple[str, str]] = []

    few = st.sampled_from(["a", "b", "c", *(f"k{n}" for n in range(40))])

    @rule(header=tracestates())
    def receive(self, header: str) -> None:
        state = parse(header)
        assert state is not None
        self.state, self.pairs = state, list(first_of_each(members_of(header)))

    @rule(key=few | tracestate_keys(), value=tracestate_values())
    def set(self, key: str, value: str) -> None:
        self.state = self.state.with_member(key, value)
        self.pairs = [(key, value), *(pair for pair in self.pairs if pair[0] != key)][:32]

    @rule(key=few)
    def delete(self, key: str) -> None:
        self.state = self.state.delete(key)
        self.pairs = [pair for pair in self.pairs if pair[0] != key]

    @rule(limit=st.integers(-1, 600))
    def truncate(self, limit: int) -> None:
        if len(self.state.header) > limit:
            kept = list(self.pairs)
            while kept and len(",".join("=".join(pair) for pair in kept)) > limit:
                long = [pair for pair in kept if len("=".join(pair)) > 128]
                kept.remove((long or kept)[-1])
            self.pairs = kept
        self.state = self.state.truncated(limit)

    @invariant()
    def same(self) -> None:
        assert list(self.state.members) == self.pairs
        assert all(self.state.get(key) == value for key, value in self.pairs)
        assert parse(self.state.header) == self.state


TestOperations = Operations.TestCase


def test_long_entries_are_truncated_first() -> None:
    long = "l=" + "x" * 127
    state = TraceState(f"a=1,{long},b=2,{long.replace('l', 'm', 1)},c=3")
    assert state.truncated(len(state.header)) is state
    assert state.truncated(len(state.header) - 1).header == f"a=1,{long},b=2,c=3"
    assert state.truncated(11).header == "a=1,b=2,c=3"
    assert state.truncated(10).header == "a=1,b=2"
    assert state.truncated(0) == EMPTY


def test_an_entry_of_128_characters_is_not_long() -> None:
    state = TraceState("a=" + "x" * 126 + ",b=2")
    assert state.truncated(130).header == "a=" + "x" * 126


@pytest.mark.parametrize("header", ["a", " a=1", "a=1 ", ",", "a=1\n"])
def test_no_trace_state_is_made_of_what_is_not_a_list(header: str) -> None:
    with pytest.raises(ValueError, match="tracestate"):
        TraceState(header)


def test_immutable_and_a_value() -> None:
    state = TraceState("a=1")
    with pytest.raises(AttributeError):
        state.header = "b=2"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(state)) == state
    assert len({state, TraceState("a=1"), EMPTY}) == 2
    assert repr(state) == "TraceState(header='a=1')"


SIZE = 1_000_000


@pytest.mark.parametrize(
    "header",
    [
        "a=" + " " * SIZE + "\x00",
        "a=1" + " " * SIZE + "\x00",
        "," + " \t" * SIZE + "\x00",
        "a=1" + ("," + " " * (SIZE // 31)) * 31 + "\x00",
        "a" * SIZE,
        "a=" + "v" * SIZE,
        "," * SIZE,
        ("a=1" + " " * 255) * (SIZE // 258),
        ("a=" + "v " * 127 + ",") * (SIZE // 257),
        ("a=" + "v " * 127 + " \t,\t ") * 31 + "a=" + "v " * 127 + "\x00",
    ],
)
def test_hostile_headers_take_no_long_time(header: str) -> None:
    start = time.perf_counter()
    assert tracestate._LIST.fullmatch(header.strip(WHITE)) is None
    assert time.perf_counter() - start < 1
