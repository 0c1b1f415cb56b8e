"""Claims about the baggage header (W3C Baggage) and the baggage of the OpenTelemetry API."""

from verified import Baggage, baggage

from ..claim import Constant, claim
from ..domains import Octet
from ..grammar import Grammar
from ..verdict import Verdict

KEY = Grammar("baggage", "key")
VALUE = Grammar("baggage", "value")
MEMBER = Grammar("baggage", "list-member")
METADATA = Grammar("baggage", "metadata")
PADDED = Grammar("baggage", "padded")
LITERAL = Grammar("baggage", "literal")


@claim(
    "The regular expression of a key is a token and not percent-coded, for text of any length",
    discharges=("BG-01", "BG-06"),
    subject=Constant("verified.baggage", "_KEY"),
    engines=("language", "fuzz"),
)
def key_expression_is_the_grammar(text: str) -> bool:
    return (baggage._KEY.fullmatch(text) is not None) == KEY.matches(text)


@claim(
    "The regular expression of a value is any number of baggage-octets, none and `=` among them",
    discharges=("BG-01", "BG-05"),
    subject=Constant("verified.baggage", "_VALUE"),
    engines=("language", "fuzz"),
)
def value_expression_is_the_grammar(text: str) -> bool:
    return (baggage._VALUE.fullmatch(text) is not None) == VALUE.matches(text)


@claim(
    "The regular expression of a list-member is the grammar, for text of any length that has no "
    "white space around it",
    discharges=("BG-01", "BG-04", "BG-05"),
    subject=Constant("verified.baggage", "_KEY"),
    engines=("language", "fuzz"),
)
def member_expression_is_the_grammar(text: str) -> bool:
    return PADDED.matches(text) or (
        (baggage._MEMBER.fullmatch(text) is not None) == MEMBER.matches(text)
    )


@claim(
    "The regular expression of metadata is that of properties, for text of any length that has "
    "no white space around it",
    discharges="BG-01",
    subject=Constant("verified.baggage", "_KEY"),
    engines=("language", "fuzz"),
)
def metadata_expression_is_the_grammar(text: str) -> bool:
    return PADDED.matches(text) or (
        (baggage._METADATA.fullmatch(text) is not None) == METADATA.matches(text)
    )


@claim(
    "What is sent as it is are the baggage-octets other than `%`, for text of any length",
    discharges="BG-02",
    subject=Constant("verified.baggage", "_LITERAL"),
    engines=("language", "fuzz"),
)
def literal_expression_is_the_grammar(text: str) -> bool:
    return (baggage._LITERAL.fullmatch(text) is not None) == LITERAL.matches(text)


@claim(
    "Each octet is sent as itself if it may be, else as `%` and two digits, and is read as itself",
    discharges=("BG-02", "BG-12"),
    subject=(baggage.encode, baggage.decode),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def every_octet_is_coded_as_it_must(octet: Octet) -> bool:
    character = chr(octet)
    sent = baggage.encode(character)
    coded = "".join(f"%{byte:02X}" for byte in character.encode())
    expected = character if LITERAL.matches(character) else coded
    return sent == expected and baggage.decode(sent) == character


@claim(
    "A value that is set is what is got, and after a header that it fits into too, whatever "
    "characters it has; a surrogate, which no UTF-8 can say, is U+FFFD after the header",
    discharges=("BG-11", "BG-12", "BG-13"),
    subject=(Baggage.set, baggage.encode, baggage.decode),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def got_is_what_was_set(before: Baggage, name: str, value: str) -> bool:
    after = before.set(name, value)
    if name == "":
        return after is before
    crossed = baggage.parse(baggage.format(Baggage().set(name, value))).get(name)
    is_sent = KEY.matches(name) and len(_written(name, value, "")) <= 8192
    expected = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in value)
    return after.get(name) == value and crossed == (expected if is_sent else None)


@claim(
    "Every header that is sent is of members of the grammar, at most 180 and of at most 8192 "
    "bytes; it holds each entry whole, or not at all if it does not fit beside those before it",
    discharges=("BG-02", "BG-08"),
    subject=baggage.header,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def sent_headers_are_well_formed(state: Baggage) -> bool:
    sent: list[str] = []
    for entry in state.entries:
        member = _written(*entry)
        fits = len(sent) < 180 and len(",".join([*sent, member])) <= 8192
        if KEY.matches(entry.name) and fits:
            sent.append(member)
    return baggage.format(state) == ",".join(sent) and all(map(MEMBER.matches, sent))


@claim(
    "All members of a header are read, and sent on with their values and properties, in order, "
    "if what is sent on is of at most 8192 bytes",
    discharges=("BG-05", "BG-07", "BG-09", "BG-10", "BG-14"),
    subject=(baggage.members, baggage.header),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def members_are_passed_on(text: str) -> bool:
    read = baggage.members(text)
    again = baggage.members(baggage.header(read))
    return again == read or len(",".join(_written(*member) for member in read)) > 8192


def _written(name: str, value: str, metadata: str) -> str:
    """The member that stands for an entry."""
    return f"{name}={baggage.encode(value)}" + (f";{metadata}" if metadata else "")
