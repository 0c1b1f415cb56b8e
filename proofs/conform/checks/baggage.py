"""W3C Baggage, as a header and as a container."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

from verified.strategies import baggage_headers, baggage_keys, baggage_metadata

from ... import reading
from ..check import Deviation, Premise, check, raised, wants
from ..target import Arguments

READS = ("baggage.extract", "baggage.relay")
"""An operation that shows what was read, or else what is sent on of it."""

Pairs = list[tuple[str, str]]

_names = st.text("abcxyz", min_size=1, max_size=3)
_simple = st.text("abcxyz019", min_size=1, max_size=3)
_tokens = baggage_keys()
# Characters that mean something are drawn as often as all others together.
_texts = st.lists(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from(' ,;=%"\\+\t\u20ac')), max_size=6
).map("".join)
_pairs = st.lists(st.tuples(_names, _simple), min_size=1, max_size=4, unique_by=lambda e: e[0])


def with_headers(texts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Arguments with these baggage headers, one or a list."""
    return texts.map(
        lambda each: {
            "headers": [["baggage", text] for text in ([each] if isinstance(each, str) else each)]
        }
    )


def given(arguments: Arguments) -> str:
    """The baggage that was sent to the target, as one header."""
    return ",".join(value for _, value in arguments["headers"])


def read(answer: Any) -> reading.Entries:
    """What the target read, as it shows or sends it on: name, value and metadata."""
    if raised(answer):
        return []
    if "headers" in answer:
        return sent(answer)
    return [(name, value, metadata) for name, value, metadata in answer["entries"]]


def sent(answer: Any) -> reading.Entries:
    """What a header that the target sent means; of one name the last."""
    if raised(answer):
        return []
    values = [value for name, value in answer["headers"] if name.lower() == "baggage"]
    return reading.latest(reading.entries(",".join(values)))


def pairs(entries: reading.Entries) -> Pairs:
    return [(name, value) for name, value, _ in entries]


PASSED_ON = Premise(
    {"headers": [["baggage", "a=1"]]},
    lambda answer: ("a", "1") in pairs(read(answer)),
    "the target shows and sends on no baggage, so that nothing can be told of how it reads it",
)


def _shown(wanted: Pairs) -> str:
    return ", ".join(f"{name!r}: {value!r}" for name, value in wanted)[:300]


def _reads(arguments: Arguments, answer: Any) -> Deviation | None:
    """Each member is read, in whatever order."""
    wanted = pairs(reading.latest(reading.entries(given(arguments))))
    found = pairs(read(answer))
    return wants(sorted(found) == sorted(wanted), f"the entries {_shown(wanted)}")


def _member(keys: Any, values: Any) -> st.SearchStrategy[str]:
    return st.builds("{}={}".format, keys, values)


check(
    "BG-01",
    "plain members",
    READS,
    with_headers(st.lists(_member(_names, _simple), min_size=1, max_size=4).map(",".join)),
    premise=PASSED_ON,
)(_reads)
check(
    "BG-01",
    "an empty value",
    READS,
    with_headers(_member(_names, st.just(""))),
    premise=PASSED_ON,
)(_reads)
check(
    "BG-01",
    "every character that a value may have",
    READS,
    with_headers(
        _member(
            _names,
            st.text(st.sampled_from(sorted(reading.literal() - {"+"})), min_size=1, max_size=4),
        )
    ),
    premise=PASSED_ON,
)(_reads)
check(
    "BG-01",
    "a plus sign in a value",
    READS,
    with_headers(_member(_names, st.builds("{}+{}".format, _simple, _simple))),
    premise=PASSED_ON,
)(_reads)
check(
    "BG-01",
    "a member that is not of the grammar, beside one that is",
    READS,
    with_headers(
        st.builds(
            "{},{}".format,
            st.sampled_from(
                ["", "a", "=", "=1", "a b=1", "\u00e9=1", "a=\u00e9", "a=1 2", "(=1", "a;p"]
            ),
            _member(st.sampled_from(["x", "y"]), _simple),
        )
    ),
    level="MAY",
    licence="what becomes of the others beside a member that cannot be parsed is not said",
    premise=PASSED_ON,
)(_reads)
check(
    "BG-02",
    "percent-encoded characters",
    READS,
    with_headers(
        _member(
            _names,
            st.text(
                st.characters(min_codepoint=0x21, codec="utf-8"),
                min_size=1,
                max_size=4,
            ).map(lambda text: "".join(f"%{byte:02X}" for byte in text.encode())),
        )
    ),
    premise=PASSED_ON,
)(_reads)
check(
    "BG-12",
    "percent-encoded white space",
    READS,
    with_headers(
        _member(
            _names,
            st.lists(st.sampled_from(["%20", "%09", "a", "%0A"]), min_size=1, max_size=4).map(
                "".join
            ),
        )
    ),
    premise=PASSED_ON,
)(_reads)
check(
    "BG-04",
    "white space around keys and values",
    READS,
    with_headers(
        st.builds(
            "{}{}{}".format,
            _names,
            st.sampled_from([" =", "= ", " = ", "\t=\t", "=\t "]),
            st.builds("{}{}".format, _simple, st.sampled_from(["", " ", "\t"])),
        )
        | st.builds(
            str.join,
            st.sampled_from([", ", " ,", "\t, "]),
            st.lists(_member(_names, _simple), min_size=2, max_size=3),
        )
    ),
    premise=PASSED_ON,
)(_reads)
check(
    "BG-05",
    "an equals sign in a value",
    READS,
    with_headers(
        _member(_names, st.builds("{}={}".format, st.just("") | _simple, st.just("") | _simple))
    ),
    premise=PASSED_ON,
)(_reads)
check(
    "BG-06",
    "every character that a key may have",
    READS,
    with_headers(_member(_tokens.filter(lambda key: not set(key) & set("%+")), _simple)),
    premise=PASSED_ON,
)(_reads)
check(
    "BG-06",
    "a key with a percent or plus sign, which stand for themselves",
    READS,
    with_headers(_member(st.sampled_from(["%41", "a%20b", "a+b", "%", "+"]), _simple)),
    premise=PASSED_ON,
)(_reads)
check(
    "BG-06",
    "several header fields, which are one",
    READS,
    with_headers(
        st.lists(
            _member(_names, _simple),
            min_size=2,
            max_size=4,
            unique_by=lambda m: m.partition("=")[0],
        )
    ),
    premise=PASSED_ON,
)(_reads)


@check(
    "BG-03",
    "percent-encoded octets that are no UTF-8",
    READS,
    with_headers(
        _member(_names, st.sampled_from(["%ff", "%80", "%C3%28", "a%ffb", "%F5%80%80%80"]))
    ),
    premise=PASSED_ON,
)
def _replaced(arguments: Arguments, answer: Any) -> Deviation | None:
    # How many characters stand for a sequence that is not valid is not said.
    def once(text: str) -> str:
        while "\ufffd\ufffd" in text:
            text = text.replace("\ufffd\ufffd", "\ufffd")
        return text

    wanted = [(name, once(value)) for name, value in pairs(reading.entries(given(arguments)))]
    found = [(name, once(value)) for name, value in pairs(read(answer))]
    return wants(found == wanted, f"the entries {_shown(wanted)}")


def _sized(count: int, size: int) -> str:
    """So many members in a header of so many bytes."""
    names = [f"k{number}" for number in range(count)]
    room = size - sum(len(name) + 2 for name in names) + 1
    each, rest = divmod(room, count)
    return ",".join(
        f"{name}=" + "v" * (each + rest * (number == 0)) for number, name in enumerate(names)
    )


check(
    "BG-07",
    "up to 64 members in up to 8192 bytes",
    READS,
    with_headers(
        st.builds(
            _sized, st.sampled_from([3, 10, 63, 64]), st.sampled_from([1000, 4096, 8191, 8192])
        )
    ),
    cases=16,
    premise=PASSED_ON,
)(_reads)
check(
    "BG-07",
    "one member in up to 8192 bytes",
    READS,
    with_headers(
        st.builds(_sized, st.just(1), st.sampled_from([200, 3000, 4096, 4097, 8191, 8192]))
    ),
    cases=8,
    premise=PASSED_ON,
)(_reads)


@check(
    "BG-08",
    "more members or bytes than need be propagated",
    READS,
    with_headers(
        st.builds(
            _sized, st.sampled_from([1, 3, 65, 180, 181]), st.sampled_from([8193, 9000, 20000])
        )
    ),
    cases=15,
    premise=PASSED_ON,
)
def _no_part(arguments: Arguments, answer: Any) -> Deviation | None:
    wanted = pairs(reading.entries(given(arguments) + ","))
    extra = [pair for pair in pairs(read(answer)) if pair not in wanted and pair[0] != "k180"]
    return wants(not extra, "a member is kept whole or not at all")


@check(
    "BG-10",
    "received baggage",
    "baggage.relay",
    with_headers(
        st.lists(
            _member(_names, _simple),
            min_size=1,
            max_size=4,
            unique_by=lambda m: m.partition("=")[0],
        ).map(",".join)
    ),
)
def _sent_on(arguments: Arguments, answer: Any) -> Deviation | None:
    wanted = pairs(reading.entries(given(arguments)))
    return wants(set(wanted) <= set(pairs(sent(answer))), f"{_shown(wanted)} is sent on")


@check(
    "BG-11",
    "a name that comes twice",
    "baggage.extract",
    with_headers(st.builds("a={},a={}".format, _simple, _simple)),
)
def _one_value(arguments: Arguments, answer: Any) -> Deviation | None:
    names = [name for name, _ in pairs(read(answer))]
    return wants(len(names) == len(set(names)), "a name has one value")


@check(
    "BG-11",
    "the later of two values of a name",
    "baggage.extract",
    with_headers(st.builds("a={},a={}".format, _simple, _simple)),
    level="MAY",
    licence="which of two members of one name is taken from a header is not said",
)
def _later_wins(arguments: Arguments, answer: Any) -> Deviation | None:
    return _reads(arguments, answer)


@check(
    "BG-14",
    "the properties of a member",
    "baggage.relay",
    with_headers(st.builds("{}={};{}".format, _names, _simple, _names | _member(_names, _simple))),
)
def _properties(arguments: Arguments, answer: Any) -> Deviation | None:
    wanted = reading.entries(given(arguments))
    found = [(n, v, m.replace(" ", "")) for n, v, m in sent(answer)]
    return wants(found == wanted, f"{given(arguments)} is sent on with its properties")


@check(
    "BG-01",
    "the value of a member with properties",
    "baggage.extract",
    # A percent sign that encodes nothing is not sent, so it may be taken for what it is.
    with_headers(
        st.builds(
            "{}={};{}".format,
            _names,
            _simple,
            baggage_metadata().filter(lambda text: not re.search("%(?![0-9A-Fa-f]{2})", text)),
        )
    ),
)
def _value_alone(arguments: Arguments, answer: Any) -> Deviation | None:
    return _reads(arguments, answer)


@check(
    "PR-01",
    "a baggage header that cannot be parsed",
    "baggage.extract",
    with_headers(
        st.sampled_from(
            [
                "",
                ",",
                "=",
                ";",
                "a",
                "a;b",
                "%",
                "a=%",
                "a=%zz",
                "\u20ac=1",
                "\x00",
                "a=\x00",
                "," * 300,
                "=" * 300,
            ]
        )
        | st.text(st.characters(codec="utf-8"), max_size=12)
        | baggage_headers()
    ),
)
def _no_throw(arguments: Arguments, answer: Any) -> Deviation | None:
    return wants(not raised(answer), "nothing is raised, whatever the header is")


# What is sent.


def _entries(names: Any, values: Any, most: int = 3) -> st.SearchStrategy[Any]:
    return st.lists(
        st.tuples(names, values), min_size=1, max_size=most, unique_by=lambda e: e[0]
    ).map(lambda held: {"entries": [[name, value, ""] for name, value in held]})


INJECTS = "baggage.inject"


def _held(arguments: Arguments) -> Pairs:
    return [(name, value) for name, value, _ in arguments["entries"]]


@check("BG-12", "any text for a value, set, sent and read again", INJECTS, _entries(_names, _texts))
def _any_text(arguments: Arguments, answer: Any) -> Deviation | None:
    wanted = _held(arguments)
    return wants(
        sorted(pairs(sent(answer))) == sorted(wanted), f"a header that means {_shown(wanted)}"
    )


@check("BG-02", "what is sent for any text", INJECTS, _entries(_names, _texts))
def _encoded(arguments: Arguments, answer: Any) -> Deviation | None:
    good = not raised(answer) and _is_grammar(answer)
    return wants(good, "what is no baggage-octet is percent-encoded")


def _is_grammar(answer: Any) -> bool:
    """Whether each member that is sent is one."""
    values = [] if raised(answer) else [v for n, v in answer["headers"] if n.lower() == "baggage"]
    members = [each.strip(" \t") for value in values if value for each in value.split(",")]
    return all(reading.MEMBER.matches(each) for each in members)


@check("BG-06", "a name that is a token, sent", INJECTS, _entries(_tokens, _simple, 1))
def _token(arguments: Arguments, answer: Any) -> Deviation | None:
    wanted = _held(arguments)
    return wants(pairs(sent(answer)) == wanted, f"the key is sent as it is: {_shown(wanted)}")


_NO_TOKENS = ["a b", "\u00e9", "a=b", "a,b", "a;b", "(", "\u20ac"]


@check(
    "BG-06",
    "a name that is no token, sent",
    INJECTS,
    _entries(st.sampled_from(_NO_TOKENS), _simple, 1),
)
def _no_token(arguments: Arguments, answer: Any) -> Deviation | None:
    # Sent as it is, a=b would be the key a.
    good = _is_grammar(answer) and "a" not in dict(pairs(sent(answer)))
    return wants(good, "a name that is no token is not sent as it is")


@check(
    "BG-06",
    "another key in the place of a name that is no token",
    INJECTS,
    _entries(st.sampled_from(_NO_TOKENS), _simple, 1),
    level="MAY",
    licence="how an implementation writes a name that is no token, if at all, is not said",
)
def _other_key(arguments: Arguments, answer: Any) -> Deviation | None:
    return wants(not sent(answer), "a name that is no token is not sent")


@check(
    "BG-07",
    "up to 64 entries that make up to 8192 bytes, sent",
    INJECTS,
    st.builds(
        lambda count, size: {
            "entries": [[n, v, ""] for n, v in pairs(reading.entries(_sized(count, size)))]
        },
        st.sampled_from([1, 2, 63, 64]),
        st.sampled_from([1000, 4095, 4097, 8192]),
    ),
    cases=16,
)
def _all_sent(arguments: Arguments, answer: Any) -> Deviation | None:
    wanted = _held(arguments)
    return wants(sorted(pairs(sent(answer))) == sorted(wanted), "all members are sent")


@check("BG-09", "names that are sent", INJECTS, _entries(_names, _simple, 4))
def _no_duplicates(arguments: Arguments, answer: Any) -> Deviation | None:
    values = [] if raised(answer) else [v for n, v in answer["headers"] if n.lower() == "baggage"]
    names = [name for name, _ in pairs(reading.entries(",".join(values)))]
    return wants(len(names) == len(set(names)), "no name is sent twice")


# The container.

APPLIES = "baggage.apply"


def _programs(names: Any, values: Any) -> st.SearchStrategy[Any]:
    """Entries, and what is then set, removed and cleared."""
    operation = st.one_of(
        st.tuples(st.just("set"), names, values).map(list),
        st.tuples(st.just("remove"), names).map(list),
        st.just(["clear"]),
    )
    return st.builds(
        lambda held, asked: {"entries": [[n, v, ""] for n, v in held], "operations": asked},
        st.lists(st.tuples(names, values), max_size=3, unique_by=lambda e: e[0]),
        st.lists(operation, min_size=1, max_size=4),
    )


_plain = _programs(_names, _simple)


def _after(held: dict[str, str], operation: list[str]) -> dict[str, str]:
    name, *rest = operation
    if name == "clear":
        return {}
    if name == "remove":
        return {key: value for key, value in held.items() if key != rest[0]}
    return {**held, rest[0]: rest[1]}


@check("BG-13", "set, remove and clear", APPLIES, _plain)
def _container(arguments: Arguments, answer: Any) -> Deviation | None:
    if raised(answer):
        return Deviation("values are set, removed and cleared")
    held = {name: value for name, value, _ in arguments["entries"]}
    for operation, step in zip(arguments["operations"], answer["steps"], strict=True):
        wanted = _after(held, operation)
        found = dict(pairs([(n, v, m) for n, v, m in step["entries"]]))
        if found != wanted:
            return Deviation(f"after {operation} there are {_shown(list(wanted.items()))}")
        held = wanted
    return None


check("BG-12", "any text for a value in the container", APPLIES, _programs(_names, _texts))(
    _container
)
check(
    "BG-12",
    "any text for a name in the container",
    APPLIES,
    _programs(_texts.filter(bool), _simple),
    level="SHOULD",
)(_container)


@check("BG-13", "the container that an operation is asked of", APPLIES, _plain)
def _immutable(arguments: Arguments, answer: Any) -> Deviation | None:
    if raised(answer):
        return None
    held = {name: value for name, value, _ in arguments["entries"]}
    for operation, step in zip(arguments["operations"], answer["steps"], strict=True):
        if dict(pairs([(n, v, m) for n, v, m in step["before"]])) != held:
            return Deviation(f"{operation} returns new baggage and leaves the old as it was")
        held = _after(held, operation)
    return None


@check(
    "BG-12",
    "names and values in another case",
    APPLIES,
    st.just({"entries": [["a", "v", ""]], "operations": [["set", "A", "V"], ["remove", "a"]]}),
    cases=1,
)
def _case(arguments: Arguments, answer: Any) -> Deviation | None:
    if raised(answer):
        return None
    steps = [sorted(pairs([(n, v, m) for n, v, m in step["entries"]])) for step in answer["steps"]]
    return wants(steps == [[("A", "V"), ("a", "v")], [("A", "V")]], "a and A are two names")
