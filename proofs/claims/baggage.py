"""Claims about the baggage header (W3C Baggage) and the baggage of the OpenTelemetry API."""

import tracemalloc
from collections.abc import Iterable
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

from verified import Baggage, baggage

from .. import reading
from ..calls import calls
from ..claim import Constant, Fault, claim
from ..contracts import fresh_import
from ..domains import BaggageText, Block, Count, Excess, Metadata, Odd
from ..frozen import is_frozen
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
    "Each character is sent as itself if it may be, else as `%` and two digits for each byte of "
    "its UTF-8, and is read as itself; a surrogate, which has no UTF-8, is U+FFFD: for every code "
    "point, in blocks of 4096",
    discharges=("BG-02", "BG-12"),
    subject=(baggage.encode, baggage.decode),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def every_character_is_coded_as_it_must(block: Block) -> bool:
    characters = [chr(number) for number in range(block << 12, (block + 1) << 12)]
    readable = ["\ufffd" if "\ud800" <= c <= "\udfff" else c for c in characters]
    literal = {c for c in characters[:128] if c != "%" and VALUE.matches(c)}
    coded = [c if c in literal else "%" + c.encode().hex("%").upper() for c in readable]
    sent = [baggage.encode(c) for c in characters]
    return sent == coded and [baggage.decode(text) for text in sent] == readable


@claim(
    "Percent-encoded octets of a value or of the value of a property that are no UTF-8 are read as "
    "U+FFFD, `%` without two digits and `+` as themselves",
    discharges=("BG-03", "BG-05"),
    subject=(baggage.decode, baggage.properties),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def what_is_not_utf8_is_replaced(value: str) -> bool:
    if not VALUE.matches(value):
        return True
    expected = unquote_to_bytes(value).decode("utf-8", "replace")
    return baggage.decode(value) == expected and baggage.properties(f"p={value};q") == (
        ("p", expected),
        ("q", None),
    )


@claim(
    "A header within the limits of 180 members and 8192 bytes to which a member that fits is added "
    "is within them, and a member fits unless it is not: the step of an induction over members",
    discharges=("BG-07", "BG-08"),
    subject=(baggage.fits, baggage.size_with),
    required=Verdict.BOUNDED,
)
def limits_are_kept(count: int, size: int, length: int) -> bool:
    if not (0 <= count <= 180 and 0 <= size <= 8192 and length > 0):
        return True
    longer = length if size == 0 else size + 1 + length
    return baggage.fits(count, size, length) == (count + 1 <= 180 and longer <= 8192)


@claim(
    "Of so many members of a header, with white space or without, the first 180 are read, and of "
    "so many entries the first 180 are sent, all of them if they are 64",
    discharges=("BG-07", "BG-08", "BG-09"),
    subject=(baggage.members, baggage.header),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def as_many_members_as_the_grammar_has(count: Count) -> bool:
    members = [(f"k{n}", str(n), "") for n in range(count)]
    texts = [f"{key}={value}" for key, value, _ in members]
    return (
        baggage.members(",".join(texts)) == members[:180]
        and baggage.members(" , ".join(texts)) == members[:180]
        and baggage.header(members) == ",".join(texts[:180])
    )


@claim(
    "A value that is set is what is got, and after a header that it fits into too, whatever "
    "characters it has; a surrogate, which no UTF-8 can say, is U+FFFD after the header",
    discharges=("BG-11", "BG-12", "BG-13"),
    subject=(
        Baggage.set,
        baggage.encode,
        baggage.decode,
        Constant("verified.baggage", "Entry.metadata"),
    ),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def got_is_what_was_set(before: Baggage, name: str, value: str) -> bool:
    after = before.set(name, value)
    if name == "":
        return after is before
    crossed = baggage.parse(baggage.format(Baggage().set(name, value))).get(name)
    is_sent = reading.sendable([(name, value, "")]) != []
    entry = baggage.Entry(name, value)
    return after.entry(name) == entry == (name, value, "") and crossed == (
        reading.readable(value) if is_sent else None
    )


@claim(
    "A name that is set keeps its place if it has one and comes last if not, and all others stay "
    "as they are; a name without characters and metadata that is no properties change nothing",
    discharges=("BG-11", "BG-13"),
    subject=(Baggage.set, Baggage.remove),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def entries_keep_their_places(before: Baggage, name: str, value: str, metadata: Metadata) -> bool:
    entries = [tuple(entry) for entry in before.entries]
    after = before.set(name, value, metadata)
    without = [entry for entry in entries if entry[0] != name]
    if before.remove(name).entries != tuple(without):
        return False
    if name == "" or not reading.is_metadata(metadata):
        return after is before
    expected = {entry[0]: entry for entry in entries} | {name: (name, value, metadata)}
    return [tuple(entry) for entry in after.entries] == list(expected.values())


@claim(
    "Whatever is asked of baggage, of whatever type, it does not raise, and what is no text is not "
    "taken for a name, a value or metadata",
    discharges="BG-13",
    subject=(Baggage.set, Baggage.get, Baggage.remove),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def anything_may_be_asked(state: Baggage, name: object, value: object, metadata: object) -> bool:
    asked: Any = state
    made = asked.set(name, value, metadata)
    if not isinstance(name, str):
        return asked.get(name) is None and asked.remove(name) is state and made is state
    texts = isinstance(value, str) and isinstance(metadata, str)
    taken = texts and name != "" and reading.is_metadata(str(metadata))
    return made.entry(name) == (name, value, metadata) if taken else made is state


@claim(
    "Baggage is made of entries with names of their own and metadata that is properties, and of "
    "no others",
    discharges="BG-13",
    subject=Baggage.__post_init__,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def made_of_valid_entries_alone(members: Iterable[tuple[str, str, str]]) -> bool:
    entries = tuple(baggage.Entry(*member) for member in members)
    names = {name for name, _, metadata in entries if name and reading.is_metadata(metadata)}
    try:
        made = Baggage(entries)
    except ValueError:
        return len(names) != len(entries)
    return made.entries == entries and len(names) == len(entries)


@claim(
    "Baggage that is cleared has no entries and is left as it was, and is the same if it had none",
    discharges="BG-13",
    subject=Baggage.clear,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def cleared_baggage_is_empty(state: Baggage) -> bool:
    before, empty = state.entries, Baggage(())
    return (
        state.clear().entries == ()
        and state.entries == before
        and (state.clear() is state) == (before == ())
        and empty.clear() is empty
    )


@claim(
    "A header may have 8192 bytes and none more: of members that are that long together, or up to "
    "two bytes more or one less, each is sent that fits beside those before it",
    discharges=("BG-07", "BG-08"),
    subject=(baggage.header, baggage._fitting, baggage.fits, baggage.size_with),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def a_full_header_is_sent(excess: Excess, before: Literal[0, 1, 2]) -> bool:
    small = [(f"k{n}", "1", "p") for n in range(before)]
    # Each of the small ones has 6 bytes, and a comma behind it.
    large = ("large", "v" * (8192 + excess - 7 * before - len("large=")), "")
    members = [*small, large, ("last", "", "")]
    return all(
        baggage.header(given) == reading.baggage_header(given) for given in (members, members[:-1])
    )


@claim(
    "Reading a header takes no more memory than twice its size and what 180 members take, however "
    "many it has",
    subject=baggage.members,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def memory_is_bounded_by_the_header(member: Literal["", "a=1", "a = 1;b"]) -> bool:
    header = ",".join([member] * 50_000)
    tracemalloc.start()
    try:
        baggage.members(header)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return most <= 2 * len(header) + 180 * 512


@claim(
    "Headers and values as they most often are take one call of a function: plain members that are "
    "read or sent, and percent-encoded ASCII that is decoded",
    subject=(baggage.members, baggage.header, baggage.decode),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def what_is_plain_is_done_at_once() -> bool:
    ascii = "".join(f"%{n:02x}a%{n:02X}b" for n in range(128))
    return (
        calls(lambda: baggage.members("a=1,b=2")) == 1
        and calls(lambda: baggage.header([("a", "1 2", ""), ("b", "2", "p=3")])) == 1
        and calls(lambda: baggage.decode(ascii)) == 1
    )


@claim(
    "Of any members those are sent that can be, whole and in order: names that are tokens, "
    "metadata that is properties, at most 180 and 8192 bytes, each that fits beside those before",
    discharges=("BG-02", "BG-08", "BG-09"),
    subject=baggage.header,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def sent_headers_are_well_formed(members: Iterable[tuple[str, str, str]]) -> bool:
    given = list(members)
    sent = reading.baggage_header(given)
    return baggage.header(given) == sent and all(
        MEMBER.matches(member) for member in sent.split(",") if sent
    )


@claim(
    "All members of a header that are of the grammar are read, in order, with their values decoded "
    "and their properties as they stand, whatever stands beside them; of a name the last counts",
    discharges=("BG-03", "BG-04", "BG-05", "BG-07", "BG-09", "BG-10", "BG-11", "BG-14"),
    subject=(baggage.members, baggage.parse),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def members_are_those_of_the_header(text: BaggageText) -> bool:
    members = reading.entries(text)
    entries = [tuple(entry) for entry in baggage.parse(text).entries]
    return baggage.members(text) == members and entries == reading.latest(members)


@claim(
    "White space around a member and its parts is of spaces and tabs: every other character that "
    "Python takes for white space, and every one of Latin-1, is read by the grammar",
    discharges="BG-04",
    subject=baggage.members,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def white_space_is_spaces_and_tabs(odd: Odd) -> bool:
    texts = (f"a=1{odd}", f"{odd}a=1", f"a{odd}=1", f"a={odd}1", f"a=1;{odd}p", f"a=1;p{odd},b=2")
    return all(baggage.members(text) == reading.entries(text) for text in texts)


@claim(
    "Metadata is taken apart into its properties, keys without white space and values decoded, and "
    "what is no metadata has none",
    discharges=("BG-03", "BG-04"),
    subject=baggage.properties,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def properties_are_those_of_the_metadata(metadata: Metadata) -> bool:
    texts = (metadata, f"{metadata};p={metadata};q")
    return all(list(baggage.properties(text)) == reading.properties(text) for text in texts)


@claim(
    "No attribute of baggage can be set, deleted or added",
    discharges="BG-13",
    subject=Baggage.__post_init__,
    required=Verdict.TESTED,
    engines=("fuzz",),
    fault=Fault("verified.baggage", "frozen=True, ", ""),
)
def baggage_cannot_be_changed(state: Baggage) -> bool:
    # Imported anew, so that a fault in how the class is declared is seen.
    imported: Any = fresh_import(contracts=False)["verified.baggage"]
    same = imported.Baggage(state.entries)
    return is_frozen(same, ("entries", "other"), state.entries) and same.entries == state.entries
