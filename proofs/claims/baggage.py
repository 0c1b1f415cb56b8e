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
UNDIVIDED = Grammar("baggage", "undivided")
UNLISTED = Grammar("baggage", "unlisted")
PAIR = Grammar("baggage", "pair")
PLAIN_STRING = Grammar("baggage", "plain-string")
BAGGAGE_STRING = Grammar("baggage", "baggage-string")
LITERAL = Grammar("baggage", "literal")
ESCAPES = Grammar("baggage", "escapes")


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
    "What is read in less time is exactly the baggage-strings of at most 180 members that have no "
    "white space and no properties, each a key, `=` and a value; they are of the grammar",
    discharges=("BG-01", "BG-04"),
    subject=(Constant("verified.baggage", "_PLAIN"), Constant("verified.baggage", "MAX_MEMBERS")),
    engines=("language", "fuzz"),
)
def plain_strings_are_baggage_strings(text: str) -> bool:
    return (baggage._PLAIN.fullmatch(text) is not None) == PLAIN_STRING.matches(text) and (
        baggage._PLAIN.fullmatch(text) is None or BAGGAGE_STRING.matches(text)
    )


@claim(
    "A plain baggage-string falls apart at its commas, and a pair at its first `=`, into what the "
    "expression of a member would find: each pair is a member, no key has a comma or a `=`, no "
    "value a comma, and neither has white space or a `;`",
    discharges=("BG-04", "BG-05"),
    subject=(Constant("verified.baggage", "_KEY"), Constant("verified.baggage", "_VALUE")),
    engines=("language", "fuzz"),
)
def plain_strings_can_be_taken_apart(text: str) -> bool:
    return (
        (not PAIR.matches(text) or baggage._MEMBER.fullmatch(text) is not None)
        and (baggage._KEY.fullmatch(text) is None or UNDIVIDED.matches(text))
        and (baggage._VALUE.fullmatch(text) is None or UNLISTED.matches(text))
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
    "What is decoded at once is percent-encoded octets, one or more, in digits of either case, for "
    "text of any length",
    discharges="BG-02",
    subject=Constant("verified.baggage", "_ESCAPES"),
    engines=("language", "fuzz"),
)
def escapes_expression_is_the_grammar(text: str) -> bool:
    return (baggage._ESCAPES.fullmatch(text) is not None) == ESCAPES.matches(text)


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
    "A value that is set is what is got, through a header and back too, whatever characters it "
    "has; a surrogate, which no UTF-8 can say, is U+FFFD after the header",
    discharges=("BG-11", "BG-12", "BG-13"),
    subject=(Baggage.set, baggage.encode, baggage.decode),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def got_is_what_was_set(before: Baggage, name: str, value: str) -> bool:
    after = before.set(name, value)
    if name == "":
        return after is before
    crossed = baggage.parse(baggage.format(after)).get(name) if KEY.matches(name) else None
    expected = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in value)
    return after.get(name) == value and crossed == (expected if KEY.matches(name) else None)


@claim(
    "Every header that is sent is of members of the grammar and of at most 8192 bytes, and holds "
    "each member whole or not at all",
    discharges=("BG-02", "BG-08"),
    subject=baggage.header,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def sent_headers_are_well_formed(state: Baggage) -> bool:
    header = baggage.format(state)
    members = header.split(",") if header else []
    sent = [entry for entry in state.entries if KEY.matches(entry.name)]
    return (
        all(MEMBER.matches(member) for member in members)
        and len(header) <= 8192
        and len(members) == len(sent)
    )


@claim(
    "All members of a header are read, and sent on with their values and properties, in order",
    discharges=("BG-05", "BG-07", "BG-09", "BG-10", "BG-14"),
    subject=(baggage.members, baggage.header),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def members_are_passed_on(text: str) -> bool:
    read = baggage.members(text)
    again = baggage.members(baggage.header(read))
    return again == read or len(text) > 8192
