"""W3C Trace Context: tracestate, as a header and as an object."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from verified.strategies import tracestate_keys, tracestate_values

from ... import reading
from ...grammar import Grammar
from ..check import Deviation, Premise, check, raised, wants
from ..target import Arguments
from .trace_context import SENDS, TAKES, sent, takes

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

READS = ("tracecontext.extract", *SENDS)

LIMIT = 512
"""The characters that are to be propagated; of a longer list, entries may be removed."""

_KEY_1 = Grammar("tracestate", "key-level-1")

Members = list[tuple[str, str]]

_plain_keys = st.text("abcxyz", min_size=1, max_size=3)
_plain_values = st.text("abcxyz019", min_size=1, max_size=3)
_plain = st.lists(
    st.tuples(_plain_keys, _plain_values), min_size=1, max_size=4, unique_by=lambda each: each[0]
)
# A key that the target has for itself it may change.
_SYSTEMS = ("dd", "es", "in", "nr", "ot", "sw")
_keys_1 = tracestate_keys().filter(lambda key: _KEY_1.matches(key) and key not in _SYSTEMS)
_keys_2 = tracestate_keys().filter(lambda key: not _KEY_1.matches(key))
_members = st.lists(
    st.tuples(_keys_1, tracestate_values()), min_size=1, max_size=4, unique_by=lambda each: each[0]
).filter(lambda members: len(reading.written(members)) <= LIMIT)


def _short(texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return texts.filter(lambda text: len(text) <= LIMIT)


def _arguments(states: list[str], traceparent: str = TRACEPARENT) -> Arguments:
    return {"headers": [["traceparent", traceparent], *(["tracestate", each] for each in states)]}


def with_states(states: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Arguments with a valid traceparent and these tracestate headers, one or a list."""
    return states.map(lambda each: _arguments([each] if isinstance(each, str) else each))


def given(arguments: Arguments) -> list[str]:
    """The tracestate headers that were sent to the target."""
    return [value for name, value in arguments["headers"] if name == "tracestate"]


def kept(answer: Any) -> Members | None:
    """The members that the target kept, as it shows or sends them; None if it shows none."""
    if raised(answer):
        return None
    if "headers" in answer:
        return reading.state_members(",".join(sent(answer, "tracestate")))
    if answer["span"] is None or "trace_state" not in answer["span"]:
        return None
    return [(key, value) for key, value in answer["span"]["trace_state"]]


def has_all(members: Members, answer: Any) -> bool:
    """Whether these members are kept, in their order; the target may have put its own before.

    Of what is more than 32 members or 512 characters together with its own, some may go.
    """
    held = [each for each in kept(answer) or [] if each[0] in dict(members)]
    if _may_be_cut(members, answer):
        return held == [each for each in members if each in held]
    return held == members


def _may_be_cut(members: Members, answer: Any) -> bool:
    """Whether these members and those that the target put before are more than must be kept."""
    own = [each for each in kept(answer) or [] if each[0] not in dict(members)]
    whole = own + members
    return len(whole) > 32 or len(reading.written(whole)) > LIMIT


PASSED_ON = Premise(
    _arguments(["a=0"]),
    lambda answer: has_all([("a", "0")], answer),
    "the target shows and sends on no tracestate, so that nothing can be told of how it reads one",
)


def _keeps(arguments: Arguments, answer: Any) -> Deviation | None:
    members = reading.state_members(",".join(given(arguments)))
    return wants(
        has_all(members, answer), f"the members {reading.written(members)} are kept, in this order"
    )


def _keeps_parent(arguments: Arguments, answer: Any) -> Deviation | None:
    return wants(takes(arguments, answer), "the traceparent is taken, whatever the tracestate is")


check("PR-07", "a valid tracestate", READS, with_states(_members.map(reading.written)))(_keeps)
check("TS-13", "a tracestate that is received", SENDS, with_states(_plain.map(reading.written)))(
    _keeps
)
check(
    "TS-13",
    "the order of the members",
    READS,
    with_states(_plain.map(reading.written)),
    premise=PASSED_ON,
)(_keeps)
check(
    "TS-13",
    "keys that end in the key of a tracing system",
    READS,
    with_states(
        st.lists(
            st.tuples(
                st.builds(
                    "{}{}".format,
                    _plain_keys,
                    st.sampled_from(_SYSTEMS),
                ),
                _plain_values,
            ),
            min_size=1,
            max_size=3,
            unique_by=lambda each: each[0],
        ).map(reading.written)
    ),
    premise=PASSED_ON,
)(_keeps)

check(
    "TS-02",
    "a tracestate that is not valid",
    TAKES,
    with_states(
        st.sampled_from(
            ["=", "a", "a=", "=1", "a=1,=", "A=1", "a=1=2", ",,,", "\u00e9=1", "a b=1", ";"]
        )
        | st.builds(
            "{}{}".format,
            _plain.map(reading.written),
            st.sampled_from([",", ",a b=c", ",=x", "=", "\u00e9", ",a=\u00e9", "\x7f"]),
        )
    ),
)(_keeps_parent)
check(
    "TS-02",
    "a tracestate of very many members",
    TAKES,
    with_states(
        st.integers(33, 600).map(lambda count: ",".join(f"k{number}=v" for number in range(count)))
    ),
)(_keeps_parent)


@check(
    "TS-01",
    "a tracestate beside a traceparent that is not valid",
    READS,
    st.builds(
        lambda members, bad: _arguments([reading.written(members)], bad),
        _plain,
        st.sampled_from(
            [
                "",
                "00",
                "00-" + "0" * 32 + "-b7ad6b7169203331-01",
                "ff" + TRACEPARENT[2:],
                TRACEPARENT + "-x",
            ]
        ),
    ),
)
def _discarded(arguments: Arguments, answer: Any) -> Deviation | None:
    members = reading.state_members(",".join(given(arguments)))
    found = kept(answer) or []
    return wants(
        not any(each in found for each in members), "the tracestate is not used and not sent on"
    )


@check(
    "TS-01",
    "a tracestate alone",
    READS,
    _plain.map(lambda members: {"headers": [["tracestate", reading.written(members)]]}),
)
def _alone(arguments: Arguments, answer: Any) -> Deviation | None:
    return _discarded(arguments, answer)


check(
    "TS-03",
    "keys of Level 1",
    READS,
    with_states(
        _short(
            st.lists(
                st.tuples(_keys_1, _plain_values), min_size=1, max_size=3, unique_by=lambda e: e[0]
            ).map(reading.written)
        )
    ),
    premise=PASSED_ON,
)(_keeps)
check(
    "TS-03",
    "keys that are new in Level 2",
    READS,
    with_states(
        _short(
            st.lists(
                st.tuples(_keys_2, _plain_values), min_size=1, max_size=3, unique_by=lambda e: e[0]
            ).map(reading.written)
        )
    ),
    levels=(2,),
    premise=PASSED_ON,
)(_keeps)


def _drops(key: str, value: str, answer: Any) -> bool:
    return (key, value) not in (kept(answer) or [])


_BAD_KEYS = st.one_of(
    st.sampled_from(
        ["A", "aB", "a b", "_a", "-a", "*a", "/a", "@a", "a.b", "a:b", "a$", "\u00e9", "k" * 257]
    ),
    st.builds("{}{}".format, _plain_keys, st.sampled_from("ABZ.:;!#$%&'+?^`|~\\\"")),
)


@check(
    "TS-03",
    "a key that is not of the grammar",
    "tracecontext.extract",
    with_states(_BAD_KEYS.map("{}=1".format)),
)
def _bad_key(arguments: Arguments, answer: Any) -> Deviation | None:
    key, _, value = given(arguments)[0].rpartition("=")
    return wants(_drops(key, value, answer), "no trace state has a member with such a key")


@check(
    "TS-04",
    "values of the grammar",
    READS,
    with_states(
        _short(
            st.lists(
                st.tuples(_plain_keys, tracestate_values()),
                min_size=1,
                max_size=3,
                unique_by=lambda e: e[0],
            ).map(reading.written)
        )
    ),
    premise=PASSED_ON,
)
def _values(arguments: Arguments, answer: Any) -> Deviation | None:
    members = reading.state_members(given(arguments)[0])
    if _may_be_cut(members, answer):
        return None
    wanted = [(key, value.lstrip(" ")) for key, value in members]
    found = [(key, value.lstrip(" ")) for key, value in kept(answer) or [] if key in dict(wanted)]
    return wants(found == wanted, f"the members {reading.written(wanted)} are kept")


@check(
    "TS-04",
    "a value that is not of the grammar",
    "tracecontext.extract",
    with_states(
        st.one_of(
            st.sampled_from(["", "v" * 257, "a=b", "\u00e9", "a\x7f", "a\x00b", "a\tb", "\u20ac"]),
            st.builds(
                "{}{}{}".format,
                _plain_values,
                st.sampled_from("=\x01\x1f\x7f\x80\xff"),
                _plain_values,
            ),
        ).map("a={}".format)
    ),
)
def _bad_value(arguments: Arguments, answer: Any) -> Deviation | None:
    value = given(arguments)[0][2:]
    return wants(_drops("a", value, answer), "no trace state has a member with such a value")


@check(
    "TS-05",
    "spaces at the beginning of a value",
    READS,
    with_states(
        st.builds("{}={}{}".format, _plain_keys, st.integers(1, 3).map(" ".__mul__), _plain_values)
    ),
    levels=(2,),
    premise=PASSED_ON,
)
def _leading_spaces(arguments: Arguments, answer: Any) -> Deviation | None:
    return _keeps(arguments, answer)


@check(
    "TS-06",
    "32 members",
    READS,
    with_states(st.integers(30, 32).map(lambda count: ",".join(f"k{n}={n}" for n in range(count)))),
    cases=10,
    premise=PASSED_ON,
)
def _32_members(arguments: Arguments, answer: Any) -> Deviation | None:
    members = reading.state_members(given(arguments)[0])
    found = kept(answer) or []
    own = [each for each in found if each not in members]
    wanted = members[: 32 - len(own)]
    return wants(
        [each for each in found if each in members] == wanted,
        f"the members {reading.written(wanted)} are kept, and none but the right-most go",
    )


_gaps = st.sampled_from([", ", " ,", "\t,", ",\t", " \t, \t", ","])
check(
    "TS-06",
    "white space around members",
    READS,
    with_states(st.builds(lambda gap, members: gap.join(map("=".join, members)), _gaps, _plain)),
    premise=PASSED_ON,
)(_keeps)
check(
    "TS-07",
    "empty members",
    READS,
    with_states(
        st.builds(
            lambda gap, members, at: gap.join(
                [*map("=".join, members[:at]), "", *map("=".join, members[at:])]
            ),
            _gaps,
            _plain,
            st.integers(0, 4),
        )
    ),
    premise=PASSED_ON,
)(_keeps)
check("TS-07", "an empty header", TAKES, with_states(st.sampled_from(["", " ", "\t", ",", " , "])))(
    _keeps_parent
)


@check(
    "TS-07",
    "empty headers that are sent",
    SENDS,
    with_states(st.sampled_from(["", ",", ", ,"])),
    level="SHOULD",
)
def _no_empty(arguments: Arguments, answer: Any) -> Deviation | None:
    return wants(
        all(text.strip(" \t,") for text in sent(answer, "tracestate")),
        "no empty tracestate is sent",
    )


check(
    "TS-08",
    "several header fields",
    READS,
    with_states(
        st.builds(
            lambda members, at: [
                each
                for each in (reading.written(members[:at]), reading.written(members[at:]))
                if each
            ],
            _plain.filter(lambda members: len(members) > 1),
            st.integers(1, 3),
        )
    ),
    premise=PASSED_ON,
)(_keeps)

check(
    "TS-10",
    "512 characters",
    READS,
    with_states(
        # A target that adds a member of its own to 512 characters may drop one.
        st.builds(
            lambda count, size: ",".join(
                f"k{n}=" + "v" * ((size - count + 1) // count - 3) for n in range(count)
            ),
            st.integers(2, 8),
            st.sampled_from([400, 512]),
        )
    ),
    cases=16,
    premise=PASSED_ON,
)(_keeps)


@check(
    "TS-11",
    "a list that is too long to be kept whole",
    SENDS,
    with_states(
        st.integers(1, 30).map(
            lambda count: ",".join(f"k{n}=" + f"{n}" * (250 // len(str(n))) for n in range(count))
        )
    ),
    cases=20,
)
def _whole_entries(arguments: Arguments, answer: Any) -> Deviation | None:
    members = reading.state_members(given(arguments)[0])
    cut = [each for each in kept(answer) or [] if each[0] in dict(members) and each not in members]
    return wants(not cut, "an entry is kept whole or removed whole")


def _sized(sizes: list[int]) -> str:
    return ",".join(f"k{n}=" + "v" * (size - len(f"k{n}=")) for n, size in enumerate(sizes))


@check(
    "TS-12",
    "which entries of a list that is too long are removed",
    SENDS,
    with_states(
        st.lists(st.sampled_from([20, 100, 128, 129, 200, 250]), min_size=5, max_size=32).map(
            _sized
        )
    ),
)
def _long_ones_first(arguments: Arguments, answer: Any) -> Deviation | None:
    members = reading.state_members(given(arguments)[0])
    keys = {key for key, _ in kept(answer) or []}
    long = [key for key, value in members if len(f"{key}={value}") > 128]
    short = [key for key, value in members if len(f"{key}={value}") <= 128]
    left = [key for key in short if key in keys]
    if left != short and keys & set(long):
        return Deviation("entries of more than 128 characters are removed before any other")
    return wants(left == short[: len(left)], "entries are removed from the end")


@check(
    "TS-16",
    "the keys of others",
    SENDS,
    with_states(_plain.map(reading.written)),
    premise=PASSED_ON,
)
def _others_stay(arguments: Arguments, answer: Any) -> Deviation | None:
    members = reading.state_members(given(arguments)[0])
    return wants(
        {key for key, _ in members} <= {key for key, _ in kept(answer) or []},
        "keys that others have set are not deleted",
    )


@check(
    "TP-20",
    "the tracestate of a traceparent that is not changed",
    "tracecontext.relay",
    with_states(_members.map(reading.written)),
)
def _unchanged(arguments: Arguments, answer: Any) -> Deviation | None:
    if TRACEPARENT not in sent(answer):
        return None
    members = reading.state_members(given(arguments)[0])
    return wants(
        kept(answer) == members,
        f"the tracestate is sent on with the members {reading.written(members)}",
    )


@check(
    "TP-21",
    "the tracestate of a trace that is restarted",
    "tracecontext.continue",
    st.builds(
        lambda members, bad: _arguments([reading.written(members)], bad),
        _plain,
        st.sampled_from(["", "00", "ff" + TRACEPARENT[2:], TRACEPARENT[:40]]),
    ),
)
def _restarted(arguments: Arguments, answer: Any) -> Deviation | None:
    return _discarded(arguments, answer)


# The trace state as an object.

Operations = list[list[str]]

_some_key = _plain_keys | tracestate_keys()
_some_value = _plain_values | tracestate_values()
_operations = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["add", "update"]), _some_key, _some_value).map(list),
        st.tuples(st.just("delete"), _plain_keys).map(list),
    ),
    min_size=1,
    max_size=4,
)
_bad_members = st.one_of(
    st.tuples(_BAD_KEYS, _plain_values),
    st.tuples(
        _plain_keys,
        st.sampled_from(["", "v" * 257, "a,b", "a=b", "a ", "\u00e9", "a\x00", "a\n", "a\x7f"]),
    ),
)


def _applied(
    operations: st.SearchStrategy[Any], members: st.SearchStrategy[Any] = _plain
) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda held, asked: {
            "members": [list(each) for each in held],
            "operations": [list(each) for each in asked],
        },
        members,
        operations,
    )


def _steps(
    arguments: Arguments, answer: Any
) -> list[tuple[Members, list[str], Members | None, Members]]:
    """What each step had, was asked, gave (None if it raised), and what it had afterwards."""
    if raised(answer):
        return []
    had = [(key, value) for key, value in arguments["members"]]
    found = []
    for asked, step in zip(arguments["operations"], answer["steps"], strict=True):
        after = None if "raised" in step else [(k, v) for k, v in step["members"]]
        found.append((had, asked, after, [(k, v) for k, v in step["before"]]))
        had = had if after is None else after
    return found


APPLIES = "tracestate.apply"


@check("SC-06", "the list that an operation is asked of", APPLIES, _applied(_operations))
def _immutable(arguments: Arguments, answer: Any) -> Deviation | None:
    for had, asked, _, before in _steps(arguments, answer):
        if had != before:
            return Deviation(f"{asked} returns a new list and leaves the old one as it was")
    return None


@check(
    "SC-07",
    "operations with valid and invalid members",
    APPLIES,
    _applied(
        st.lists(
            st.one_of(
                st.tuples(
                    st.sampled_from(["add", "update"]),
                    st.one_of(_bad_members, st.tuples(_plain_keys, _plain_values)),
                ).map(lambda each: [each[0], *each[1]]),
                st.tuples(st.just("delete"), _plain_keys | _BAD_KEYS).map(list),
            ),
            min_size=1,
            max_size=3,
        )
    ),
)
def _always_valid(arguments: Arguments, answer: Any) -> Deviation | None:
    for _, asked, after, _ in _steps(arguments, answer):
        for key, value in after or []:
            is_key, is_value = reading.STATE_KEY.matches(key), reading.STATE_VALUE.matches(value)
            if not (is_key and is_value):
                return Deviation(f"after {asked} there is no member that is not valid")
    return None


@check(
    "SC-07",
    "operations with an invalid member do not raise",
    APPLIES,
    _applied(
        st.tuples(st.sampled_from(["add", "update"]), _bad_members).map(
            lambda each: [[each[0], *each[1]]]
        )
    ),
)
def _does_not_raise(arguments: Arguments, answer: Any) -> Deviation | None:
    bad = raised(answer) or any(after is None for _, _, after, _ in _steps(arguments, answer))
    return wants(not bad, "invalid input is logged or ignored, and nothing is raised")


@check("SC-05", "adding, updating and deleting valid members", APPLIES, _applied(_operations))
def _follows(arguments: Arguments, answer: Any) -> Deviation | None:
    if raised(answer):
        return Deviation("valid members are added, updated and deleted")
    for had, asked, after, _ in _steps(arguments, answer):
        name, key, *rest = asked
        if name == "add" and key in dict(had):
            continue
        if name == "update" and key not in dict(had):
            continue
        if name != "delete" and not _KEY_1.matches(key):
            continue
        if name != "delete" and len(reading.written([*had, (key, rest[0])])) > LIMIT:
            continue
        found = dict(after or [])
        if name == "delete":
            if key in found:
                return Deviation(f"after {asked} the key is gone")
        elif found.get(key) != rest[0] and found.get(key) != rest[0].lstrip(" "):
            return Deviation(f"after {asked} the member is there")
    return None


@check(
    "TS-03",
    "adding keys that are new in Level 2",
    APPLIES,
    _applied(st.tuples(st.just("add"), _keys_2, _plain_values).map(lambda each: [list(each)])),
    levels=(2,),
)
def _adds_level_2(arguments: Arguments, answer: Any) -> Deviation | None:
    for _, asked, after, _ in _steps(arguments, answer):
        if dict(after or []).get(asked[1]) != asked[2]:
            return Deviation(f"{asked[1][:40]} is a key of Level 2, and the member is added")
    return None


@check("TS-14", "where a member that is added or updated stands", APPLIES, _applied(_operations))
def _at_the_front(arguments: Arguments, answer: Any) -> Deviation | None:
    for had, asked, after, _ in _steps(arguments, answer):
        if asked[0] == "delete" or not after or after == had:
            continue
        if after[0][0] != asked[1]:
            return Deviation(f"after {asked} its key stands at the front")
    return None


@check("TS-13", "the members that an operation does not name", APPLIES, _applied(_operations))
def _others_in_order(arguments: Arguments, answer: Any) -> Deviation | None:
    for had, asked, after, _ in _steps(arguments, answer):
        if after is None:
            continue
        rest = [each for each in had if each[0] != asked[1]]
        if [each for each in after if each[0] != asked[1]] != rest:
            return Deviation(f"after {asked} the other members are in their order: {rest}")
    return None


@check(
    "TS-15",
    "a key that is added twice",
    APPLIES,
    _applied(
        st.lists(
            st.tuples(
                st.sampled_from(["add", "update"]), st.sampled_from(["a", "b"]), _plain_values
            ).map(list),
            min_size=1,
            max_size=4,
        )
    ),
)
def _no_key_twice(arguments: Arguments, answer: Any) -> Deviation | None:
    for _, asked, after, _ in _steps(arguments, answer):
        keys = [key for key, _ in after or []]
        if len(keys) != len(set(keys)):
            return Deviation(f"after {asked} no key is there twice")
    return None


_ONE_MORE = _applied(
    st.tuples(st.just("add"), st.just("new"), _plain_values).map(lambda each: [list(each)]),
    st.just([(f"k{n}", "v") for n in range(32)]),
)


@check(
    "TS-09",
    "a member that is added to 32",
    APPLIES,
    _ONE_MORE,
    cases=5,
)
def _right_most_goes(arguments: Arguments, answer: Any) -> Deviation | None:
    for had, asked, after, _ in _steps(arguments, answer):
        wanted = [(asked[1], asked[2]), *had[:31]]
        if after is None or [tuple(each) for each in after] != [tuple(each) for each in wanted]:
            return Deviation("the new member comes first, and the right-most is removed")
    return None


@check(
    "TS-06",
    "a member that is added to 32",
    APPLIES,
    _ONE_MORE,
    cases=5,
)
def _no_more_than_32(arguments: Arguments, answer: Any) -> Deviation | None:
    return wants(
        all(len(after or []) <= 32 for _, _, after, _ in _steps(arguments, answer)),
        "there are never more than 32 members",
    )


@check(
    "PR-07",
    "the trace state that is sent",
    "tracecontext.inject",
    _members.map(
        lambda members: {
            "span": {
                "trace_id": TRACEPARENT[3:35],
                "span_id": TRACEPARENT[36:52],
                "flags": 1,
                "is_remote": False,
                "trace_state": [list(each) for each in members],
            }
        }
    ),
)
def _sent_state(arguments: Arguments, answer: Any) -> Deviation | None:
    members = [(key, value) for key, value in arguments["span"]["trace_state"]]
    found = reading.state_members(",".join(sent(answer, "tracestate")))
    return wants(found == members, f"the members {reading.written(members)} are sent")
