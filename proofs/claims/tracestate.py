"""Claims about the tracestate header (W3C Trace Context Level 2)."""

from verified import TraceState, tracestate

from ..claim import Constant, claim
from ..domains import Place, Share
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
    "Whatever a list is changed by, the key is at the front, no key is there twice, there are at "
    "most 32 members, and the others are as they were and in order, the right-most gone first",
    discharges=("SC-05", "SC-06", "SC-07", "TS-09", "TS-13", "TS-14", "TS-15"),
    subject=(TraceState.with_member, TraceState.add, TraceState.update),
    engines=("fuzz",),
    required=Verdict.TESTED,
)
def changes_follow_the_standard(state: TraceState, key: str, value: str) -> bool:
    valid = KEY.matches(key) and VALUE.matches(value)
    others = [member for member in state.members if member[0] != key]
    expected = [(key, value), *others][:32] if valid else list(state.members)
    there = state.get(key) is not None
    return (
        list(state.with_member(key, value).members) == expected
        and list(state.add(key, value).members) == (list(state.members) if there else expected)
        and list(state.update(key, value).members) == (expected if there else list(state.members))
    )


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
    return all(
        list(state.delete(key).members) == [m for m in state.members if m[0] != key]
        for key, _ in state.members
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
    return all(LIST.matches(each.header) for each in made)


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
    kept = [f"{key}={value}" for key, value in state.members]
    while len(",".join(kept)) > limit:
        long = [at for at, entry in enumerate(kept) if len(entry) > 128]
        del kept[max(long, default=len(kept) - 1)]
    left = state.truncated(limit)
    return len(left.header) <= limit and (
        left == state
        if len(state.header) <= limit
        else [f"{key}={value}" for key, value in left.members] == kept
    )
