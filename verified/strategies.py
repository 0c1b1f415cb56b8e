"""Hypothesis strategies for tests of instrumentation (the extra ``strategies``).

    from hypothesis import given
    from verified.strategies import near_misses, tracestates

    @given(tracestates() | near_misses(tracestates()))
    def test_no_header_makes_it_raise(header: str) -> None: ...

What is valid is what the standards' grammars derive: W3C Trace Context Level 2 and W3C
Baggage. ``forbidden_`` and ``oversized_`` strategies draw what breaks one further rule or
limit, ``near_misses`` edits any text once, ``hostile_`` ones draw what is no header at all.

Small values are drawn most of the time. Those at a limit (32 or 180 members, 256
characters, 8192 bytes) are drawn now and then, by repetition and from a few numbers, so
that they cost no more than small ones. "a" and "b" are drawn often as names, so that names
meet.

No value is made by code that a test may be about: ids, lists and baggage are put together
from their fields without their constructors, so that a fault in those does not keep a
value from being drawn.
"""

import string
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from verified.baggage import Baggage, Entry
from verified.ids import SpanId, TraceId
from verified.propagation import Context
from verified.span_context import SpanContext
from verified.trace_flags import TraceFlags
from verified.tracestate import TraceState

_T = TypeVar("_T")

ODD_CHARACTERS: Final = (
    '0aAfFgG_-+xX ,;=%"\\\t\n\r\x00\x7f\x85\xa0\xe9\u0660\u0969\uff10\uff41\u212a\u017f'
    "\ud800\U0010ffff"
)
"""Delimiters, and characters that some reader takes for a digit, a letter or a space."""

_SPACES: Final = " \t \n\t\r\xa0\x1c\x85\u2003\u3000"
_LCALPHA: Final = string.ascii_lowercase + string.digits
_KEYCHAR: Final = _LCALPHA + "_-*/@"
_CHR: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in ",=")
_TCHAR: Final = string.digits + string.ascii_letters + "!#$%&'*+-.^_`|~"
_OCTET: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '",;\\')

_COMMAS: Final = st.sampled_from([",", ",", ", ", " ,", "\t,", " \t, \t"])
_SEMICOLONS: Final = st.sampled_from([";", ";", "; ", " ;", " \t;\t "])
_EQUALS: Final = st.sampled_from(["=", "=", "= ", " =", "\t=\t "])

_NAMES: Final = st.sampled_from(["a", "b"])


def _seldom(usual: SearchStrategy[_T], rare: SearchStrategy[_T]) -> SearchStrategy[_T]:
    """The second strategy once in eight times."""
    return st.integers(0, 7).flatmap(lambda number: rare if number == 7 else usual)


def _made(cls: type, **fields: object) -> Any:
    """The object with these fields, made without its constructor."""
    made: Any = object.__new__(cls)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made


# Texts that are not valid.


def near_misses(texts: SearchStrategy[str]) -> SearchStrategy[str]:
    """Texts that are one edit away from these.

    A character is put in, taken out, doubled, replaced or changes its case; all letters
    become capitals; up to four times the same space, OWS or
    other, is put before or behind; or the text
    is cut off. What is put in is one of ``ODD_CHARACTERS``. Most texts are no longer what
    they were; some edits leave a text valid, and a few leave it as it was.
    """
    return st.builds(
        _edited,
        texts,
        st.sampled_from(
            ["in", "out", "twice", "change", "case", "upper", "before", "after", "cut"]
        ),
        st.integers(0, 0xFFFF),
        st.sampled_from(ODD_CHARACTERS),
    )


def _edited(text: str, edit: str, position: int, character: str) -> str:
    at = position % (len(text) + 1)
    start, end = text[:at], text[at:]
    spaces = _SPACES[position % len(_SPACES)] * (1 + position % 4)
    match edit:
        case "in":
            return start + character + end
        case "out":
            return start + end[1:]
        case "twice":
            return start + end[:1] + end
        case "change":
            return start + character + end[1:]
        case "case":
            return start + end[:1].swapcase() + end[1:]
        case "upper":
            return text.upper()
        case "before":
            return spaces + text
        case "after":
            return text + spaces
        case _:
            return start


def strings() -> SearchStrategy[str]:
    """Any strings: every code point, lone surrogates among them.

    Mostly of up to 8 characters; seldom one character or delimiter is repeated up to
    10,000 times. The values of baggage may be any of these.
    """
    return _seldom(
        st.text(st.characters(exclude_categories=()) | st.sampled_from(ODD_CHARACTERS), max_size=8),
        st.builds(
            str.__mul__,
            st.sampled_from(["a", " ", ",", "%", "0", "a=1,", "\u20ac", "\ud800"]),
            st.sampled_from([100, 1000, 2500]),
        ),
    )


# Trace context.


def _numbers(bits: int) -> SearchStrategy[int]:
    """Numbers from 1 that have at most so many bits, the least and the greatest often."""
    most = (1 << bits) - 1
    edges = [1, 255, 256, most >> 4, most >> 1, (most >> 1) + 1, most]
    return st.integers(1, most) | st.sampled_from(edges)


def trace_ids() -> SearchStrategy[TraceId]:
    """Valid trace ids: 1 to 2**128 - 1, never ``TraceId.INVALID``."""
    return _numbers(128).map(partial(int.__new__, TraceId))


def span_ids() -> SearchStrategy[SpanId]:
    """Valid span ids: 1 to 2**64 - 1, never ``SpanId.INVALID``."""
    return _numbers(64).map(partial(int.__new__, SpanId))


def trace_flags() -> SearchStrategy[TraceFlags]:
    """All 256 trace flags, also those that Level 2 does not define."""
    return st.integers(0, 255).map(partial(int.__new__, TraceFlags))


def _fields(trace_ids: SearchStrategy[int], span_ids: SearchStrategy[int]) -> SearchStrategy[str]:
    """What follows the version: ids and any flags."""
    return st.builds("{:032x}-{:016x}-{:02x}".format, trace_ids, span_ids, st.integers(0, 255))


_FIELDS: Final = _fields(_numbers(128), _numbers(64))
_HIGHER: Final = st.integers(1, 254)


def traceparents() -> SearchStrategy[str]:
    """The traceparent headers that are to be taken ("traceparent Header Field Values").

    Half are of version 00; the others are of versions 01 to fe and end after the flags, or
    go on after a dash with up to 8 characters of any kind but surrogates. All flags are
    drawn. An id is never zero, the version never ff.
    """
    future = st.sampled_from(["", "-", "-00", "-what-comes-next"]) | st.text(max_size=8).map(
        "-{}".format
    )
    return _FIELDS.map("00-{}".format) | st.builds("{:02x}-{}{}".format, _HIGHER, _FIELDS, future)


def forbidden_traceparents() -> SearchStrategy[str]:
    """Headers that begin like a traceparent and have to be ignored for one reason.

    An id is zero; the version is ff; version 00 goes on after its flags; a higher version
    goes on with something other than a dash.
    """
    more = st.sampled_from(["0", "00", "x", " ", "\n", ".what", "_", "\u2010"])
    zero = st.just(0)
    return st.one_of(
        st.builds("{:02x}-{}".format, st.integers(0, 254), _fields(zero, _numbers(64))),
        st.builds("{:02x}-{}".format, st.integers(0, 254), _fields(_numbers(128), zero)),
        _FIELDS.map("ff-{}".format),
        st.builds("00-{}{}".format, _FIELDS, st.sampled_from(["-", "-00", "-what"]) | more),
        st.builds("{:02x}-{}{}".format, _HIGHER, _FIELDS, more),
    )


def tracestate_keys() -> SearchStrategy[str]:
    """Keys of Level 2 ("key"): 1 to 256 characters of the grammar.

    Mostly of up to 9 characters, all of which may be drawn; those of 127 and more
    characters are one letter again and again.
    """
    short = st.text(_KEYCHAR, min_size=1, max_size=8).map(
        lambda text: text if text[0] in _LCALPHA else f"0{text}"
    )
    return st.one_of(
        _NAMES,
        st.sampled_from(["0", "a@", "foo@bar", "foo@@bar@baz", "0_-*/@"]),
        short,
        _seldom(short, st.sampled_from([127, 128, 242, 255, 256]).map("k".__mul__)),
    )


def tracestate_values() -> SearchStrategy[str]:
    """Values of a tracestate ("value"): 1 to 256 characters of the grammar.

    Those of more than 9 characters are one letter again and again, or spaces and a letter.
    Entries of 128 and 129 characters, up to which the others are truncated first, are made
    by values of about that size. A value may begin with a space, and never ends with one.
    """
    return st.one_of(
        st.text(_CHR, min_size=1, max_size=8).map(
            lambda text: f"{text}v" if text[-1] == " " else text
        ),
        st.sampled_from(["v", "1", "!", "~", " v", "  v", "a b", "a;b"]),
        st.sampled_from([100, 124, 125, 126, 127, 128, 255, 256]).map("v".__mul__),
        st.sampled_from([2, 126, 256]).map("v".rjust),
    )


def tracestate_members() -> SearchStrategy[str]:
    """Members of a tracestate, ``key=value``, that are not empty."""
    return st.builds("{}={}".format, tracestate_keys(), tracestate_values())


def tracestates() -> SearchStrategy[str]:
    """The tracestate headers of the grammar ("tracestate Header Field Values").

    Mostly up to 6 members, seldom up to 32, whose keys and values may all have 256
    characters. Members may be empty, or all be; there may be white space around commas; a
    key may come twice. There is none around the whole list, which it is no part of.
    """
    members = st.lists(st.tuples(_COMMAS, tracestate_members() | st.just("")), max_size=6)
    return _seldom(members.map(_list), _many(1, 8, 16, 30, 31, 32))


def oversized_tracestates() -> SearchStrategy[str]:
    """Headers that are beyond one limit of a tracestate, and valid but for that.

    There are 33, 34 or 64 members, empty ones among them, or a key or a value has 257 or
    300 characters.
    """
    long = st.sampled_from([257, 300]).map("v".__mul__)
    return st.one_of(
        _many(33, 34, 64),
        st.builds("{}={}".format, long, st.sampled_from(["1", "1,b=2"])),
        st.builds("{}={}".format, st.sampled_from(["a", "b=2,a"]), long),
    )


def _list(members: list[tuple[str, str]]) -> str:
    """The list of members that come with the comma before each."""
    return "".join(comma + member for comma, member in members).lstrip(" \t")[1:].strip(" \t")


def _many(*counts: int) -> SearchStrategy[str]:
    """Lists of so many members, all of the same size, some of which may be empty."""
    return st.builds(
        lambda count, key, value, empty, comma: comma.join(
            "" if n % empty == empty - 1 else f"{n:k<{key}}={value}" for n in range(count)
        ).strip(" \t"),
        st.sampled_from(counts),
        st.sampled_from([1, 1, 1, 128, 256]),
        tracestate_values(),
        st.sampled_from([99, 99, 7, 2]),
        _COMMAS,
    )


def trace_states() -> SearchStrategy[TraceState]:
    """``TraceState`` of all the lists that ``tracestates`` draws; empty if no member is left."""
    return tracestates().map(lambda text: _made(TraceState, header=text if "=" in text else ""))


def span_contexts() -> SearchStrategy[SpanContext]:
    """Valid span contexts: any ids but the invalid, any flags, any list, remote or local."""
    return _span_contexts(trace_ids(), span_ids())


def invalid_span_contexts() -> SearchStrategy[SpanContext]:
    """Span contexts of which the trace id, the span id or both are ``INVALID``."""
    no_trace, no_span = st.just(TraceId.INVALID), st.just(SpanId.INVALID)
    return _span_contexts(no_trace, span_ids() | no_span) | _span_contexts(trace_ids(), no_span)


def _span_contexts(
    trace_ids: SearchStrategy[TraceId], span_ids: SearchStrategy[SpanId]
) -> SearchStrategy[SpanContext]:
    return st.tuples(trace_ids, span_ids, trace_flags(), trace_states(), st.booleans()).map(
        partial(tuple.__new__, SpanContext)
    )


# Baggage.


def baggage_keys() -> SearchStrategy[str]:
    """Keys of a baggage member or a property ("key"): tokens of 1 to 8 characters."""
    return st.one_of(
        _NAMES,
        st.just("A"),
        st.text(_TCHAR, min_size=1, max_size=8),
        st.sampled_from(["%41", "0", "`|~"]),
    )


def baggage_values() -> SearchStrategy[str]:
    """Values as they are sent ("value"): up to 9 baggage-octets; longer ones are in headers.

    They may be empty, have "=" in them, and "%" that stands for itself or begins what is
    not UTF-8.
    """
    return st.text(_OCTET, max_size=8) | st.sampled_from(
        ["", "%41", "%e2%82%ac", "%20", "%ff", "%", "%4", "%zz", "a=b", "=", "%C3%28", "a+b"]
    )


def baggage_properties() -> SearchStrategy[str]:
    """Properties ("property"): a key, and perhaps a value; white space around "=" or behind."""
    return st.builds("{}{}".format, baggage_keys(), st.sampled_from(["", "", " "])) | st.builds(
        "{}{}{}".format, baggage_keys(), _EQUALS, baggage_values()
    )


def baggage_metadata() -> SearchStrategy[str]:
    """One or two properties of a member, with a semicolon and white space between them.

    There is no white space around them, and they are never empty.
    """
    return st.builds(
        str.join, _SEMICOLONS, st.lists(baggage_properties(), min_size=1, max_size=2)
    ).map(lambda text: text.strip(" \t"))


def baggage_members() -> SearchStrategy[str]:
    """Members of a baggage header ("list-member"), half of them with properties."""
    member = st.builds("{}{}{}".format, baggage_keys(), _EQUALS, baggage_values())
    return member | st.builds("{}{}{}".format, member, _SEMICOLONS, baggage_metadata())


def baggage_headers() -> SearchStrategy[str]:
    """Baggage headers ("baggage-string") of 1 to 180 members and at most 8192 bytes.

    Mostly up to 3 members, seldom 1, 64, 179 or 180 that have up to 8192 bytes together, or
    no values. A key may come twice. White space is around delimiters, never before the
    first member.
    """
    few = st.builds(str.join, _COMMAS, st.lists(baggage_members(), min_size=1, max_size=3))
    return _seldom(few, _LARGE.map(_sent))


def oversized_baggage_headers() -> SearchStrategy[str]:
    """Headers of members that are valid, but 181, 182 or 200, or more than 8192 bytes of them.

    They have up to 9000 bytes. Of what is beyond the limits the standard asks nothing.
    """
    return _OVERSIZED.map(_sent)


def baggage_entries() -> SearchStrategy[Entry]:
    """Entries of baggage: a name that may be any string but the empty one, any value.

    Half of the names are tokens and can be sent; half of the entries have metadata.
    """
    return st.builds(
        Entry,
        baggage_keys() | strings().filter(bool),
        baggage_values() | strings(),
        st.just("") | baggage_metadata(),
    )


def baggages() -> SearchStrategy[Baggage]:
    """``Baggage``: mostly of up to 4 entries, seldom of up to 200, and of what fits no header.

    Large ones have names that are tokens, and values of up to 9000 characters; many of
    them make a header of exactly 180 or 181 members, or of exactly 8192 or 8193 bytes.
    """
    few = st.lists(baggage_entries(), max_size=4, unique_by=lambda entry: entry.name)
    many = (_LARGE | _OVERSIZED).map(
        lambda members: [Entry(name, value) for name, value, _ in members]
    )
    return _seldom(few, many).map(lambda entries: _made(Baggage, entries=tuple(entries)))


# Characters, and what may be sent for them; the last two are sent on as more octets.
_FILLINGS: Final = [
    ("v", "v"),
    (" ", "%20"),
    ("\xe9", "%C3%A9"),
    ("\u20ac", "%E2%82%AC"),
    ("%", "%"),
    ("\ufffd", "%ff"),
]


def _sized(count: int, size: int, filling: tuple[str, str]) -> list[tuple[str, str, str]]:
    """Names, values and values as sent: so many members, and a header of so many bytes.

    The header is longer if the names need more; values are empty then.
    """
    character, sent = filling
    names = [f"k{n}" for n in range(count)]
    room = max(0, size - sum(len(name) + 2 for name in names) + 1)
    members = []
    for n, name in enumerate(names):
        # The last of the room goes to the last member.
        length = room // count + (room % count if n == count - 1 else 0)
        times, rest = divmod(length, len(sent))
        members.append((name, character * times + "v" * rest, sent * times + "v" * rest))
    return members


def _sent(members: list[tuple[str, str, str]]) -> str:
    return ",".join(f"{name}={sent}" for name, _, sent in members)


_LARGE: Final = st.builds(
    _sized,
    st.sampled_from([1, 64, 179, 180]),
    st.sampled_from([0, 4096, 8191, 8192]),
    st.sampled_from(_FILLINGS),
)
_OVERSIZED: Final = st.builds(
    _sized,
    st.sampled_from([1, 64, 180]),
    st.sampled_from([8193, 9000]),
    st.sampled_from(_FILLINGS),
) | st.builds(
    _sized,
    st.sampled_from([181, 182, 200]),
    st.sampled_from([0, 8192, 8193, 9000]),
    st.sampled_from(_FILLINGS),
)


# Carriers.


def header_names(name: str) -> SearchStrategy[str]:
    """The name of a header with its ASCII letters in any case, all combinations of them."""
    return st.integers(0, (1 << len(name)) - 1).map(
        lambda bits: "".join(c.upper() if bits >> n & 1 else c for n, c in enumerate(name))
    )


def carriers() -> SearchStrategy[dict[str, Any]]:
    """Mappings with valid headers, at most one traceparent, tracestate and baggage each.

    Names are in any case. A value is a text, or a list of texts that stand for one header:
    one for traceparent, up to 4 for the others. Each of the three may be missing, and there
    may be other headers.
    """
    return st.tuples(
        _header("traceparent", traceparents()),
        _header("tracestate", tracestates()),
        _header("baggage", baggage_headers()),
        st.sampled_from([None, ("host", "example.org"), ("X-Traceparent", "00"), ("", "")]),
    ).map(lambda headers: dict(header for header in headers if header))


def _header(name: str, texts: SearchStrategy[str]) -> SearchStrategy[tuple[str, Any] | None]:
    several = 0 if name == "traceparent" else 3
    return st.one_of(
        st.none(),
        st.tuples(header_names(name), texts),
        st.tuples(
            header_names(name),
            st.builds(lambda text, most: text.split(",", most), texts, st.integers(0, several)),
        ),
    )


def hostile_values() -> SearchStrategy[Any]:
    """What nobody should give for the value of a header, and what looks like one.

    None, numbers, bytes, mappings; any strings, lone surrogates and 10,000 characters among
    them; headers that are valid, nearly valid, forbidden or too large.
    """
    headers = st.one_of(
        traceparents(),
        tracestates(),
        baggage_headers(),
        forbidden_traceparents(),
        oversized_tracestates(),
        oversized_baggage_headers(),
    )
    return st.one_of(
        st.sampled_from([None, True, 0, -1, 1.5, b"", b"a=1", b"\xff", "\ud800"]),
        st.integers(),
        strings(),
        headers.map(str),
        near_misses(headers),
        traceparents().map(str.encode),
        st.builds(dict, a=st.just("1")),
    )


def hostile_carriers() -> SearchStrategy[dict[Any, Any]]:
    """Mappings of names that may be anything to values that may be anything.

    Up to 3 entries, half of the time put over a carrier with valid headers. Names are those
    of the three headers in any case, twice in two cases even, names that resemble them, and
    None, a number and bytes. A value is one of ``hostile_values``, or a list or tuple of up
    to 2 of them.
    """
    names = st.one_of(
        *map(header_names, ("traceparent", "tracestate", "baggage")),
        st.sampled_from(
            [
                None,
                5,
                b"traceparent",
                "",
                "traceparent ",
                "traceparen\uff34",
                "trace\u017ftate",
                "\ud800",
            ]
        ),
    )
    values = st.lists(hostile_values(), max_size=2)
    entries = st.dictionaries(
        names, hostile_values() | values | values.map(tuple), min_size=1, max_size=3
    )
    return entries | st.builds(_over, carriers(), entries)


def _over(carrier: Mapping[Any, Any], entries: Mapping[Any, Any]) -> dict[Any, Any]:
    return {**carrier, **entries}


def contexts() -> SearchStrategy[Context]:
    """Contexts with a valid span context, an invalid one or none, and any baggage."""
    spans = st.none() | span_contexts() | invalid_span_contexts()
    return st.tuples(spans, baggages()).map(partial(tuple.__new__, Context))
