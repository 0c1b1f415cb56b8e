"""Each model of a builtin does what CPython's builtin does.

The helpers here lift an ordinary function, evaluate its terms on given inputs and turn
the result back into a Python object, so that it can be compared with running the
function.
"""

import ast
import itertools
import operator
import sys
import typing
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs import domains
from proofs.domains import NUMBER_BITS
from proofs.languages import CharSet
from proofs.lift import models, symbols
from proofs.lift import values as v
from proofs.lift.lifter import Lifter
from proofs.lift.paths import Refused
from proofs.sources import SourceMismatch
from verified import SpanId, TraceFlags, TraceId
from verified.strategies import ODD_CHARACTERS

# From terms back to Python.


@dataclass(frozen=True)
class Returned:
    """That a function returned this."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Returned) and same(self.value, other.value)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Raises:
    """That an exception of exactly this type left a function."""

    type: type[BaseException]


@dataclass(frozen=True)
class Beginning:
    """A text of which only the length and the first characters are known."""

    length: int
    text: str | bytes


Outcome = Returned | Raises


def same(one: Any, other: Any) -> bool:
    """Whether two results are equal and of the same type, the parts of tuples too."""
    if isinstance(one, Beginning) and isinstance(other, str | bytes):
        known = len(one.text)
        return one.length == len(other) and same(one.text, other[:known])
    if type(one) is not type(other):
        return False
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def run(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Outcome:
    """What CPython does."""
    try:
        return Returned(function(**inputs))
    except Exception as error:
        return Raises(type(error))


@dataclass
class Evaluation:
    """The values that terms have under a substitution."""

    pairs: symbols.Substitution
    opaque: Mapping[int, Any]

    def __call__(self, term: z3.ExprRef) -> z3.ExprRef:
        return z3.simplify(z3.substitute(term, *self.pairs))

    def holds(self, term: z3.BoolRef) -> bool:
        value = self(term)
        assert z3.is_true(value) or z3.is_false(value), f"{value} is not decided by the inputs"
        return bool(z3.is_true(value))

    def number(self, value: v.Int) -> int:
        """The integer, which the term and its bounds must agree on."""
        result = self(value.term)
        assert z3.is_bv_value(result), f"{result} is not decided by the inputs"
        number = int(result.as_signed_long())
        assert value.low <= number <= value.high
        return number

    def codes(self, terms: Sequence[z3.BitVecRef]) -> Sequence[int]:
        """The numbers that several terms are, all of them evaluated at once."""
        if not terms:
            return []
        together = self(z3.Concat(*terms) if len(terms) > 1 else terms[0])
        assert z3.is_bv_value(together), f"{together} is not decided by the inputs"
        bits, number = v.CODE_BITS, together.as_long()
        return [number >> bits * i & (1 << bits) - 1 for i in reversed(range(len(terms)))]

    def object(self, value: v.Value) -> Any:
        """The Python object that a lifted value is."""
        match value:
            case v.Int(cls=cls):
                return (
                    int.__new__(cls, self.number(value)) if cls is not int else self.number(value)
                )
            case v.Linear(term):
                whole = self(term)
                assert isinstance(whole, z3.IntNumRef), f"{whole} is not decided by the inputs"
                return whole.as_long()
            case v.Bool(term):
                return self.holds(term)
            case v.Str(length, codes, kind):
                size = self.number(length)
                numbers = self.codes(codes[:size])
                text = bytes(numbers) if kind is bytes else "".join(map(chr, numbers))
                return text if size <= len(codes) else Beginning(size, text)
            case v.Tuple(items, cls):
                return tuple.__new__(cls, map(self.object, items))
            case v.Opaque(term):
                number = self(term)
                assert z3.is_bv_value(number)
                return self.opaque[number.as_long()]
            case v.Const(of):
                return of
            case v.Choice(alternatives):
                (chosen,) = [inner for guard, inner in alternatives if self.holds(guard)]
                return self.object(chosen)
        raise AssertionError(f"{value} is no value of Python")

    def raised(self, lifter: Lifter) -> list[type[BaseException]]:
        """The exceptions that leave, of which there is at most one on each input."""
        return [raised.type for raised in lifter.raised if self.holds(raised.guard)]

    def outcome(self, lifter: Lifter, result: v.Value) -> Outcome:
        """What the terms say: exactly one of the paths is taken."""
        raised = self.raised(lifter)
        ended = self.holds(lifter.path)
        assert len(raised) + ended == 1, f"ended: {ended}, raised: {raised}"
        return Raises(raised[0]) if raised else Returned(self.object(result))


def evaluation(
    inputs: Mapping[str, symbols.Symbol], values: Mapping[str, Any]
) -> Evaluation | None:
    """The evaluation under which symbols have these values; None if they are out of bounds."""
    pairs: symbols.Substitution = []
    for name, symbol in inputs.items():
        bound = symbol.bind(values[name])
        if bound is None:
            return None
        pairs += bound
    return Evaluation(pairs, {})


class Lifted:
    """A function lifted over symbols of its annotations, which meet ``assuming``."""

    def __init__(
        self,
        function: Callable[..., Any],
        assuming: Callable[[Mapping[str, v.Value]], z3.BoolRef] = lambda _: v.TRUE,
    ) -> None:
        hints = typing.get_type_hints(function)
        names = function.__code__.co_varnames[: function.__code__.co_argcount]
        self.function = function
        self.symbols = symbols.inputs({name: hints[name] for name in names})
        inputs = {name: symbol.value for name, symbol in self.symbols.items()}
        known = v.both(*(s.known for s in self.symbols.values()), assuming(inputs))
        self.lifter = Lifter(known)
        self.result = self.lifter.call(function, [], inputs)

    def outcome(self, **inputs: Any) -> Outcome | None:
        """What the terms say; None if the inputs are out of bounds."""
        found = evaluation(self.symbols, inputs)
        return None if found is None else found.outcome(self.lifter, self.result)

    def agrees(self, **inputs: Any) -> bool:
        """Compare with CPython, with a message that shows both where they differ."""
        expected, found = run(self.function, inputs), self.outcome(**inputs)
        assert found is None or expected == found, f"{inputs}: {expected} is not {found}"
        return True


@cache
def lifted(function: Callable[..., Any]) -> Lifted:
    """Each function is lifted once."""
    return Lifted(function)


def of_length(size: int) -> Callable[[Mapping[str, v.Value]], z3.BoolRef]:
    """The assumption that every text has this length."""

    def assumption(inputs: Mapping[str, v.Value]) -> z3.BoolRef:
        texts = [value for value in inputs.values() if isinstance(value, v.Str)]
        return v.both(*(v.compare("==", text.length, v.number(size)) for text in texts))

    return assumption


def at_most(size: int) -> Callable[[Mapping[str, v.Value]], z3.BoolRef]:
    """The assumption that no text is longer than this."""

    def assumption(inputs: Mapping[str, v.Value]) -> z3.BoolRef:
        texts = [value for value in inputs.values() if isinstance(value, v.Str)]
        return v.both(*(v.compare("<=", text.length, v.number(size)) for text in texts))

    return assumption


MANY = settings(max_examples=100, deadline=None)
SOME = settings(max_examples=60, deadline=None)


# Texts to numbers.


def read_hexadecimal(s: str) -> int:
    return int(s, 16)


def read_short(s: str) -> int | None:
    if len(s) > 5:
        return None
    return int(s, 16)


@cache
def reader(size: int) -> Lifted:
    return Lifted(read_hexadecimal, of_length(size))


def code_points() -> Iterator[str]:
    return map(chr, range(sys.maxunicode + 1))


def test_digits_are_those_that_int_reads() -> None:
    """Of all code points, ``int`` takes those for digits that the model does, for as much."""
    expected: dict[str, int] = {}
    for character in code_points():
        try:
            expected[character] = int(character, 16)
        except ValueError:
            continue
    assumed = {
        chr(c): int(chr(c), 16) for r in models.HEX_DIGITS.ranges for c in range(r[0], r[1] + 1)
    }
    for first, last in models.decimals():
        assumed |= {chr(c): c - first for c in range(first, last + 1)}
    assert assumed == expected


def test_spaces_are_those_that_int_skips() -> None:
    """Of all code points, ``int`` skips those behind a number that the model skips."""
    skipped = set()
    for c, character in enumerate(code_points()):
        try:
            if int("1" + character, 16) == 1:
                skipped.add(c)
        except ValueError:
            continue
    assert models.spaces() == CharSet.of((c, c) for c in skipped)
    assert all(int(chr(c) + "1", 16) == 1 for c in skipped)


def edges() -> Sequence[str]:
    """Every digit and space, and the neighbours of each run of them; and odd characters."""
    runs = [*models.HEX_DIGITS.ranges, *models.decimals(), *models.spaces().ranges]
    codes = {c for low, high in runs for c in range(low - 1, high + 2)} | {0, sys.maxunicode}
    return sorted({*map(chr, codes), *ODD_CHARACTERS})


def test_int_of_one_character() -> None:
    """The term is right on every character at which one of its conditions can change."""
    for character in edges():
        assert reader(1).agrees(s=character)


@pytest.mark.parametrize("size", range(5))
def test_int_of_short_texts(size: int) -> None:
    """The term is right on every text up to four characters of a nasty alphabet.

    Characters are put in from the left, one after the other, so that what is common to
    many texts is evaluated once.
    """
    alphabet = "0aF_+-xX \t\u0660\u0969\xa0g\x85" if size < 4 else "0F_+-xX \u0660\xa0g"
    walked = reader(size)
    value, text = walked.result, walked.symbols["s"].value
    assert isinstance(text, v.Str)
    length = text.length.term
    fails = v.either(*(raised.guard for raised in walked.lifter.raised))
    assert {raised.type for raised in walked.lifter.raised} == {ValueError}
    bits = 4 * size + 2
    term = v.resize(value.term, bits) if isinstance(value, v.Int) else z3.BitVecVal(0, bits)
    packed = z3.If(fails, z3.BitVecVal(0, bits + 1), z3.Concat(z3.BitVecVal(1, 1), term))
    packed = z3.simplify(z3.substitute(packed, (length, z3.BitVecVal(size, 64))))
    failed = run(read_hexadecimal, {"s": "g"})

    def compare(prefix: str, packed: z3.ExprRef) -> None:
        if len(prefix) < size:
            for character in alphabet:
                put_in = (text.codes[len(prefix)], v.code(ord(character)))
                compare(prefix + character, z3.simplify(z3.substitute(packed, put_in)))
            return
        assert z3.is_bv_value(packed)
        number = packed.as_long()
        signed = (number ^ 1 << bits) - ((number >> bits - 1 & 1) << bits)
        found = Returned(signed) if number >> bits else failed
        assert run(read_hexadecimal, {"s": prefix}) == found, repr(prefix)

    compare("", packed)


NUMERALS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "", " ", "\t\n", "\xa0", "\u2003\x1c"]),
        st.sampled_from(["", "", "+", "-", "--", "- "]),
        st.sampled_from(["", "", "0x", "0X", "0x_", "0_x", "\u0660x", "x"]),
        st.text("0123456789abcdefABCDEF_\u0663\u0969\uff19", max_size=24),
        st.sampled_from(["", "", " ", "\x85", "\u3000 ", "_", "\x00", "\ud800"]),
    ),
)
SIZES = (0, 1, 3, 5, 8, 16, 40)


@settings(max_examples=120, deadline=None)
@given(NUMERALS | st.text(ODD_CHARACTERS, max_size=40), st.sampled_from(SIZES))
def test_int_of_long_texts(text: str, size: int) -> None:
    """The term is right on texts that are almost numerals, up to forty characters long."""
    fitted = text[:size] + "7" * (size - len(text))
    assert reader(size).agrees(s=fitted)


@SOME
@given(NUMERALS | st.text(max_size=7))
def test_int_of_texts_of_unknown_length(text: str) -> None:
    """Where the length is not known, each that is possible is told apart."""
    assert lifted(read_short).agrees(s=text)


def int_of_many(x: bool | int | None) -> int:
    return int(x)  # type: ignore[arg-type]


def int_of_many_in_base_16(x: str | None) -> int | None:
    if x is not None and len(x) != 2:
        return None
    return int(x, 16)  # type: ignore[arg-type]


@SOME
@given(domains.NUMBERS | st.booleans() | st.none())
def test_int_of_what_is_no_text(x: bool | int | None) -> None:
    """``int`` keeps integers, makes integers of bools, and raises on None."""
    assert lifted(int_of_many).agrees(x=x)


@SOME
@given(NUMERALS | st.text(ODD_CHARACTERS, max_size=2) | st.none())
def test_int_of_a_text_or_none(x: str | None) -> None:
    """``int(None, 16)`` raises ``TypeError``."""
    assert lifted(int_of_many_in_base_16).agrees(x=x)


# Numbers to texts.


def format_plain(n: int) -> str:
    return f"{n:x}"


def format_wide(n: int) -> tuple[str, str]:
    return f"{n:02x}", f"{n:032x}"


def format_nested(n: int) -> str:
    return f"{n:0{2 * 8}x}"


def format_bools(a: bool) -> tuple[str, str]:
    return f"{a:x}", f"{a:02x}"


def format_ids(t: TraceId, s: SpanId, f: TraceFlags) -> str:
    return f"{t:032x}{s:016x}{f:02x}"


def format_none(x: None) -> str:
    return f"{x:02x}"


EDGES = st.builds(
    lambda power, off, sign: sign * ((1 << power) + off),
    st.integers(0, NUMBER_BITS - 1),
    st.integers(-2, 2),
    st.sampled_from([1, -1]),
)
INTS = (
    EDGES
    | st.integers(-300, 300)
    | st.integers(-(1 << NUMBER_BITS), (1 << NUMBER_BITS) - 1)
    | st.sampled_from([-(1 << NUMBER_BITS), (1 << NUMBER_BITS) - 1])
)


@pytest.mark.parametrize("function", [format_plain, format_wide, format_nested])
def test_format_as_hexadecimal(function: Callable[..., Any]) -> None:
    """Numbers of any sign and length, also longer than the width, are written as CPython does."""
    power = [1 << p for p in (0, 4, 8, 12, 60, 64, 124, 128, 132, 252)]
    numbers = {sign * (p + off) for p in power for off in (-1, 0) for sign in (1, -1)}
    for n in [0, *numbers, -(1 << NUMBER_BITS), (1 << NUMBER_BITS) - 1]:
        assert lifted(function).agrees(n=n)


def test_format_of_bools_and_none() -> None:
    """A bool is written as a number; None raises."""
    assert all(lifted(format_bools).agrees(a=a) for a in (False, True))
    assert lifted(format_none).agrees(x=None)


@SOME
@given(
    *(domains.DOMAINS[cls].strategy for cls in (TraceId, SpanId, TraceFlags)),
)
def test_format_of_ids(t: TraceId, s: SpanId, f: TraceFlags) -> None:
    """Numbers that cannot be longer than their width are written digit by digit."""
    assert lifted(format_ids).agrees(t=t, s=s, f=f)


# Numbers and bytes.


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 8, 16, 20])
def test_to_bytes(size: int, order: Literal["big", "little"]) -> None:
    """Every number fits or overflows as in CPython, and has the same bytes."""
    n, signed = symbols.symbol("n", int), symbols.symbol("signed", bool)
    lifter = Lifter(v.both(n.known, signed.known))
    result = models.to_bytes(lifter, n.value, v.number(size), v.string(order), signed=signed.value)
    powers = [1 << p for p in (0, 1, 6, 7, 8 * size, max(0, 8 * size - 1), 8 * size + 1)]
    numbers = {sign * p + off for p in powers for off in (-1, 0, 1) for sign in (1, -1)}
    for number in (*numbers, 0x0123456789ABCDEF, -0x0123456789ABCDEF):
        for is_signed in (False, True):

            def real(number: int = number, signed: bool = is_signed) -> bytes:
                return number.to_bytes(size, order, signed=signed)

            found = evaluation({"n": n, "s": signed}, {"n": number, "s": is_signed})
            assert found is not None
            assert found.outcome(lifter, result) == run(real, {}), (number, is_signed)


def to_bytes_by_keyword(n: int) -> bytes:
    return (n & 0xFFFF).to_bytes(length=2, byteorder="little")


def to_bytes_of_subclass(f: TraceFlags) -> bytes:
    return f.to_bytes(2, "big")


def to_bytes_of_negative_length(n: int) -> bytes:
    return n.to_bytes(-1, "big")


def to_bytes_with_unknown_keyword(n: int) -> bytes:
    return n.to_bytes(8, "big", wrong=True)  # type: ignore[call-arg]


def to_bytes_with_signed_by_position(n: int) -> bytes:
    return n.to_bytes(8, "big", True)  # type: ignore[call-arg]


@SOME
@given(INTS)
def test_to_bytes_of_calls(n: int) -> None:
    """The ways to write the call come to the same."""
    assert lifted(to_bytes_by_keyword).agrees(n=n)
    assert lifted(to_bytes_of_subclass).agrees(f=TraceFlags(n & 0xFF))


def from_bytes_big(data: bytes) -> int | None:
    if len(data) > 20:
        return None
    return int.from_bytes(data, "big")


def from_bytes_little(data: bytes) -> int | None:
    if len(data) > 20:
        return None
    return int.from_bytes(data, "little")


def from_bytes_default(data: bytes) -> int | None:
    return int.from_bytes(data[2:5])


@SOME
@given(st.binary(max_size=21) | st.integers(0, 20).map(bytes))
def test_from_bytes(data: bytes) -> None:
    """Bytes of every length up to twenty are the same number, in each order."""
    assert lifted(from_bytes_big).agrees(data=data)
    assert lifted(from_bytes_little).agrees(data=data)
    assert lifted(from_bytes_default).agrees(data=data)


def hex_of_bytes(data: bytes) -> str | None:
    if len(data) > 20:
        return None
    return data.hex()


def hex_of_slice(data: bytes) -> str:
    return bytes.hex(data[1:4])


def hex_of_number(n: int) -> str:
    return int.to_bytes(n, 16, "big").hex()


def hex_of_number_from_the_end(n: int) -> str:
    return n.to_bytes(8, "little").hex()


def hex_of_number_is_the_number(n: int) -> bool:
    return int(int.to_bytes(n, 16, "big").hex(), 16) == n


def hex_of_bytes_with_separator(d: bytes) -> str:
    return d[:2].hex("-")


def hex_of_bytes_by_keyword(d: bytes) -> str:
    return d[:2].hex(sep="-")


def hex_of_text(s: str) -> str:
    return bytes.hex(s[:2])  # type: ignore[arg-type]


def hex_of_any_bytes(d: bytes) -> str:
    return d.hex()


@SOME
@given(st.binary(max_size=21) | st.integers(0, 20).map(bytes))
def test_hex_of_bytes(data: bytes) -> None:
    """Bytes of every length up to twenty are written as CPython does."""
    assert lifted(hex_of_bytes).agrees(data=data)
    assert lifted(hex_of_slice).agrees(data=data)


def test_hex_of_one_byte() -> None:
    """Every byte has its two digits."""
    data = symbols.symbol("data", bytes)
    lifter = Lifter(v.both(data.known, of_length(1)({"data": data.value})))
    result = models.bytes_to_hex(lifter, data.value)
    for byte in range(256):
        found = evaluation({"data": data}, {"data": bytes([byte])})
        assert found is not None
        assert found.outcome(lifter, result) == Returned(bytes([byte]).hex())


@SOME
@given(INTS)
def test_hex_of_numbers(n: int) -> None:
    """The bytes of a number are its digits; what has no bytes raises as ``to_bytes`` does."""
    assert lifted(hex_of_number).agrees(n=n)
    assert lifted(hex_of_number_from_the_end).agrees(n=n)
    assert lifted(hex_of_number_is_the_number).agrees(n=n)


@pytest.mark.parametrize(("bits", "same"), [(128, True), (129, False)])
def test_hex_of_numbers_is_the_format_of_numbers(bits: int, same: bool) -> None:
    """Of numbers that fit, and of no others, the bytes are written as ``format`` does."""
    n = v.unsigned(z3.BitVec("n", bits))
    lifter = Lifter()
    one = models.format_number(lifter, n, "032x")
    big, little = (
        models.bytes_to_hex(lifter, models.to_bytes(lifter, n, v.number(16), v.string(order)))
        for order in ("big", "little")
    )
    assert lifter.certain(lifter.equal(one, big))
    assert not lifter.certain(lifter.equal(one, little))
    assert (not lifter.raised) == same


@pytest.mark.parametrize(
    "function", [hex_of_bytes_with_separator, hex_of_bytes_by_keyword, hex_of_any_bytes]
)
def test_other_ways_of_hex_are_refused(function: Callable[..., Any]) -> None:
    """Separators are not modelled, nor are bytes of any length."""
    with pytest.raises(Refused):
        Lifted(function)


def test_hex_of_a_text() -> None:
    """A text has no ``bytes.hex``: refused, or raises as in CPython."""
    assert refused_or_agrees(hex_of_text, s="ab")


# Arithmetic.


OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
UNARY: dict[type[ast.unaryop], Callable[[int], int]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
}
COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True)
class Operand:
    """An integer that is known to be from ``low`` to ``high``, and one that it may be."""

    name: str
    low: int
    high: int
    number: int

    @cached_property
    def value(self) -> v.Int:
        return v.Int(z3.BitVec(self.name, v.width(self.low, self.high)), self.low, self.high)

    @property
    def known(self) -> z3.BoolRef:
        bits = self.value.term.size()
        low, high = z3.BitVecVal(self.low, bits), z3.BitVecVal(self.high, bits)
        return z3.And(self.value.term >= low, self.value.term <= high)

    @property
    def pair(self) -> tuple[z3.ExprRef, z3.ExprRef]:
        return self.value.term, z3.BitVecVal(self.number, self.value.term.size())


@st.composite
def operands(
    draw: st.DrawFn, name: str, numbers: st.SearchStrategy[int], constant: bool = False
) -> Operand:
    number = draw(numbers)
    others = [number] if constant else [number, draw(numbers), draw(numbers)]
    low, high = min(others), max(others)
    return Operand(name, low, high, draw(st.sampled_from([number, low, high])))


def compare_operation(operation: type[ast.operator], left: Operand, right: Operand) -> None:
    lifter = Lifter(z3.And(left.known, right.known))
    result = models.arithmetic(lifter, operation(), left.value, right.value)
    expected = run_binary(operation, left, right)
    found = Evaluation([left.pair, right.pair], {}).outcome(lifter, result)
    assert found == expected, (operation, left, right)


def run_binary(operation: type[ast.operator], left: Operand, right: Operand) -> Outcome:
    try:
        return Returned(OPERATORS[operation](left.number, right.number))
    except (ValueError, ZeroDivisionError) as error:
        return Raises(type(error))


@pytest.mark.parametrize(
    "operation", [ast.Add, ast.Sub, ast.Mult, ast.BitAnd, ast.BitOr, ast.BitXor]
)
@MANY
@given(operands("a", INTS | st.integers(-9, 9)), operands("b", INTS | st.integers(-9, 9)))
def test_arithmetic(operation: type[ast.operator], left: Operand, right: Operand) -> None:
    """Results are Python's integers and keep the bounds that are claimed of them."""
    compare_operation(operation, left, right)


@pytest.mark.parametrize("operation", [ast.LShift, ast.RShift])
@MANY
@given(operands("a", INTS), operands("b", st.integers(-3, 300), constant=True))
def test_shifts(operation: type[ast.operator], left: Operand, right: Operand) -> None:
    """Shifts by any number of bits; by a negative number they raise."""
    compare_operation(operation, left, right)


@pytest.mark.parametrize("operation", [ast.FloorDiv, ast.Mod])
@MANY
@given(
    operands("a", INTS.map(abs)),
    operands("b", st.integers(0, 20) | INTS.map(abs), constant=True),
)
def test_division(operation: type[ast.operator], left: Operand, right: Operand) -> None:
    """Division of a natural number by a known one; by zero it raises."""
    compare_operation(operation, left, right)


@pytest.mark.parametrize("operation", [ast.FloorDiv, ast.Mod])
@MANY
@given(operands("a", INTS), operands("b", INTS, constant=True))
def test_division_with_signs(operation: type[ast.operator], left: Operand, right: Operand) -> None:
    """Division of or by a negative number is right or refused."""
    try:
        compare_operation(operation, left, right)
    except Refused:
        assert left.low < 0 or right.number < 0


@pytest.mark.parametrize("operation", UNARY)
@MANY
@given(operands("a", INTS))
def test_unary(operation: type[ast.unaryop], operand: Operand) -> None:
    """Signs and inversion."""
    result = models.unary(operation(), operand.value)
    found = Evaluation([operand.pair], {}).number(result)
    assert found == UNARY[operation](operand.number)


@pytest.mark.parametrize("relation", COMPARISONS)
@MANY
@given(
    operands("a", INTS | st.integers(-3, 3)),
    operands("b", INTS | st.integers(-3, 3)),
)
def test_comparisons(relation: str, left: Operand, right: Operand) -> None:
    """Comparisons, decided by the bounds or not."""
    term = v.compare(relation, left.value, right.value)
    found = Evaluation([left.pair, right.pair], {}).holds(term)
    assert found == COMPARISONS[relation](left.number, right.number)


@MANY
@given(operands("a", INTS | st.integers(-3, 3)), operands("b", INTS | st.integers(-3, 3)))
def test_smaller_and_larger(left: Operand, right: Operand) -> None:
    """The smaller and the larger of two numbers, within their bounds."""
    found = Evaluation([left.pair, right.pair], {})
    assert found.number(v.smaller(left.value, right.value)) == min(left.number, right.number)
    assert found.number(v.larger(left.value, right.value)) == max(left.number, right.number)


def bools_and(a: bool, b: bool) -> tuple[Any, ...]:
    return a & b, a | b, a == b, a != b, a is b, a is not b, not a


def bools_xor(a: bool, b: bool) -> Any:
    return a ^ b


def bools_xor_is_a_bool(a: bool, b: bool) -> bool:
    return isinstance(a ^ b, bool)


def bools_as_numbers(a: bool, b: bool) -> tuple[Any, ...]:
    return a + b, a - b, a * b, -a, +a, ~a, a < b, a <= b, a << 3, a >> 1, a // 2, a % 2


def bool_with_number(a: bool, n: int) -> tuple[Any, ...]:
    return a & n, n | a, a ^ n, a + n, a < n, n == a


@pytest.mark.filterwarnings("ignore:Bitwise inversion:DeprecationWarning")
@pytest.mark.parametrize("function", [bools_and, bools_xor, bools_xor_is_a_bool, bools_as_numbers])
def test_arithmetic_of_bools(function: Callable[..., Any]) -> None:
    """Operations on bools give bools or integers as in CPython."""
    for a, b in itertools.product([False, True], repeat=2):
        assert lifted(function).agrees(a=a, b=b)


@SOME
@given(st.booleans(), INTS)
def test_arithmetic_of_a_bool_and_a_number(a: bool, n: int) -> None:
    """A bool beside an integer counts as one."""
    assert lifted(bool_with_number).agrees(a=a, n=n)


def shift_by_negative(n: int) -> int:
    return n << -1


def shift_by_unknown_negative(n: int, k: int) -> int | None:
    if k >= 0:
        return None
    return n >> k


@SOME
@given(INTS, INTS)
def test_shift_by_a_negative_number(n: int, k: int) -> None:
    """Raises, whether the number is a constant or only known to be negative."""
    assert lifted(shift_by_negative).agrees(n=n)
    assert lifted(shift_by_unknown_negative).agrees(n=n, k=k)


# Slices and items.


SHORT = 5
SHORT_TEXTS = ["", "a", "b\ud800", "c\xe9\x00", "0123", "\U0010ffffxyz\n"]
BOUNDS = (None, -7, -6, -5, -4, -1, 0, 1, 2, 4, 5, 6, 64, 70)


@cache
def short_text(kind: type) -> tuple[symbols.Symbol, z3.BoolRef]:
    symbol = symbols.symbol("s", kind)
    return symbol, v.both(symbol.known, at_most(SHORT)({"s": symbol.value}))


@cache
def short_evaluation(text: str | bytes) -> Evaluation:
    """An evaluation under which only the characters that a short text can have are known."""
    found = evaluation({"s": short_text(type(text))[0]}, {"s": text})
    assert found is not None
    return Evaluation(found.pairs[: 1 + SHORT], {})


def real_texts(kind: type) -> Sequence[Any]:
    return SHORT_TEXTS if kind is str else [bytes(range(250, 250 + n)) for n in range(SHORT + 1)]


@pytest.mark.parametrize(
    ("kind", "lower"), [*((str, lower) for lower in BOUNDS), (bytes, None), (bytes, -2), (bytes, 1)]
)
def test_slices_of_short_texts(kind: type, lower: int | None) -> None:
    """All bounds, beyond both ends too, of texts of unknown length."""
    symbol, known = short_text(kind)
    for upper in BOUNDS:
        lifter = Lifter(known)
        try:
            result = lifter.slice(symbol.value, lower, upper)
        except Refused:
            assert (upper or 0) > v.WINDOW
            continue
        for text in real_texts(kind):
            found = short_evaluation(text)
            assert found.outcome(lifter, result) == Returned(text[lower:upper]), (text, upper)


@pytest.mark.parametrize("kind", [str, bytes])
@pytest.mark.parametrize("where", range(-SHORT - 3, SHORT + 3))
def test_items_of_short_texts(kind: type, where: int) -> None:
    """All positions, beyond both ends too, of texts of unknown length."""
    symbol, known = short_text(kind)
    lifter = Lifter(known)
    result = lifter.item(symbol.value, where)
    for text in real_texts(kind):
        found = short_evaluation(text)
        expected = run(lambda text=text: text[where], {})
        assert found.outcome(lifter, result) == expected, text


LONG_TEXTS = ["ab" * n + "c" * m for n in (0, 1, 16, 31, 32, 33, 40) for m in (0, 1)]


@pytest.mark.parametrize("lower", [None, 0, 1, 3, 63, 64, 65])
@pytest.mark.parametrize("upper", [None, 0, 1, 3, 62, 63, 64, 65, 80])
def test_slices_of_long_texts(lower: int | None, upper: int | None) -> None:
    """Of a text that the window need not hold, what is behind the window is refused."""
    symbol = symbols.symbol("s", str)
    lifter = Lifter(symbol.known)
    try:
        result = lifter.slice(symbol.value, lower, upper)
    except Refused:
        assert (upper or 0) > v.WINDOW
        return
    for text in LONG_TEXTS:
        found = evaluation({"s": symbol}, {"s": text})
        assert found is not None
        assert found.outcome(lifter, result) == Returned(text[lower:upper]), text


@pytest.mark.parametrize("where", [0, 1, 62, 63, 64, 65])
def test_items_of_long_texts(where: int) -> None:
    """Of a text that the window need not hold, items behind the window are refused."""
    symbol = symbols.symbol("s", str)
    lifter = Lifter(symbol.known)
    if where >= v.WINDOW:
        with pytest.raises(Refused, match="behind the window"):
            lifter.item(symbol.value, where)
        return
    result = lifter.item(symbol.value, where)
    for text in LONG_TEXTS:
        found = evaluation({"s": symbol}, {"s": text})
        assert found is not None
        assert found.outcome(lifter, result) == run(lambda text=text: text[where], {})


def slice_of_slice(s: str) -> tuple[str, str, str, int]:
    head = s[1:6]
    return head[1:3], head[2:], head[:4], len(head[3:])


def slice_after_length(s: str) -> tuple[str, str] | None:
    if len(s) < 4:
        return None
    return s[1:4], s[3]


def tuple_parts(n: int) -> tuple[Any, ...]:
    t = (n, 1, "a", None)
    return t[0], t[-1], t[1:3], t[:-2], t[7:], len(t), t + (n,)  # noqa: RUF005


def tuple_index_error(n: int) -> int:
    return (n, 1)[2]  # type: ignore[misc,no-any-return]


def tuple_masked(n: int) -> str:
    return ("00", "01", "02", "03")[n & 3]


def tuple_chosen(n: int) -> Any:
    return ("a", "bc", b"d", None, 4, n)[n]


def tuple_of_ids(f: TraceFlags) -> Any:
    return (SpanId(1), SpanId(2), TraceFlags(3))[f - 3]


def tuple_by_bool(a: bool, b: bool) -> Any:
    return ("no", "yes")[a], (a, b)[b], ((a, 1), (b, 2))[a]


def tuple_by_either(x: int | bool) -> int:
    return (7, 8, 9)[x]


def tuple_empty(n: int) -> Any:
    return ()[n]


def tuple_chosen_at_first(n: int) -> str:
    return (("a", "b", "c") if n < 0 else ("d",))[n]


def tuple_caught(n: int) -> str:
    try:
        return ("a", "b")[n]
    except IndexError:
        return "none"


def tuple_fails_before_its_index(n: int) -> int:
    return (SpanId(n), n)[n // 0]


def slice_fails_before_its_bound(n: int) -> Any:
    return (SpanId(n), n)[n // 0 :]


AROUND = st.integers(-8, 8) | INTS


@pytest.mark.parametrize(
    "function",
    [
        tuple_masked,
        tuple_chosen,
        tuple_by_either,
        tuple_empty,
        tuple_chosen_at_first,
        tuple_caught,
        tuple_fails_before_its_index,
        slice_fails_before_its_bound,
    ],
)
@SOME
@given(AROUND)
def test_items_of_tuples_at_unknown_positions(function: Callable[..., Any], n: int) -> None:
    """From both ends, and beyond them; what stands first fails first."""
    assert lifted(function).agrees(**{next(iter(lifted(function).symbols)): n})


def test_items_of_tuples_at_every_position() -> None:
    """Positions of few values, all of them."""
    assert all(lifted(tuple_of_ids).agrees(f=TraceFlags(n)) for n in range(256))
    for a, b in itertools.product([False, True], repeat=2):
        assert lifted(tuple_by_bool).agrees(a=a, b=b)
        assert lifted(tuple_by_either).agrees(x=a)


def text_at_unknown_position(s: str, n: int) -> str:
    return s[n]


def slice_to_unknown_position(n: int) -> Any:
    return ("a", "b")[:n]


def tuple_at_a_text(s: str) -> Any:
    return ("a", "b")[s]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "function", [text_at_unknown_position, slice_to_unknown_position, tuple_at_a_text]
)
def test_other_unknown_positions_are_refused(function: Callable[..., Any]) -> None:
    """Only an item of a tuple may be at an unknown position."""
    with pytest.raises(Refused):
        Lifted(function)


TABLE = {"": None, "a": 1, "b": 1, "bc": "x", "\u0660": 2}


class Lenient(dict):  # type: ignore[type-arg]
    """A dictionary that has an item for every key."""

    def __missing__(self, key: object) -> int:
        return 7


LENIENT = Lenient(a=1)
NUMBERED = {0: "a", True: "b"}


def table_item(s: str) -> Any:
    return TABLE[s]


def table_item_caught(s: str) -> Any:
    try:
        return TABLE[s[:2]], len(s)
    except KeyError:
        return s


@pytest.mark.parametrize("function", [table_item, table_item_caught])
@SOME
@given(st.sampled_from([*TABLE, "ab", "bcd", "c", "0"]) | st.text(max_size=3))
def test_items_of_a_table_of_texts(function: Callable[..., Any], s: str) -> None:
    """Of every key there is and of others, which raise."""
    assert lifted(function).agrees(s=s)


def lenient_item(s: str) -> Any:
    return LENIENT[s]


def numbered_item(n: int) -> Any:
    return NUMBERED[n]


def table_at_a_number(n: int) -> Any:
    return TABLE[n]  # type: ignore[index]


@pytest.mark.parametrize("function", [lenient_item, numbered_item, table_at_a_number])
def test_other_tables_are_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(Refused):
        Lifted(function)


@SOME
@given(st.text(ODD_CHARACTERS, max_size=9))
def test_slices_in_functions(s: str) -> None:
    """Slices of slices, and slices of a text whose length was asked for before."""
    assert lifted(slice_of_slice).agrees(s=s)
    assert lifted(slice_after_length).agrees(s=s)


@SOME
@given(INTS)
def test_items_of_tuples(n: int) -> None:
    """Items and slices of tuples are known when the tuple is."""
    assert lifted(tuple_parts).agrees(n=n)
    assert lifted(tuple_index_error).agrees(n=n)


# Texts.


def text_length(s: str, d: bytes) -> tuple[int, int, bool, bool]:
    return len(s), len(d), bool(s), bool(d)


def text_equality(s: str, d: bytes) -> tuple[bool, ...]:
    return (
        s == "",
        s == "a0",
        s != "a0",
        s[:2] == "a0",
        d == b"\x00a",
        d[:1] == b"",
        s[1:3] == s[:2],
    )


def text_and_bytes(s: str) -> bool:
    return s[:2].startswith("a") and s[:1] == "a"


def contained_in_text(s: str) -> tuple[bool, ...]:
    if not s:
        return ()
    return (
        s[0] in "0123456789abcdef",
        s[0] not in "xyz",
        "a" in "cab",
        "ca" in "cab",
        "cb" in "cab",
        "" in "cab",
        "caba" in "cab",
    )


def contained_two(s: str) -> bool | None:
    if len(s) != 2:
        return None
    return s in "a0b1a"


def contained_in_tuple(s: str, n: int) -> tuple[bool, ...]:
    return (
        s in ("", "a0", "b"),
        n in (0, 1, True, 255),
        n not in (0, None, "0"),
        s[:1] in ("a", 1, None),
        (n, s[:1]) in ((0, "a"), (1, "")),
    )


LETTERS = frozenset({"a", "b0", 7, None})


def contained_in_set(s: str, n: int) -> tuple[bool, bool, bool]:
    return s in LETTERS, n in LETTERS, None in LETTERS


def starts(s: str) -> tuple[bool, bool, bool, bool]:
    return s.startswith(""), s.startswith("a"), s.startswith("a0"), s[1:].startswith("0")


def bytes_in_text(d: bytes) -> bool | None:
    return d[:1] in "abc" if len(d) == 1 else None  # type: ignore[operator]


def any_byte(d: bytes) -> tuple[bool, bool, bool]:
    return any(d[:5]), any(d[2:4]), any((d[:1] == b"a", d == b""))


def bytes_items(d: bytes) -> int:
    return d[3] + d[0]


NEAR = st.sampled_from(["", "a", "0", "a0", "a00", "0a", "b0", "b", "b1", "c", "ca", "xa0"])


@SOME
@given(NEAR | st.text(ODD_CHARACTERS, max_size=4) | st.text(max_size=70))
@pytest.mark.parametrize(
    "function",
    [text_and_bytes, contained_in_text, contained_two, starts],
)
def test_texts(function: Callable[..., Any], s: str) -> None:
    """Comparison and search of texts."""
    assert lifted(function).agrees(s=s)


@SOME
@given(NEAR | st.text(ODD_CHARACTERS, max_size=4), st.integers(-1, 8) | INTS)
@pytest.mark.parametrize("function", [contained_in_tuple, contained_in_set])
def test_search(function: Callable[..., Any], s: str, n: int) -> None:
    """Whether a value is in a tuple or a set."""
    assert lifted(function).agrees(s=s, n=n)


@SOME
@given(
    NEAR | st.text(max_size=70),
    st.sampled_from([b"", b"\x00a", b"\x00", b"a", b"\x00\x00\x00"]) | st.binary(max_size=70),
)
@pytest.mark.parametrize("function", [text_length, text_equality])
def test_texts_and_bytes(function: Callable[..., Any], s: str, d: bytes) -> None:
    """Length, truth and equality of texts and bytes of any length."""
    assert lifted(function).agrees(s=s, d=d)


@SOME
@given(st.binary(max_size=7) | st.integers(0, 8).map(bytes))
@pytest.mark.parametrize("function", [any_byte, bytes_items])
def test_bytes(function: Callable[..., Any], d: bytes) -> None:
    """Bytes are numbers, zeros are false, and none is behind the end."""
    assert lifted(function).agrees(d=d)


# Classes.


def classes_of(x: TraceId | TraceFlags | bool | int | str | bytes | None) -> tuple[bool, ...]:
    return (
        isinstance(x, int),
        isinstance(x, bool),
        isinstance(x, TraceId),
        isinstance(x, (TraceId, TraceFlags)),
        isinstance(x, str),
        isinstance(x, (bytes, str)),
        isinstance(x, object),
        type(x) is int,
        type(x) is TraceId,
        x is None,
    )


def index_of(x: TraceId | TraceFlags | bool | int | str | bytes | None) -> int:
    return operator.index(x)  # type: ignore[arg-type]


def index_of_tuple(n: int) -> int:
    return operator.index((n,))  # type: ignore[arg-type]


def truth_of(x: TraceId | TraceFlags | bool | int | str | bytes | None) -> bool:
    return bool(x)


def length_of(x: TraceId | bool | int | str | bytes | None) -> int:
    return len(x)  # type: ignore[arg-type]


def number_of(x: TraceId | TraceFlags | bool | int) -> tuple[Any, ...]:
    return int(x), x + 0, x == 0, int.__new__(TraceFlags, x & 3), int.__new__(int, x)


ANY_OF_THEM = (
    domains.DOMAINS[TraceId].strategy
    | domains.DOMAINS[TraceFlags].strategy
    | st.booleans()
    | INTS
    | st.text(max_size=3)
    | st.binary(max_size=3)
    | st.none()
)


@SOME
@given(ANY_OF_THEM)
@pytest.mark.parametrize("function", [classes_of, index_of, truth_of])
def test_classes(function: Callable[..., Any], x: Any) -> None:
    """``isinstance``, ``type``, ``operator.index`` and ``bool`` of values of every class."""
    assert lifted(function).agrees(x=x)


@SOME
@given(ANY_OF_THEM.filter(lambda x: type(x) is not TraceFlags))
def test_length_of_values(x: Any) -> None:
    """``len`` raises on what has no length."""
    assert lifted(length_of).agrees(x=x)


@SOME
@given(ANY_OF_THEM.filter(lambda x: isinstance(x, int) and not isinstance(x, str)))
def test_numbers_of_classes(x: Any) -> None:
    """Arithmetic on subclasses of ``int`` gives ``int``, ``int.__new__`` what it is asked for."""
    assert lifted(number_of).agrees(x=x)


def test_index_of_a_tuple() -> None:
    """A tuple is no integer."""
    assert lifted(index_of_tuple).agrees(n=1)


def make_a_bool(n: int) -> Any:
    return int.__new__(bool, n)


def make_a_text(n: int) -> Any:
    return int.__new__(str, n)  # type: ignore[type-var]


def length_by_keyword(n: int) -> Any:
    return len(value=n)  # type: ignore[call-arg]


def length_of_two(n: int) -> Any:
    return len((n,), (n,))  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "function",
    [
        make_a_bool,
        make_a_text,
        length_by_keyword,
        length_of_two,
        to_bytes_of_negative_length,
        to_bytes_with_unknown_keyword,
        to_bytes_with_signed_by_position,
    ],
)
def test_calls_that_builtins_refuse(function: Callable[..., Any]) -> None:
    """Where CPython always raises, the model raises the same, or the call is refused."""
    assert refused_or_agrees(function, n=1)


def test_bytes_in_a_text() -> None:
    """Bytes cannot be searched for in a text: refused, or raises as in CPython."""
    assert refused_or_agrees(bytes_in_text, d=b"a")


def refused_or_agrees(function: Callable[..., Any], **inputs: Any) -> bool:
    """Whether the function is refused, or lifted to what CPython does on these inputs."""
    try:
        return Lifted(function).agrees(**inputs)
    except (Refused, SourceMismatch):
        return True


def test_characters_beyond_ascii_are_digits_by_their_decimal_value() -> None:
    """The runs of digits are those of ``unicodedata``, ten digits each."""
    for first, last in models.decimals():
        assert [unicodedata.decimal(chr(c)) for c in range(first, last + 1)] == list(range(10))
