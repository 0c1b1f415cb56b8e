"""Claims about the tracestate header (W3C Trace Context Level 2)."""

from typing import Any

from verified import TraceState, tracestate

from .. import reading
from ..claim import Constant, Fault, claim
from ..contracts import fresh_import
from ..domains import Odd, Place, Share, Sizes
from ..frozen import is_frozen
from ..grammar import Grammar
from ..verdict import Verdict

KEY = Grammar("tracestate", "key")
KEY_LEVEL_1 = Grammar("tracestate", "key-level-1")
NEW_IN_LEVEL_2 = Grammar("tracestate", "new-in-level-2")
VALUE = Grammar("tracestate", "value")
MEMBER = Grammar("tracestate", "member")
LIST = Grammar("tracestate", "list")
PLAIN_LIST = Grammar("tracestate", "plain-list")
PADDED = Grammar("tracestate", "padded")
UNDIVIDED = Grammar("tracestate", "undivided")
UNLISTED = Grammar("tracestate", "unlisted")


@claim(
    "The regular expression of a key is the grammar of Level 2, for text of any length",
    discharges="TS-03",
    subject=Constant("verified.tracestate", "_KEY"),
    engines=("language", "fuzz"),
)
def key_expression_is_the_grammar(text: str) -> bool:
    return (tracestate._KEY.fullmatch(text) is not None) == KEY.matches(text)


@claim(
    "Every key of Level 1 is taken, the longest too, whose tenant and system have 256 characters",
    discharges="TS-03",
    subject=Constant("verified.tracestate", "_KEY"),
    engines=("language", "fuzz"),
)
def keys_of_level_1_are_keys(text: str) -> bool:
    return not KEY_LEVEL_1.matches(text) or tracestate._KEY.fullmatch(text) is not None


@claim(
    "A key that is taken is either one of Level 1, or, as `0` is, begins with a digit and names no "
    "tenant, has more than one `@`, begins its system with no letter or leaves it empty, or has a "
    "tenant of over 241 or a system of over 14 characters",
    discharges="TS-03",
    subject=Constant("verified.tracestate", "_KEY"),
    engines=("language", "fuzz"),
)
def keys_that_level_1_has_not(text: str) -> bool:
    return (
        tracestate._KEY.fullmatch(text) is None
        or KEY_LEVEL_1.matches(text)
        or NEW_IN_LEVEL_2.matches(text)
    ) and not (KEY_LEVEL_1.matches(text) and NEW_IN_LEVEL_2.matches(text))


@claim(
    "The regular expression of a value is the grammar of Level 2, for text of any length: leading "
    "spaces are part of it, trailing ones are not",
    discharges=("TS-04", "TS-05"),
    subject=Constant("verified.tracestate", "_VALUE"),
    engines=("language", "fuzz"),
)
def value_expression_is_the_grammar(text: str) -> bool:
    return (tracestate._VALUE.fullmatch(text) is not None) == VALUE.matches(text)


@claim(
    "The regular expression of a member is the grammar of Level 2, for text of any length",
    discharges=("TS-03", "TS-04"),
    subject=(Constant("verified.tracestate", "_KEY"), Constant("verified.tracestate", "_VALUE")),
    engines=("language", "fuzz"),
)
def member_expression_is_the_grammar(text: str) -> bool:
    return (tracestate._MEMBER.fullmatch(text) is not None) == MEMBER.matches(text)


@claim(
    "The regular expression of a list is the grammar of Level 2, of at most 32 members, empty ones "
    "among them, for text of any length that has no white space around it",
    discharges=("TS-06", "TS-07", "TS-17"),
    subject=(Constant("verified.tracestate", "_LIST"), Constant("verified.tracestate", "_KEY")),
    engines=("language", "fuzz"),
)
def list_expression_is_the_grammar(text: str) -> bool:
    return PADDED.matches(text) or (
        (tracestate._LIST.fullmatch(text) is not None) == LIST.matches(text)
    )


@claim(
    "What is matched in less time is exactly the lists without white space around members and "
    "without empty members; they are lists of the grammar, and each has a member",
    discharges="TS-06",
    subject=(Constant("verified.tracestate", "_PLAIN"), Constant("verified.tracestate", "_KEY")),
    engines=("language", "fuzz"),
)
def plain_lists_are_lists(text: str) -> bool:
    return (tracestate._PLAIN.fullmatch(text) is not None) == PLAIN_LIST.matches(text) and (
        tracestate._PLAIN.fullmatch(text) is None
        or (tracestate._LIST.fullmatch(text) is not None and LIST.matches(text) and "=" in text)
    )


@claim(
    "A list falls apart at its commas, and a member at its first `=`: no key has a comma, a `=` or "
    "white space, and no value has a comma or ends with white space",
    discharges=("TS-03", "TS-04", "TS-05"),
    subject=Constant("verified.tracestate", "_VALUE"),
    engines=("language", "fuzz"),
)
def members_can_be_taken_apart(text: str) -> bool:
    return (tracestate._KEY.fullmatch(text) is None or UNDIVIDED.matches(text)) and (
        tracestate._VALUE.fullmatch(text) is None or UNLISTED.matches(text)
    )


@claim(
    "A header is taken if and only if, without the white space around it, it is a list of the "
    "grammar, of at most 32 members, empty ones among them",
    discharges=("TS-06", "TS-07", "TS-17"),
    subject=tracestate.header,
    engines=("fuzz",),
    required=Verdict.TESTED,
)
def lists_are_those_of_the_grammar(text: str) -> bool:
    return (tracestate.header(text) is not None) == LIST.matches(text.strip(" \t"))


@claim(
    "A list that is not changed is passed on character by character, but for white space around it",
    discharges=("TS-05", "TS-10", "TS-13", "TS-16"),
    subject=(tracestate.header, tracestate.parse),
    engines=("fuzz",),
    required=Verdict.TESTED,
)
def unchanged_lists_pass_as_they_came(text: str) -> bool:
    state = tracestate.parse(text)
    if state is None:
        return not LIST.matches(text.strip(" \t"))
    sent = state.header
    return sent == text.strip(" \t") if state else not text.strip(" \t,")


@claim(
    "The members of a list are those that it has, the left-most of each key, in order",
    discharges=("TS-06", "TS-15", "SC-05"),
    subject=(TraceState.members, TraceState.get),
    engines=("fuzz",),
    required=Verdict.TESTED,
)
def members_are_those_of_the_list(state: TraceState) -> bool:
    members = reading.state_members(state.header)
    return (
        list(state.members) == members
        and [(key, state.get(key)) for key in dict(members)] == members
    )


@claim(
    "A list is made of the headers that are sent, and of no other text",
    discharges=("SC-07", "TS-07"),
    subject=TraceState.__post_init__,
    engines=("fuzz",),
    required=Verdict.TESTED,
)
def made_of_what_is_sent_alone(text: str) -> bool:
    try:
        made = TraceState(text)
    except ValueError:
        return not reading.is_state(text)
    return made.header == text and reading.is_state(text)


@claim(
    "White space around a list and its members is of spaces and tabs: every other character that "
    "Python takes for white space, and every one of Latin-1, is read by the grammar, and is part "
    "of the value if it may be",
    discharges=("TS-04", "TS-06"),
    subject=(tracestate.header, TraceState.members),
    engines=("exhaustive",),
    required=Verdict.EXHAUSTED,
)
def white_space_is_spaces_and_tabs(odd: Odd) -> bool:
    for text in (f"a=1{odd}", f"{odd}a=1", f"a=1{odd},b=2", f"a=1,{odd}b=2", odd):
        stripped = text.strip(reading.WHITE)
        expected = None
        if LIST.matches(stripped):
            expected = stripped if "=" in stripped else ""
        if tracestate.header(text) != expected:
            return False
        made = tracestate.parse(text)
        members = reading.state_members(stripped)
        if made is not None and list(made.members) != members:
            return False
    return True


@claim(
    "Whatever a list is changed by, the key is at the front, no key is there twice, there are at "
    "most 32 members, and the others are as they were and in order, the right-most gone first",
    discharges=("SC-05", "SC-06", "SC-07", "TS-09", "TS-13", "TS-14", "TS-15"),
    subject=(TraceState.with_member, TraceState.add, TraceState.update),
    engines=("fuzz",),
    required=Verdict.TESTED,
)
def changes_follow_the_standard(state: TraceState, key: str, value: str) -> bool:
    members = reading.state_members(state.header)
    after = reading.changed(members, key, value)
    kept, made = (state.header, reading.written(after))
    made = kept if after is members else made
    there = key in dict(members)
    return (
        state.with_member(key, value).header == made
        and state.add(key, value).header == (kept if there else made)
        and state.update(key, value).header == (made if there else kept)
    )


@claim(
    "Whatever is asked of a list, of whatever type, it does not raise, and what is no key has no "
    "member",
    discharges="SC-07",
    subject=(TraceState.get, TraceState.with_member, TraceState.delete),
    engines=("fuzz",),
    required=Verdict.TESTED,
)
def anything_may_be_asked(state: TraceState, key: object, value: object) -> bool:
    asked: Any = state
    made = asked.with_member(key, value), asked.add(key, value), asked.update(key, value)
    if isinstance(key, str):
        return isinstance(value, str) or all(each is state for each in made)
    return all(each is state for each in (*made, asked.delete(key))) and asked.get(key) is None


@claim(
    "To a list of any length a member can be added or given another value, whichever it is: it "
    "comes to the front, the others keep their order, and of 33 the right-most goes",
    discharges=("TS-09", "TS-14", "TS-15"),
    subject=(TraceState.with_member, TraceState.delete),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def every_member_of_every_length(place: Place) -> bool:
    count, position = place
    keys = [f"k{n}" for n in range(count)]
    key = keys[position] if position < count else "new"
    state = TraceState(",".join(f"{each}=1" for each in keys))
    others = [f"{each}=1" for each in keys if each != key]
    return state.with_member(key, "2").header == ",".join(
        [f"{key}=2", *others][:32]
    ) and state.delete(key).header == ",".join(others)


@claim(
    "A key that is deleted is gone, the others are as they were and in order",
    discharges=("SC-05", "SC-06", "TS-13"),
    subject=TraceState.delete,
    engines=("fuzz",),
    required=Verdict.TESTED,
)
def deletion_leaves_the_others(state: TraceState) -> bool:
    members = reading.state_members(state.header)
    return state.delete("never") is state and all(
        state.delete(key).header == reading.written([m for m in members if m[0] != key])
        for key, _ in members
    )


@claim(
    "Every list that an operation gives is of the grammar, whatever it was asked to do",
    discharges=("SC-07", "TS-07"),
    subject=(TraceState.with_member, TraceState.truncated),
    engines=("fuzz",),
    required=Verdict.TESTED,
)
def lists_are_valid_at_all_times(state: TraceState, key: str, value: str, limit: int) -> bool:
    made = state.with_member(key, value), state.delete(key), state.truncated(limit)
    return all(reading.is_state(each.header) for each in made)


def _truncated(header: str, limit: int) -> str:
    """The list as it is to be after truncation to so many characters."""
    if len(header) <= limit:
        return header
    kept = [f"{key}={value}" for key, value in reading.state_members(header)]
    while kept and len(",".join(kept)) > limit:
        long = [at for at, entry in enumerate(kept) if len(entry) > 128]
        del kept[max(long, default=len(kept) - 1)]
    return ",".join(kept)


@claim(
    "A list is truncated by whole entries: those of over 128 characters first, then the others, "
    "each from the end, and no more than need be",
    discharges=("TS-11", "TS-12"),
    subject=TraceState.truncated,
    engines=("fuzz",),
    required=Verdict.TESTED,
)
def truncation_follows_the_standard(state: TraceState, share: Share) -> bool:
    limit = len(state.header) * share // 100
    return state.truncated(limit).header == _truncated(state.header, limit)


@claim(
    "An entry of 128 characters is not long and one of 129 is: three entries of 5 to 130 "
    "characters, truncated to every length",
    discharges=("TS-11", "TS-12"),
    subject=TraceState.truncated,
    engines=("exhaustive",),
    required=Verdict.EXHAUSTED,
)
def long_is_over_128(sizes: Sizes) -> bool:
    header = ",".join(f"{key}={'v' * (size - 2)}" for key, size in zip("abc", sizes, strict=True))
    state = TraceState(header)
    return all(
        state.truncated(limit).header == _truncated(header, limit)
        for limit in range(-1, len(header) + 2)
    )


@claim(
    "No attribute of a list can be set, deleted or added",
    discharges="SC-06",
    subject=TraceState.__post_init__,
    required=Verdict.TESTED,
    engines=("fuzz",),
    fault=Fault("verified.tracestate", "frozen=True, ", ""),
)
def lists_cannot_be_changed(state: TraceState) -> bool:
    # Imported anew, so that a fault in how the class is declared is seen.
    imported: Any = fresh_import(contracts=False)["verified.tracestate"]
    same = imported.TraceState(state.header)
    return (
        is_frozen(same, ("header", "members", "other"), state.header)
        and same.header == state.header
    )
