"""W3C Trace Context: traceparent.

A target shows that it takes a header either by the span context that it extracts, or, as a
service, by going on with its trace id. White space around a header is no part of it, and
nothing is asked of it here; nor is it asked to take what no HTTP message can carry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from verified.strategies import ODD_CHARACTERS, header_names

from ..check import Deviation, check, raised, wants
from ..target import Arguments

TAKES = ("tracecontext.extract", "tracecontext.continue")
SENDS = ("tracecontext.continue", "tracecontext.relay")

_HEX = "0123456789abcdef"

_trace_ids = st.integers(1, 2**128 - 1).map("{:032x}".format)
_span_ids = st.integers(1, 2**64 - 1).map("{:016x}".format)
_flags = st.integers(0, 255)
_higher = st.integers(1, 254).map("{:02x}".format)
_visible = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
_odd = st.sampled_from(
    [c for c in ODD_CHARACTERS if c not in " \t" and not "\ud800" <= c <= "\udfff"]
)
_not_hex = st.one_of(_odd, st.characters(codec="utf-8")).filter(
    lambda c: c not in _HEX and c not in " \t"
)

_fields = st.builds("{}-{}-{:02x}".format, _trace_ids, _span_ids, _flags)
_version_00 = _fields.map("00-{}".format)
_version_higher = st.builds("{}-{}".format, _higher, _fields)


def headers(
    traceparents: st.SearchStrategy[str], *others: tuple[str, str]
) -> st.SearchStrategy[Any]:
    """Arguments with one traceparent and these headers."""
    return traceparents.map(
        lambda text: {"headers": [["traceparent", text], *(list(each) for each in others)]}
    )


def received(arguments: Arguments) -> str:
    """The traceparent that was sent to the target."""
    return next(str(value) for name, value in arguments["headers"] if name.lower() == "traceparent")


def sent(answer: Any, name: str = "traceparent") -> list[str]:
    """The values of a header that the target sent, whatever the case of its name."""
    if raised(answer):
        return []
    return [value for key, value in answer["headers"] if key.lower() == name]


def takes(arguments: Arguments, answer: Any) -> bool:
    """Whether the target took the traceparent that it received.

    Whoever goes on with the trace id did: it comes by chance once in 2**128.
    """
    if raised(answer):
        return False
    text = received(arguments)
    if "headers" in answer:
        return bool(text[3:35]) and any(text[3:35] == each[3:35] for each in sent(answer))
    return answer["span"] is not None


def ignored(arguments: Arguments, answer: Any) -> Deviation | None:
    return wants(
        not takes(arguments, answer), "the header is ignored, and the trace is not continued"
    )


def taken(arguments: Arguments, answer: Any) -> Deviation | None:
    """The header is taken, with its ids."""
    text = received(arguments)
    trace_id, span_id = text[3:35], text[36:52]
    if not takes(arguments, answer):
        return Deviation(f"the header is valid, and the trace {trace_id} is continued")
    if "headers" in answer:
        return None
    span = answer["span"]
    same = span["trace_id"] == trace_id and span["span_id"] == span_id
    return wants(same, f"trace id {trace_id} and parent id {span_id}")


def _replaced(
    start: int, end: int, texts: st.SearchStrategy[str] = _version_00
) -> st.SearchStrategy[Any]:
    """Headers in which one character between these places is none that may stand there."""
    return headers(
        st.builds(
            lambda text, at, character: text[:at] + character + text[at + 1 :],
            texts,
            st.integers(start, end - 1),
            _not_hex,
        )
    )


check("TP-01", "a valid header of version 00", TAKES, headers(_version_00))(taken)

check(
    "TP-01",
    "upper-case hexadecimal digits",
    TAKES,
    headers(_version_00.map(lambda text: text.upper()).filter(lambda t: t != t.lower())),
)(ignored)

check(
    "TP-01",
    "another delimiter than a dash",
    TAKES,
    headers(
        st.builds(
            lambda text, at, character: text[:at] + character + text[at + 1 :],
            _version_00,
            st.sampled_from([2, 35, 52]),
            _odd.filter(lambda c: c != "-") | st.sampled_from("_:./|0a"),
        )
    ),
)(ignored)

check("TP-01", "a character of the flags that is no digit", TAKES, _replaced(53, 55))(ignored)


@check(
    "TP-01",
    "two header fields of one name",
    TAKES,
    st.lists(_version_00, min_size=2, max_size=2, unique_by=lambda text: text[3:35]).map(
        lambda both: {"headers": [["traceparent", each] for each in both]}
    ),
    # Their value is the list of both (RFC 9110, section 5.2), and the W3C suite wants none taken;
    # but the Get of a propagator must return the first (OpenTelemetry, "Get").
    level="SHOULD",
)
def _two_fields(arguments: Arguments, answer: Any) -> Deviation | None:
    texts = [value for _, value in arguments["headers"]]
    if raised(answer):
        took = False
    elif "headers" in answer:
        took = any(text[3:35] == each[3:35] for text in texts for each in sent(answer))
    else:
        took = answer["span"] is not None
    return wants(
        not took, "two fields are one value joined by a comma, which is no traceparent: ignored"
    )


check("TP-02", "version ff", TAKES, headers(_fields.map("ff-{}".format)))(ignored)
check(
    "TP-02",
    "version ff with more fields",
    TAKES,
    headers(st.builds("ff-{}-{}".format, _fields, st.text(_HEX, max_size=4))),
)(ignored)

check(
    "TP-03",
    "a trace id of zeros",
    TAKES,
    headers(
        st.builds(
            "{}-{}-{}-{:02x}".format, st.just("00") | _higher, st.just("0" * 32), _span_ids, _flags
        )
    ),
)(ignored)
check("TP-03", "a character of the trace id that is no lower-case digit", TAKES, _replaced(3, 35))(
    ignored
)
check(
    "TP-03",
    "a trace id that is too short or too long",
    TAKES,
    headers(
        st.builds(
            "00-{}-{}-{:02x}".format,
            st.text(_HEX, min_size=1, max_size=48).filter(lambda t: len(t) != 32 and t.strip("0")),
            _span_ids,
            _flags,
        )
    ),
)(ignored)

check(
    "TP-04",
    "a parent id of zeros",
    TAKES,
    headers(
        st.builds(
            "{}-{}-{}-{:02x}".format, st.just("00") | _higher, _trace_ids, st.just("0" * 16), _flags
        )
    ),
)(ignored)
check(
    "TP-04", "a character of the parent id that is no lower-case digit", TAKES, _replaced(36, 52)
)(ignored)
check(
    "TP-04",
    "a parent id that is too short or too long",
    TAKES,
    headers(
        st.builds(
            "00-{}-{}-{:02x}".format,
            _trace_ids,
            st.text(_HEX, min_size=1, max_size=24).filter(lambda t: len(t) != 16 and t.strip("0")),
            _flags,
        )
    ),
)(ignored)

check(
    "TP-05",
    "version 00 that goes on after the flags",
    TAKES,
    headers(
        st.builds(
            "{}{}{}".format,
            _version_00,
            st.sampled_from("-0.,;x_"),
            st.text(_visible, max_size=4).map(str.strip),
        )
    ),
)(ignored)
check(
    "TP-05",
    "version 00 with a line feed at its end",
    TAKES,
    headers(_version_00.map("{}\n".format)),
)(ignored)
check(
    "TP-05",
    "version 00 that is cut off",
    TAKES,
    headers(st.builds(lambda text, at: text[:at], _version_00, st.integers(36, 54))),
)(ignored)

check("TP-07", "a character of the version that is no lower-case digit", TAKES, _replaced(0, 2))(
    ignored
)
check(
    "TP-08",
    "a higher version of less than 55 characters",
    TAKES,
    headers(st.builds(lambda text, at: text[:at], _version_higher, st.integers(36, 54))),
)(ignored)
check(
    "TP-09",
    "a higher version with a bad character in an id",
    TAKES,
    _replaced(3, 35, _version_higher) | _replaced(36, 52, _version_higher),
)(ignored)
check(
    "TP-09",
    "a higher version with another delimiter than a dash",
    TAKES,
    headers(
        st.builds(
            lambda text, at, character: text[:at] + character + text[at + 1 :],
            _version_higher,
            st.sampled_from([2, 35]),
            st.sampled_from("_:./|0a"),
        )
    ),
)(ignored)
check(
    "TP-10",
    "a higher version that goes on after its flags without a dash",
    TAKES,
    headers(
        st.builds(
            "{}{}{}".format,
            _version_higher,
            st.sampled_from("0.,;x_"),
            st.text(_visible, max_size=4).map(str.strip),
        )
    ),
    levels=(2,),
)(ignored)
check(
    "TP-10",
    "a higher version with bad flags",
    TAKES,
    _replaced(53, 55, _version_higher),
    levels=(2,),
)(ignored)
check("TP-11", "a higher version that ends after its flags", TAKES, headers(_version_higher))(taken)
check(
    "TP-11",
    "a higher version with more fields",
    TAKES,
    headers(
        st.builds(
            "{}-{}".format,
            _version_higher,
            st.text(_visible, max_size=32).map(str.strip)
            | st.sampled_from(["", "00", "-", "a-b-c"]),
        )
    ),
)(taken)


@check("TP-17", "the flag sampled among all flags", "tracecontext.extract", headers(_version_00))
def _sampled(arguments: Arguments, answer: Any) -> Deviation | None:
    if not takes(arguments, answer) or "flags" not in answer["span"]:
        return None
    flags = int(received(arguments)[53:55], 16)
    is_sampled = flags % 2
    return wants(
        answer["span"]["flags"] % 2 == is_sampled, f"flags {flags:08b}: sampled is {is_sampled}"
    )


_hostile = (
    st.sampled_from(["", "-", "00", "00-", "---", "0" * 55, "-" * 55, "\x00", "\u20ac" * 55])
    | st.text(st.characters(codec="utf-8"), max_size=60)
    | st.builds(lambda text, at: text[:at], _version_00, st.integers(0, 54))
)


@check(
    "PR-01",
    "headers that cannot be parsed",
    TAKES,
    st.lists(
        st.tuples(st.sampled_from(["traceparent", "tracestate"]), _hostile).map(list), max_size=3
    ).map(lambda pairs: {"headers": pairs}),
)
def _no_throw(arguments: Arguments, answer: Any) -> Deviation | None:
    if raised(answer):
        return Deviation("nothing is raised, whatever the headers are")
    return wants(answer.get("span") is None or "headers" in answer, "no value is stored")


check(
    "TP-06",
    "the name of the header in any case",
    "http.continue",
    st.builds(
        lambda name, text: {"headers": [[name, text]]}, header_names("traceparent"), _version_00
    ),
)(taken)


# What is sent.


def _parts(text: str) -> Sequence[str] | None:
    """Version, ids and flags of a traceparent that is sent, if it is one of version 00."""
    parts = text.split("-")
    sizes = [len(part) for part in parts]
    if sizes != [2, 32, 16, 2] or not all(set(part) <= set(_HEX) for part in parts):
        return None
    return parts


_spans = st.fixed_dictionaries(
    {
        "trace_id": _trace_ids,
        "span_id": _span_ids,
        "flags": _flags,
        "is_remote": st.booleans(),
        "trace_state": st.just([]),
    }
).map(lambda span: {"span": span})

INJECTS = "tracecontext.inject"


@check("TP-01", "what is sent for a span context", INJECTS, _spans)
def _is_grammar(arguments: Arguments, answer: Any) -> Deviation | None:
    span, values = arguments["span"], sent(answer)
    wanted = f"one header with {span['trace_id']} and {span['span_id']} in lower case"
    if len(values) != 1:
        return Deviation(wanted)
    parts = _parts(values[0])
    return wants(
        parts is not None and list(parts[1:3]) == [span["trace_id"], span["span_id"]], wanted
    )


def _zero(name: str) -> Any:
    def change(arguments: Arguments) -> Arguments:
        span = arguments["span"]
        return {"span": {**span, name: "0" * len(span[name])}}

    return _spans.map(change)


def _nothing_sent(arguments: Arguments, answer: Any) -> Deviation | None:
    return wants(not sent(answer), "a span context that is not valid is not sent")


check("TP-03", "a span context with a trace id of zeros, sent", INJECTS, _zero("trace_id"))(
    _nothing_sent
)
check("TP-04", "a span context with a span id of zeros, sent", INJECTS, _zero("span_id"))(
    _nothing_sent
)


@check("TP-06", "the name of the header that is sent", INJECTS, _spans)
def _name(arguments: Arguments, answer: Any) -> Deviation | None:
    names = [] if raised(answer) else [name for name, _ in answer["headers"]]
    return wants(all(name == name.lower() for name in names), "names are sent in lower case")


@check("TP-12", "the version that is sent", (INJECTS,), _spans)
def _version_sent(arguments: Arguments, answer: Any) -> Deviation | None:
    return wants(all(text[:3] == "00-" for text in sent(answer)), "version 00 is sent")


@check(
    "TP-12",
    "the version that is sent on",
    SENDS,
    headers(_version_higher | _version_higher.map("{}-x".format)),
)
def _version_sent_on(arguments: Arguments, answer: Any) -> Deviation | None:
    good = all(_parts(text) is not None and text[:3] == "00-" for text in sent(answer))
    return wants(good, "the header that is sent is of version 00, without what is not known")


def _known_only(mask: int) -> Any:
    def judge(arguments: Arguments, answer: Any) -> Deviation | None:
        unknown = [int(p[3], 16) & ~mask for p in map(_parts, sent(answer)) if p is not None]
        return wants(not any(unknown), f"flags other than {mask:08b} are sent as zero")

    return judge


check(
    "TP-13", "flags that are not defined, sent on", SENDS, headers(_version_00 | _version_higher)
)(_known_only(3))
check(
    "TP-13",
    "flags that are not defined, passed on",
    "tracecontext.relay",
    headers(_version_00 | _version_higher),
)(_known_only(3))


@check("TP-13", "a span context with flags that are not defined", INJECTS, _spans)
def _flags_sent(arguments: Arguments, answer: Any) -> Deviation | None:
    values = sent(answer)
    if len(values) != 1:
        return None
    flags = values[0].split("-")[-1]
    good = len(flags) == 2 and set(flags) <= set(_HEX) and int(flags, 16) & ~3 == 0
    return wants(good, "flags other than sampled and random are sent as zero")


@check(
    "TP-14",
    "the flag random of a trace that is continued",
    SENDS,
    headers(_version_00),
    levels=(2,),
)
def _random_is_copied(arguments: Arguments, answer: Any) -> Deviation | None:
    if not takes(arguments, answer):
        return None
    was = int(received(arguments)[53:55], 16) & 2
    now = [int(parts[3], 16) & 2 for parts in map(_parts, sent(answer)) if parts is not None]
    return wants(all(each == was for each in now), f"the flag random stays {was // 2}")


@check(
    "TP-18",
    "the flag sampled of a header that is passed on",
    "tracecontext.relay",
    headers(_version_00),
)
def _sampled_stays(arguments: Arguments, answer: Any) -> Deviation | None:
    before = received(arguments)
    for parts in map(_parts, sent(answer)):
        if parts is not None and parts[1] == before[3:35]:
            same = parts[2] != before[36:52] or int(parts[3], 16) & 1 == int(before[53:55], 16) & 1
            return wants(same, "sampled changes together with the parent id alone")
    return None


@check(
    "TP-18",
    "the flag sampled of a trace that is continued",
    "tracecontext.continue",
    headers(_version_00),
)
def _sampled_changes(arguments: Arguments, answer: Any) -> Deviation | None:
    return _sampled_stays(arguments, answer)


@check(
    "TP-01",
    "what is sent for a header that is passed on",
    "tracecontext.relay",
    headers(_version_00 | _version_higher),
)
def _is_grammar_again(arguments: Arguments, answer: Any) -> Deviation | None:
    good = all(_parts(text) is not None for text in sent(answer))
    return wants(good, "the header that is sent is of the grammar of version 00")


@check("TP-19", "a header that is passed on", "tracecontext.relay", headers(_version_00))
def _passed_on(arguments: Arguments, answer: Any) -> Deviation | None:
    wanted = received(arguments)[3:52]
    return wants(
        [text[3:52] for text in sent(answer)] == [wanted], f"one traceparent with {wanted}"
    )


@check("TP-19", "a trace that is continued", "tracecontext.continue", headers(_version_00))
def _continued(arguments: Arguments, answer: Any) -> Deviation | None:
    wanted = received(arguments)[3:35]
    good = [text[3:35] for text in sent(answer)] == [wanted]
    return wants(good, f"one traceparent that goes on with the trace {wanted}")


@check(
    "TP-22",
    "the parent id that is sent",
    "tracecontext.continue",
    headers(_version_00 | st.just("")),
)
def _parent_is_current(arguments: Arguments, answer: Any) -> Deviation | None:
    before, parts = received(arguments), [each for each in map(_parts, sent(answer)) if each]
    if not parts:
        return None
    if before and parts[0][2] == before[36:52]:
        return Deviation(
            "the parent id that is sent is that of the current operation, not the received"
        )
    span = answer.get("span")
    if span is None or "span_id" not in span:
        return None
    return wants(
        parts[0][2] == span["span_id"], f"the parent id is that of the span, {span['span_id']}"
    )
