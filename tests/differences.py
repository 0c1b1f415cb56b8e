"""How the propagators of opentelemetry-api differ from ours, each difference under its name.

``spec/differences.toml`` has a row for each. What both sides do stands here once, in five
*readings*, written from the standards and without the code of either side: a function of
an input and of the ids of rows, in which each row is a switch from what ours do to what
theirs do. With no row a reading gives what ours give, with every row what theirs give,
to the character. What is not so, on any input, is Unclassified.

A row speaks of a difference if its switch is needed to come from ours to theirs. Where
one of several would do, each of them speaks.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations
from typing import Any, Final
from urllib.parse import quote, unquote

from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from proofs.grammar import SPEC
from verified.otel import BaggageValue, VerifiedBaggagePropagator, VerifiedTraceContextPropagator
from verified.otel.trace_context import LazyTraceState

RAISED: Final = "raised"
"""The outcome where an exception came out."""

Rows = Set[str]
Items = tuple[tuple[str, str], ...]

PARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-(?s:.)*)?")
KEY_LEVEL_1: Final = re.compile(
    r"[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13}"
)
KEY_LEVEL_2: Final = re.compile(r"[a-z0-9][a-z0-9_\-*/@]{0,255}")
STATE_VALUE: Final = re.compile(r"[ -~]{0,255}[!-~]")
TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
OCTETS: Final = re.compile(r"[!#-+\--:<-\[\]-~]*")
# The baggage-octets that need not be percent-encoded.
LITERAL: Final = "!#$&'()*+-./:<=>?@[]^_`{|}~"

HELD: Final = baggage.set_baggage("held", "1", Context({"key": "value"}))
"""The context into which everything is extracted."""


class OtherTraceState(trace.TraceState):
    """A trace state of another make, whose header may be anything."""

    def __init__(self, header: str) -> None:
        super().__init__()
        self.header = header

    def __bool__(self) -> bool:
        return True

    def to_header(self) -> str:
        return self.header

    def __repr__(self) -> str:
        return f"OtherTraceState({self.header!r})"


# The readings.


def values(carrier: Any, name: str) -> list[Any]:
    """The values of a header, as the default getter finds them; raises as it does."""
    value = carrier.get(name)
    if value is None:
        return []
    return [value] if isinstance(value, str | int) else list(value)


def span_extracted(carrier: Any, rows: Rows) -> object:
    """Trace id, parent id, flags, members of the trace state, and the tracestate sent on."""
    if not isinstance(carrier, Mapping):
        if "traceparent-carrier-unreadable" in rows:
            raise TypeError
        return None
    parent = parent_read(values(carrier, "traceparent"), rows)
    if parent is None:
        return None
    return *parent, *state_read(values(carrier, "tracestate"), rows)


def parent_read(headers: Sequence[Any], rows: Rows) -> tuple[int, int, int] | None:
    if "traceparent-first-of-several" in rows:
        headers = headers[:1]
    if len(headers) != 1:
        return None
    (header,) = headers
    if not isinstance(header, str):
        if "traceparent-not-text" in rows:
            raise TypeError
        return None
    if "traceparent-over-512-characters" in rows and len(header) > 512:
        return None
    if "traceparent-line-feed-at-end" in rows:
        header = header.removesuffix("\n")
    match = PARENT.fullmatch(header.strip(" \t"))
    if match is None:
        return None
    version, *digits, rest = match.groups("")
    trace_id, parent_id, flags = (int(each, 16) for each in digits)
    if "traceparent-line-feed-in-unknown-fields" in rows and "\n" in rest:
        return None
    if version == "ff" or (version == "00" and rest) or 0 in (trace_id, parent_id):
        return None
    return trace_id, parent_id, flags


def state_read(headers: Sequence[Any], rows: Rows) -> tuple[Items, str]:
    """The members of a trace state, and the header with which it is sent on."""
    nothing = (), ""
    if not all(isinstance(header, str) for header in headers):
        if "tracestate-not-text" in rows:
            raise TypeError
        return nothing
    if "tracestate-over-8192-characters" in rows and len(",".join(headers)) > 8192:
        return nothing
    header = ",".join(header for header in headers if header.strip(" \t")).strip(" \t")
    members = [member.strip(" \t") for member in header.split(",")]
    if "tracestate-empty-members-not-counted" in rows:
        members = [member for member in members if member]
    if len(members) > 32:
        return nothing
    pairs = [member.partition("=")[::2] for member in members if member]
    if not all(is_member(key, value, "tracestate-level-1-keys" in rows) for key, value in pairs):
        return nothing
    found = dict(reversed(pairs))
    if "tracestate-key-twice" in rows and len(found) < len(pairs):
        return nothing
    items = tuple((key, found[key]) for key in dict(pairs))
    if "tracestate-rewritten" in rows or not items:
        header = ",".join(map("=".join, items))
    return items, header


def is_member(key: object, value: object, level_1: bool) -> bool:
    return (
        isinstance(key, str)
        and isinstance(value, str)
        and (KEY_LEVEL_1 if level_1 else KEY_LEVEL_2).fullmatch(key) is not None
        and STATE_VALUE.fullmatch(value) is not None
        and not set(value) & set(",=")
    )


def baggage_extracted(carrier: Any, rows: Rows) -> object:
    """The entries of the baggage in order: name, value, metadata."""
    entries = {"held": ("1", "")}
    if not isinstance(carrier, Mapping):
        if "baggage-carrier-unreadable" in rows:
            raise TypeError
        headers = []
    else:
        headers = values(carrier, "baggage")
    for name, *entry in baggage_read(headers, rows):
        entries[name] = (entry[0], entry[1])
    return tuple((name, *entry) for name, entry in entries.items())


def baggage_read(headers: Sequence[Any], rows: Rows) -> Iterator[tuple[str, str, str]]:
    if "baggage-first-of-several" in rows:
        headers = headers[:1]
    if not all(isinstance(header, str) for header in headers):
        if "baggage-not-text" in rows and headers[0] is not None:
            raise TypeError
        return
    text = ",".join(header for header in headers if header.strip(" \t"))
    size = len(text.encode(errors="strict" if "baggage-surrogate" in rows else "surrogatepass"))
    if "baggage-over-8192-bytes" in rows and size > 8192:
        return
    members = re.split(r"[ \t]*,[ \t]*", text)
    if "baggage-member-over-4096-bytes" in rows:
        members = [member if len(member) <= 4096 else "" for member in members]
    if "baggage-not-all-members-counted" in rows:
        members = [member for member in members if member and member.isascii()]
    for member in members[:180]:
        name, separator, rest = (piece.strip(" \t") for piece in member.partition("="))
        value, _, metadata = (piece.strip(" \t") for piece in rest.partition(";"))
        if not (separator and TOKEN.fullmatch(name) and OCTETS.fullmatch(value)):
            continue
        if ";" in rest and not is_metadata(metadata):
            continue
        if "baggage-properties-in-value" in rows:
            value, metadata = rest, ""
        if "baggage-plus-is-space" in rows:
            value = value.replace("+", " ")
        value = unquote(value)
        if "baggage-encoded-space-stripped" in rows:
            value = value.strip()
        if "baggage-key-decoded" in rows:
            name = unquote(name.replace("+", " ")).strip()
        yield name, value, metadata


def is_metadata(text: str) -> bool:
    """Whether a text is properties without white space around them."""
    if text != text.strip(" \t"):
        return False
    for each in text.split(";"):
        key, _, value = (piece.strip(" \t") for piece in each.partition("="))
        if not (TOKEN.fullmatch(key) and OCTETS.fullmatch(value)):
            return False
    return True


def span_injected(context: trace.SpanContext, rows: Rows) -> object:
    """The headers that are set."""
    valid = 0 < context.trace_id < 1 << 128 and 0 < context.span_id < 1 << 64
    if not valid and "inject-parent-invalid" not in rows:
        return {}
    if context == trace.INVALID_SPAN_CONTEXT:
        return {}
    flags = int(context.trace_flags)
    if "inject-flags-unknown" not in rows:
        flags &= 3
    headers = {"traceparent": f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags:02x}"}
    header = context.trace_state.to_header()
    if "inject-tracestate-unchecked" in rows:
        if context.trace_state:
            headers["tracestate"] = header
    elif sent := state_read([header], set())[1]:
        headers["tracestate"] = sent
    return headers


def baggage_injected(held: Mapping[Any, Any], rows: Rows) -> object:
    """The header that is set; empty if it is not."""
    sent: list[str] = []
    size = -1
    for name, value in held.items():
        member = member_sent(name, value, rows)
        if member is None:
            continue
        if "inject-baggage-member-over-4096-bytes" in rows and len(member) > 4096:
            continue
        if len(sent) < 180 and size + 1 + len(member) <= 8192:
            size += 1 + len(member)
            sent.append(member)
        elif "inject-baggage-stops-at-limit" in rows:
            break
    return ",".join(sent)


def member_sent(name: object, value: object, rows: Rows) -> str | None:
    """The member for an entry; None if it has none."""
    if not isinstance(name, str):
        if "inject-baggage-name-not-text" not in rows:
            return None
        name = str(name)
    if "inject-baggage-surrogate" in rows:
        (name + str(value)).encode()
    is_token = TOKEN.fullmatch(name) is not None
    if f"inject-baggage-key-{'encoded' if is_token else 'not-token'}" in rows:
        name = quote(name, safe=" ", errors="surrogatepass").replace(" ", "+")
    elif not is_token:
        return None
    text = re.sub("[\ud800-\udfff]", "\ufffd", str(value))
    text = quote(text, safe="" if "inject-baggage-more-encoded" in rows else LITERAL)
    if "inject-baggage-space-as-plus" in rows:
        text = text.replace("%20", "+")
    metadata = getattr(value, "metadata", "")
    if not metadata or "inject-baggage-properties" in rows:
        return f"{name}={text}"
    return f"{name}={text};{metadata}" if is_metadata(metadata) else None


def state_changed(step: tuple[Items, tuple[Any, ...]], rows: Rows) -> object:
    """The members after an operation; ``("new",)`` makes a trace state of the members."""
    items, (operation, *arguments) = step
    level_1 = "operation-level-1-keys" in rows
    if operation == "new":
        if "operation-too-many-entries" in rows and len(items) > 32:
            return ()
        kept = [(key, value) for key, value in items if is_member(key, value, level_1)]
        return tuple({**dict(kept), **dict(reversed(kept))}.items())[:32]
    key = arguments[0]
    others = tuple(item for item in items if item[0] != key)
    if operation == "delete":
        return others
    is_new = others == items
    if not is_member(key, arguments[1], level_1) or (operation == "add" and not is_new):
        return items
    if "operation-list-full" in rows and is_new and len(items) >= 32:
        return items
    return ((key, arguments[1]), *others)[:32]


# Both sides, run.


def span_extract(propagator: Any) -> Callable[[Any], object]:
    def run(carrier: Any) -> object:
        context = propagator.extract(carrier, HELD)
        if context == HELD:
            return None
        assert {**context, **HELD} == context
        span = trace.get_current_span(context).get_span_context()
        assert span.is_remote
        state = span.trace_state
        return (
            span.trace_id,
            span.span_id,
            int(span.trace_flags),
            tuple(state.items()),
            state.to_header(),
        )

    return run


def baggage_extract(propagator: Any) -> Callable[[Any], object]:
    def run(carrier: Any) -> object:
        context = propagator.extract(carrier, HELD)
        assert context["key"] == "value"
        assert context.keys() == HELD.keys()
        return tuple(
            (name, str(value), getattr(value, "metadata", ""))
            for name, value in baggage.get_all(context).items()
        )

    return run


def span_inject(propagator: Any) -> Callable[[trace.SpanContext], object]:
    def run(span_context: trace.SpanContext) -> object:
        headers: dict[str, str] = {}
        span = trace.NonRecordingSpan(span_context)
        propagator.inject(headers, trace.set_span_in_context(span, HELD))
        return headers

    return run


def baggage_inject(propagator: Any) -> Callable[[Mapping[str, Any]], object]:
    def run(held: Mapping[str, Any]) -> object:
        context = Context()
        for name, value in held.items():
            context = baggage.set_baggage(name, value, context)
        headers: dict[str, str] = {}
        propagator.inject(headers, context)
        assert headers.keys() <= {"baggage"}
        return headers.get("baggage", "")

    return run


def state_change(make: Any) -> Callable[[Any], object]:
    def run(step: tuple[Items, tuple[Any, ...]]) -> object:
        items, operation = step
        return tuple(changed(make(items), operation).items())

    return run


def changed(state: trace.TraceState, operation: tuple[Any, ...]) -> trace.TraceState:
    """The trace state after an operation."""
    name, *arguments = operation
    return state if name == "new" else getattr(state, name)(*arguments)


def outcome(run: Callable[[Any], object], input: Any) -> object:
    """What comes out of a run, an exception among it."""
    try:
        return run(input)
    except Exception:
        return RAISED


# The table.


class Unclassified(AssertionError):
    """A difference that no row speaks of, or none where a row speaks of one."""


@dataclass(frozen=True)
class Row:
    """One difference. ``part`` says where it is seen, by direction and header."""

    id: str
    direction: str
    header: str
    theirs: str
    ours: str
    decides: str
    requirements: tuple[str, ...]
    deviates: str
    example: Any
    also: tuple[str, ...] = ()

    @property
    def part(self) -> tuple[str, str]:
        return self.direction, "baggage" if self.header == "baggage" else "trace context"


@dataclass(frozen=True)
class Part:
    """Something that both sides do: its reading, and both of them."""

    name: tuple[str, str]
    reading: Callable[[Any, Rows], object]
    theirs: Callable[[Any], object]
    ours: Callable[[Any], object]

    @cached_property
    def ids(self) -> frozenset[str]:
        """The ids of the rows that speak of this part."""
        return frozenset(row.id for row in table() if row.part == self.name)

    def read(self, input: Any, rows: Rows) -> object:
        return outcome(lambda each: self.reading(each, rows), input)

    def run(self, input: Any) -> set[str]:
        """Run both sides on an input and classify what comes out."""
        return self.classify(input, outcome(self.theirs, input), outcome(self.ours, input))

    def classify(self, input: Any, theirs: object, ours: object) -> set[str]:
        """The ids of the rows that speak of the difference; none if there is no difference.

        :raises Unclassified: if either outcome is not the one that the rows lead to.
        """
        for side, given, read in (
            ("theirs", theirs, self.read(input, self.ids)),
            ("ours", ours, self.read(input, frozenset())),
        ):
            if given != read:
                raise Unclassified(
                    f"{self.name}: {side} give\n  {given!r}\nand not\n  {read!r}\n"
                    f"for\n  {input!r}\ntheirs: {theirs!r}\nours: {ours!r}"
                )
        return set() if theirs == ours else self.reasons(input, theirs)

    def reasons(self, input: Any, theirs: object) -> set[str]:
        """The rows of the smallest sets with which the reading comes to what theirs give."""
        needed = {id for id in self.ids if self.read(input, self.ids - {id}) != theirs}
        others = self.ids - needed
        for size in range(len(others) + 1):
            sets = [needed.union(more) for more in combinations(others, size)]
            if enough := [each for each in sets if self.read(input, each) == theirs]:
                return set().union(*enough)
        raise Unclassified(f"{self.name}: all rows together do not give {theirs!r} for {input!r}")


PARTS: Final = {
    part.name: part
    for part in (
        Part(
            ("extract", "trace context"),
            span_extracted,
            span_extract(TraceContextTextMapPropagator()),
            span_extract(VerifiedTraceContextPropagator()),
        ),
        Part(
            ("extract", "baggage"),
            baggage_extracted,
            baggage_extract(W3CBaggagePropagator()),
            baggage_extract(VerifiedBaggagePropagator()),
        ),
        Part(
            ("inject", "trace context"),
            span_injected,
            span_inject(TraceContextTextMapPropagator()),
            span_inject(VerifiedTraceContextPropagator()),
        ),
        Part(
            ("inject", "baggage"),
            baggage_injected,
            baggage_inject(W3CBaggagePropagator()),
            baggage_inject(VerifiedBaggagePropagator()),
        ),
        Part(
            ("operation", "trace context"),
            state_changed,
            state_change(trace.TraceState),
            state_change(LazyTraceState),
        ),
    )
}


@lru_cache(maxsize=1)
def table() -> tuple[Row, ...]:
    """The rows of ``spec/differences.toml``."""
    file = tomllib.loads((SPEC / "differences.toml").read_text(encoding="utf-8"))
    return tuple(
        Row(
            **row
            | {
                "requirements": tuple(row["requirements"]),
                "also": tuple(row.get("also", ())),
                "example": example(row),
            }
        )
        for row in file["difference"]
    )


def example(row: Mapping[str, Any]) -> Any:
    """The input that stands in a row as data."""
    given = written_out(row["example"])
    if row["direction"] == "extract":
        return given["carrier"]
    if row["direction"] == "operation":
        return tuple(map(tuple, given["members"])), tuple(given["operation"])
    if row["header"] == "baggage":
        return {
            name: BaggageValue(value, *metadata) if metadata else value
            for name, value, *metadata in given["entries"]
        }
    return trace.SpanContext(
        int(given["trace_id"], 16),
        int(given["parent_id"], 16),
        False,
        trace.TraceFlags(given["flags"]),
        OtherTraceState(given["tracestate"]) if "tracestate" in given else None,
    )


def written_out(data: Any) -> Any:
    r"""Data in which "<x*3>" is "xxx"; a character may be written "\u1234"."""
    match data:
        case dict():
            return {written_out(key): written_out(value) for key, value in data.items()}
        case list():
            return [written_out(value) for value in data]
        case str():
            return re.sub(
                r"<(?:\\u([0-9a-f]{4})|(.))\*(\d+)>",
                lambda found: (found[2] or chr(int(found[1], 16))) * int(found[3]),
                data,
            )
    return data
