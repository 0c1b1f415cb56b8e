"""Lifted functions do what CPython does, and what cannot be lifted is refused.

The lifted functions below are written for what they contain, not for what they are for.
"""

# mypy: disable-error-code="no-untyped-call, no-any-return"

import enum
import functools
import importlib.util
import inspect
import operator
import re
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs import contracts, domains, sources
from proofs.engines import smt
from proofs.lift import symbols
from proofs.lift import values as v
from proofs.lift.lifter import Lifter
from proofs.lift.paths import Refused
from tests.test_models import Evaluation, Lifted, lifted, refused_or_agrees, run
from verified import IdGenerator, SpanContext, SpanId, TraceFlags, TraceState
from verified.strategies import ODD_CHARACTERS
from verified.tracestate import EMPTY

QUICK = settings(max_examples=25, deadline=None)
SOME = settings(max_examples=60, deadline=None)

# The public functions.


NOT_HERE = {*contracts.SHELL, "verified.otlp.protobuf"}
"""A shell is not lifted; numbers of 256 bits in varints take minutes. Claims about those are of
64 bits, and are held against CPython when they are proved."""

MEMBERS = {
    claim.name: claim
    for claim in (
        contracts.ContractClaim(module, owner, member, name, 1)
        for module, owner, name, member in contracts.public_functions()
    )
    if smt.NAME in claim.engines and claim.function.__module__ not in NOT_HERE
}


class Public:
    """A public function, lifted over all of its parameters that have a domain."""

    def __init__(self, name: str) -> None:
        self.claim = MEMBERS[name]
        self.symbols = symbols.inputs(self.claim.parameters)
        self.lifter = Lifter(v.both(*(s.known for s in self.symbols.values())))
        defaults = {n: v.literal(d) for n, d in self.claim._with_defaults({}).items()}
        inputs = {n: s.value for n, s in self.symbols.items()}
        self.result = self.lifter.call(self.claim.function, [], defaults | inputs)

    def evaluation(self, inputs: Mapping[str, Any]) -> Evaluation | None:
        pairs: symbols.Substitution = []
        draws: tuple[int, ...] = ()
        states = [EMPTY, *(i.trace_state for i in inputs.values() if isinstance(i, SpanContext))]
        states += [i for i in inputs.values() if isinstance(i, TraceState)]
        for name, value in inputs.items():
            bound = self.symbols[name].bind(value)
            if bound is None:
                return None
            pairs += bound
            source = domains.source_of(value)
            draws = source.numbers if source is not None else draws
        opaque = {}
        for state in states:
            ((_, number),) = symbols._trace_state("state").bind(state) or []
            assert z3.is_bv_value(number)
            opaque[number.as_long()] = state
        return Evaluation(symbols.bind_draws(self.lifter.drawn, draws, pairs), opaque)


@functools.cache
def public(name: str) -> Public:
    return Public(name)


@pytest.mark.parametrize("name", MEMBERS)
@QUICK
@given(st.data())
def test_public_functions(name: str, data: st.DataObject) -> None:
    """Every public function, lifted, returns or raises what it does in CPython."""
    walked = public(name)
    inputs = {
        n: data.draw(domains.domain(a).strategy, label=n)  # type: ignore[union-attr]
        for n, a in walked.claim.parameters.items()
    }
    found = walked.evaluation(inputs)
    if found is None:
        return
    values = walked.claim._with_defaults(domains.fresh(inputs))
    assert found.outcome(walked.lifter, walked.result) == run(walked.claim.function, values)


def test_every_public_function_is_compared() -> None:
    """There is at least one function of every module of the shipped code."""
    named = {name.split(".")[0] for name in MEMBERS}
    assert named >= {"ids", "trace_flags", "span_context", "traceparent", "id_generator"}


# Statements and expressions that are lifted.


LIMIT = 7
WORD = re.compile("[a-z]+")
LETTER = re.compile("[a-z]")


class Kind(enum.IntEnum):
    LOW = 1
    HIGH = 2


def double(n: int, times: int = 2, *, plus: int = 0) -> int:
    return n * times + plus


def early_return(n: int) -> str:
    if n < 0:
        return "negative"
    elif n == 0:  # noqa: RET505
        return "zero"
    elif n < 10:
        if n & 1 == 0:
            return "even"
        kind = "odd"
    else:
        kind = "large"
    return kind


def nested(n: int, m: int) -> int:
    result = 0
    if n > m:
        if n > 100:
            result = 1
            if m > 50:
                return 2
        else:
            result = 3
        result = result + 10
    return result


def operands(n: int, s: str) -> tuple[Any, ...]:
    return n and s, n or s, s and n and "x", s or n or None, not n, n and not s


def short_circuit(n: int, s: str) -> bool:
    return (len(s) > 2 and s[2] == "a") or (n > 3 and (n << 2) < 100)


def guarded_by_or(s: str) -> bool:
    return not s or s[0] == "a"


def chained(n: int, m: int) -> tuple[bool, ...]:
    return 0 < n < m, 0 <= n < m <= 300, n == m == 1, n < m > 0, 1 < n != m is not None


def chained_stops(s: str) -> bool:
    return len(s) > 1 and 1 < len(s) < 9 and "a" == s[0] == s[1]


def conditional(n: int, b: bool) -> Any:
    return n if b else "no" if n > 0 else None


def catching(s: str) -> Any:
    if len(s) != 2:
        return None
    try:
        number = int(s, 16)
    except ValueError:
        return "not a number"
    return number


def catching_one_of_several(n: int) -> Any:
    step = "before"
    try:
        flags = TraceFlags(n)
        step = "between"
        span = SpanId(n - 3)
        step = "after"
    except TypeError:
        return "wrong type"
    except (KeyError, ValueError):
        return step
    return flags, span, step


def catching_by_base(n: int, b: bool) -> Any:
    try:
        if b:
            raise KeyError
        if n > 3:
            raise ZeroDivisionError("n is large")
        if n > 2:
            raise OverflowError
    except LookupError:
        return "lookup"
    except ArithmeticError:
        n = 1
    return n


def not_caught(n: int) -> int:
    try:
        if n > 3:
            raise KeyError
        if n < -3:
            raise ValueError
    except ValueError:
        raise TypeError from None
    return n


def caught_in_handler(n: int) -> Any:
    try:
        try:
            if n:
                raise ValueError
            n = 5
        except ValueError:
            if n > 1:
                raise KeyError from None
            n = 6
    except KeyError:
        return "key"
    return n


def bare_handler(n: int) -> Any:
    try:
        return SpanId(n)
    except:  # noqa: E722
        return None


def fails(x: int, y: int) -> int:
    y = x + 1
    raise ValueError(y)


def caught_from_call(y: int) -> int:
    try:
        fails(7, y)
    except ValueError:
        return y
    return 0


def fails_for_some(x: int) -> int:
    y = x * 2
    if x > 10:
        raise ValueError
    return y


def caught_from_call_for_some(y: int, b: bool) -> tuple[int, bool]:
    x = 3
    try:
        x = fails_for_some(y)
    except ValueError:
        b = not b
    return x, b


def caught_from_lambda(n: int) -> int:
    x = 1
    check = lambda x: SpanId(x)  # noqa: E731
    try:
        x = check(n) + 0
    except ValueError:
        return x
    return x


def assigned_in_one_branch(n: int) -> int:
    if n > 3:
        found = n
    if n > 5:
        return found
    return 0


def assigned_before_an_exception(n: int) -> int:
    try:
        found = 1
        SpanId(n)
        found = 2
    except ValueError:
        return found
    return found + 10


def unpacking(n: int, s: str) -> tuple[Any, ...]:
    a, (b, c) = n, (s, n + 1)
    a, b = b, a  # type: ignore[assignment]
    d = e = c
    return a, b, c, d, e


def unpacking_choice(n: int) -> int:
    pair = (n, 1) if n > 2 else (2, n)
    first, second = pair
    return first * 2 + second


def unpacking_fails(n: int) -> int:
    pair = (n, 1) if n > 2 else None if n > 1 else (1, 2, 3)
    first, second = pair  # type: ignore[misc]
    return first + second


def calls(n: int) -> tuple[int, ...]:
    return double(n), double(n, 3), double(times=n, n=2), double(n, plus=n), double(n=n)


def lambdas(n: int, b: bool) -> tuple[Any, ...]:
    add = lambda x: x + n  # noqa: E731
    choose = (lambda x: x * 2) if b else add
    return add(1), choose(n), (lambda x, y: y and x)(b, n)


def late_binding(b: bool) -> int:
    x = 1
    read = lambda: x  # noqa: E731
    if b:
        x = 2
    return read()


def late_binding_in_turn(n: int) -> tuple[int, int]:
    x = n
    read = lambda: x + LIMIT  # noqa: E731
    before = read()
    x = 2
    return before, read()


def late_binding_after_handler(n: int) -> int:
    x = 1
    read = lambda: x  # noqa: E731
    try:
        SpanId(n)
        x = 2
    except ValueError:
        x = 3
    return read()


def shadowing_lambda(n: int) -> int:
    x = 1
    keep = lambda x: x + 1  # noqa: E731
    return keep(n) + x


def augmented(n: int) -> int:
    n += 1
    n *= 3
    if n > 50:
        n -= LIMIT
    n &= 0xFFFF
    n |= 256
    return n


def texts(n: int, s: str) -> Any:
    if len(s) != 2:
        return f"{LIMIT}"
    short = n & 0xFF
    return f"<{s}>{short:02x}{s[:1]}" + "!" + s


def text_of_known_number(b: bool) -> str:
    return f"{LIMIT}{3}{'a'}"


def text_of_flags(b: bool) -> str:
    return f"{int.__new__(TraceFlags, 1)}"


def text_of_kind(b: bool) -> str:
    return f"{Kind.LOW:x}" + "."


def text_of_bytes(d: bytes) -> str:
    return f"{d}"  # type: ignore[str-bytes-safe]


def text_of_none(x: None) -> str:
    return f"{x:}"


def matching(s: str) -> Any:
    if WORD.match(s) is None:
        return None
    return LETTER.fullmatch(s) is not None, bool(LETTER.match(s)), len(s) > 1


def optional(x: int | str | None) -> Any:
    if x is None:
        return "none"
    if isinstance(x, str):
        return x == "a"
    return x + 1


def attribute_of_none(x: None, b: bool) -> Any:
    return b and x.real  # type: ignore[attr-defined]


def operations_with_none(n: int | None) -> Any:
    return n + 1  # type: ignore[operator]


def comparison_with_none(n: int | None) -> bool:
    return n > 0  # type: ignore[operator]


def equality_of_kinds(x: int | str | bool | None, n: int) -> tuple[bool, ...]:
    return x == n, x != None, x == "a", x == (n,), (x, n) == (n, x)  # type: ignore[comparison-overlap]  # noqa: E711


def statements(n: int) -> int | None:
    """A docstring is no statement of its own."""
    pass  # noqa: PIE790
    m: int = n
    m == 2  # noqa: B015
    if m == 3:
        return None
    return m


def draws_until_not_zero(g: IdGenerator) -> int:
    number = g._getrandbits(4)
    while number == 0:
        number = g._getrandbits(4)
    return number + 1


class Both:
    """A class with both of the functions that make an object."""

    def __new__(cls, x: int) -> "Both":
        if x < 0:
            raise ValueError
        return object.__new__(cls)

    def __init__(self, x: int) -> None:
        self.x = x


class Plain:
    """A class whose objects have attributes, and are made in a straight line."""

    factor = 3

    def __init__(self, x: int, y: int = 1) -> None:
        self.x = x
        self.y = y + self.x

    @property
    def sum(self) -> int:
        return self.x + self.y

    def scaled(self, by: int) -> int:
        return self.factor * by + self.x

    @classmethod
    def made(cls, x: int) -> int:
        return cls(x).x

    @staticmethod
    def fixed(a: int, b: int = 0) -> int:
        return a + b


def objects(n: int) -> tuple[Any, ...]:
    plain = Plain(n, y=2)
    return plain.x, plain.sum, plain.scaled(n), plain.made(n + 1), Plain.made(2), plain.factor


SAME_INPUTS: list[Callable[..., Any]] = [
    early_return,
    nested,
    operands,
    short_circuit,
    guarded_by_or,
    chained,
    chained_stops,
    conditional,
    catching,
    catching_one_of_several,
    catching_by_base,
    not_caught,
    caught_in_handler,
    bare_handler,
    caught_from_call_for_some,
    caught_from_lambda,
    assigned_in_one_branch,
    assigned_before_an_exception,
    unpacking,
    unpacking_choice,
    unpacking_fails,
    calls,
    lambdas,
    shadowing_lambda,
    augmented,
    texts,
    text_of_known_number,
    matching,
    optional,
    operations_with_none,
    comparison_with_none,
    equality_of_kinds,
    statements,
    objects,
]
INTS = st.integers(-12, 12) | st.integers(-(1 << 70), 1 << 70) | st.sampled_from([50, 51, 100, 255])
TEXTS = st.sampled_from(
    ["", "a", "aa", "ab", "a\ud800", "1f", "_1", "+7", " \u0660", "aab"]
) | st.text(ODD_CHARACTERS, max_size=5)
INPUTS: dict[Any, st.SearchStrategy[Any]] = {
    int: INTS,
    str: TEXTS,
    bool: st.booleans(),
    bytes: st.binary(max_size=4),
    None: st.none(),
    int | None: INTS | st.none(),
    int | str | None: INTS | TEXTS | st.none(),
    int | str | bool | None: INTS | TEXTS | st.booleans() | st.none(),
}


def drawn_inputs(function: Callable[..., Any], data: st.DataObject) -> dict[str, Any]:
    hints = inspect.get_annotations(function, eval_str=True)
    return {n: data.draw(INPUTS[a], label=n) for n, a in hints.items() if n != "return"}


@pytest.mark.parametrize("function", SAME_INPUTS)
@SOME
@given(st.data())
def test_constructs(function: Callable[..., Any], data: st.DataObject) -> None:
    """A lifted function returns or raises what CPython does."""
    assert lifted(function).agrees(**drawn_inputs(function, data))


@QUICK
@given(st.lists(st.integers(0, 15), max_size=5))
def test_loops_that_draw_again(numbers: list[int]) -> None:
    """One round of a loop stands for all rounds."""
    generator = IdGenerator(domains.Draws(numbers))
    symbol = symbols.symbol("g", IdGenerator)
    lifter = Lifter()
    result = lifter.call(draws_until_not_zero, [symbol.value], {})
    found = Evaluation(symbols.bind_draws(lifter.drawn, numbers, []), {})
    assert found.outcome(lifter, result) == run(draws_until_not_zero, {"g": generator})


ASSERTING = """
def asserting(n: int) -> int:
    assert n > 3, "n is small"
    assert n
    return n
"""


def imported(folder: Path, name: str, text: str) -> types.ModuleType:
    """A module of this text, which pytest does not rewrite."""
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_assertions(tmp_path: Path) -> None:
    """An assertion that does not hold raises."""
    function = imported(tmp_path, "asserting_sample", ASSERTING).asserting
    walked = Lifted(function)
    assert all(walked.agrees(n=n) for n in (-1, 0, 3, 4, 1 << 80))


# What is easily read as something that it is not. Each is lifted right or refused.


def comparison_with_float(n: int) -> bool:
    return n == 1.0


def search_for_float(n: int) -> bool:
    return n in (0.0, 1.0)


class Name(str, enum.Enum):  # noqa: UP042
    A = "a"


def comparison_with_str_enum(s: str) -> bool:
    return s == Name.A


class EqualToAll:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Index:
    def __index__(self) -> int:
        return 5


EQUAL_TO_ALL = EqualToAll()
INDEX = Index()
BYTES = bytearray(b"\x00")


def comparison_with_odd_object(n: int) -> bool:
    return n == EQUAL_TO_ALL


def comparison_with_bytearray(d: bytes) -> bool:
    return d == BYTES


def index_of_object(n: int) -> int:
    return operator.index(INDEX)


def value_of_enum(n: int) -> bool:
    return n == Kind.LOW.value


def comparison_with_enum(n: int) -> tuple[bool, bool]:
    return n == Kind.HIGH, n < Kind.LOW


def name_of_enum(n: int) -> bool:
    return Kind.LOW.name == "LOW"


def equal_matches(s: str) -> bool:
    return LETTER.match("a") == LETTER.match(s[:1])


def identical_matches(s: str) -> bool:
    return LETTER.match("a") is LETTER.match("b")


def text_of_match(s: str) -> Any:
    found = LETTER.match(s)
    return found is not None and found.string == s[:3]


def end_of_match(s: str) -> Any:
    found = LETTER.match(s)
    return found is not None and found.endpos


def percent_none(n: int) -> str:
    return "a%s" % (None)  # noqa: UP031


def union_with_none(n: int) -> bool:
    return isinstance(n, int | None)


def pass_on(function: Callable[[bool], bool]) -> Callable[[bool], bool]:
    @functools.wraps(function)
    def inner(b: bool) -> bool:
        return not function(b)

    return inner


@pass_on
def decorated(b: bool) -> bool:
    return b


def calls_decorated(b: bool) -> bool:
    return decorated(b)


def replaces(function: Callable[..., Any]) -> Callable[..., Any]:
    return double


@replaces
def replaced(n: int) -> int:
    return n


def calls_replaced(n: int) -> int:
    return replaced(n)


def yields_nothing(b: bool) -> Any:
    return b
    yield b


def calls_generator(b: bool) -> bool:
    return bool(yields_nothing(b))


class Odd(int):
    """An integer that computes in its own way."""

    MAKE = int

    def __add__(self, other: object) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return True

    def __bool__(self) -> bool:
        return False

    __hash__ = int.__hash__

    @staticmethod
    def first(a: int, b: int = 0) -> int:
        return a

    @functools.cached_property
    def cached(self) -> int:
        return 5


class OddPair(tuple):  # type: ignore[type-arg]
    """A tuple that has its own length and items."""

    def __len__(self) -> int:
        return 7

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = tuple.__hash__


def own_addition(n: int) -> int:
    return int.__new__(Odd, n) + 1


def own_equality(n: int) -> bool:
    return int.__new__(Odd, n) == n + 1


def own_truth(n: int) -> bool:
    return bool(int.__new__(Odd, 1))


def own_truth_of_condition(n: int) -> int:
    return 1 if int.__new__(Odd, 1) else 2


def own_length(n: int) -> int:
    return len(tuple.__new__(OddPair, (n,)))


def own_equality_of_tuple(n: int) -> bool:
    return tuple.__new__(OddPair, (n,)) == ()


def static_method(n: int) -> int:
    return int.__new__(Odd, n).first(7)


def static_method_of_plain(n: int) -> int:
    return Plain(1).fixed(n)


def class_as_attribute(n: int) -> int:
    return int.__new__(Odd, n).MAKE()


def cached_attribute(n: int) -> bool:
    return int.__new__(Odd, n).cached == 5


def made_by_both(n: int) -> int:
    return Both(n).x


class Slotted:
    """An object that reads an attribute before it has one."""

    __slots__ = ("x", "y")

    def __init__(self, x: int) -> None:
        self.y = self.x is None  # type: ignore[attr-defined]


def reads_empty_slot(n: int) -> bool:
    return Slotted(n).y


class Guarded:
    """An object that does not let its attributes be set."""

    def __init__(self, x: int) -> None:
        self.x = x

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


def guarded_attribute(n: int) -> int:
    return Guarded(n).x


class ReadOnly:
    """An object with a property where it means to set an attribute."""

    def __init__(self, x: int) -> None:
        self.x = x  # type: ignore[misc]

    @property
    def x(self) -> int:
        return 1


def read_only_attribute(n: int) -> int:
    return ReadOnly(n).x


class Holder:
    """An object that holds a method of another one."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.held: Any = None

    def get(self) -> int:
        return self.number


FIRST, SECOND = Holder(1), Holder(2)
FIRST.held = SECOND.get


def fullmatch(pattern: re.Pattern[str], text: str) -> bool:
    """A function with the name of a method of patterns."""
    return text == "ab"


BOUND_FUNCTION = types.MethodType(fullmatch, LETTER)


def method_by_name_only(s: str) -> Any:
    return bool(BOUND_FUNCTION(s))


class EqualToLen:
    """An object that a dictionary takes for ``len``."""

    def __call__(self, of: object) -> int:
        return 5

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash(len)


EQUAL_TO_LEN = EqualToLen()


def length_by_equality(s: str) -> int:
    return EQUAL_TO_LEN(s)


def held_method(n: int) -> int:
    return FIRST.held()


class Padded(tuple):  # type: ignore[type-arg]
    """A tuple that has an item at every position."""

    def __getitem__(self, where: Any) -> Any:
        return 5


PADDED = Padded((1, 2))


def own_items(n: int) -> Any:
    return PADDED[n]


def items_at_odd_index(n: int) -> Any:
    return (1, 2, 3, 4, 5, 6, 7)[INDEX]


def items_at_flags(n: int) -> Any:
    return (1, 2, 3)[Kind.HIGH]


def lambda_with_keyword(n: int) -> int:
    return (lambda: 1)(y=n)  # type: ignore[call-arg]


def lambda_with_star(n: int) -> int:
    return (lambda *LIMIT: LIMIT)()  # type: ignore[return-value]  # noqa: N803


def lambda_with_keyword_only(n: int) -> int:
    return (lambda *, LIMIT=1: LIMIT)()  # noqa: N803


def unbound_local(b: bool) -> int:
    if b:
        return LIMIT  # type: ignore[used-before-def]  # noqa: F823
    LIMIT = 1  # noqa: N806
    return LIMIT  # noqa: RET504


class Pair(NamedTuple):
    first: int
    second: int


class Hiding(Pair):
    """A tuple of which one field is hidden by a property."""

    @property
    def second(self) -> int:
        return 5


class Mangled:
    """An object with a private attribute."""

    def __init__(self, x: int) -> None:
        self.__x = x


def hidden_field(n: int) -> int:
    return tuple.__new__(Hiding, (n, n)).second


def too_few_fields(n: int) -> int:
    return tuple.__new__(Pair, (n,)).second


def private_attribute(n: int) -> int:
    return Mangled(n).__x


def loop_that_reads_through_a_lambda(n: int) -> int:
    x = 9
    read = lambda: x  # noqa: E731
    while n > 3:
        n = read()
        x = 0
    return n


def loop_that_raises(b: bool) -> int:
    while b:
        raise KeyError
    return 1


def return_in_loop(b: bool) -> int:
    while b:
        return 1
    return 2


def named_handler(s: str) -> Any:
    if len(s) != 1:
        return None
    try:
        return int(s, 16)
    except ValueError as error:
        return type(error) is ValueError


ERRORS = (ValueError, TypeError)


def handler_of_constant(n: int) -> Any:
    try:
        return SpanId(n)
    except ERRORS:
        return None


def handler_with_odd_type(n: int) -> Any:
    try:
        return SpanId(n)
    except (ERRORS, KeyError):  # type: ignore[misc]
        return None


def dict_behind_an_exception(n: int, b: bool) -> int:
    return (n % 0 + {}) if b else 1  # type: ignore[operator]


def dict_behind_short_circuit(n: int, b: bool) -> Any:
    return b and (n // 0 + {})  # type: ignore[operator]


def dict_for_none(x: int | None) -> Any:
    return (x + {}) if x is None else x  # type: ignore[operator]


def exception_with_odd_message(n: int) -> int:
    if n:
        raise UnicodeDecodeError("codec")  # type: ignore[call-arg]
    return n


def missing_attribute(n: int) -> Any:
    return sys.no_such_name  # type: ignore[attr-defined]


def wrong_number_of_arguments(n: int) -> Any:
    return double()  # type: ignore[call-arg]


def isinstance_of_no_class(n: int) -> Any:
    return isinstance(n, 5)  # type: ignore[arg-type]


def negative_item(s: str) -> Any:
    if len(s) > 3:
        return None
    return s[-2]


def bools_together(b: bool) -> Any:
    return (b ^ True) is True


TREACHEROUS: list[Callable[..., Any]] = [
    comparison_with_float,
    search_for_float,
    comparison_with_str_enum,
    comparison_with_odd_object,
    comparison_with_bytearray,
    index_of_object,
    value_of_enum,
    name_of_enum,
    comparison_with_enum,
    text_of_kind,
    equal_matches,
    identical_matches,
    text_of_match,
    end_of_match,
    percent_none,
    union_with_none,
    calls_decorated,
    calls_replaced,
    calls_generator,
    own_addition,
    own_equality,
    own_truth,
    own_truth_of_condition,
    own_length,
    own_equality_of_tuple,
    static_method,
    static_method_of_plain,
    class_as_attribute,
    cached_attribute,
    made_by_both,
    reads_empty_slot,
    guarded_attribute,
    read_only_attribute,
    held_method,
    method_by_name_only,
    length_by_equality,
    own_items,
    items_at_odd_index,
    items_at_flags,
    lambda_with_keyword,
    lambda_with_star,
    lambda_with_keyword_only,
    unbound_local,
    hidden_field,
    too_few_fields,
    private_attribute,
    loop_that_reads_through_a_lambda,
    loop_that_raises,
    return_in_loop,
    named_handler,
    handler_of_constant,
    handler_with_odd_type,
    dict_behind_an_exception,
    dict_behind_short_circuit,
    dict_for_none,
    exception_with_odd_message,
    missing_attribute,
    wrong_number_of_arguments,
    isinstance_of_no_class,
    negative_item,
    bools_together,
    caught_from_call,
    late_binding,
    late_binding_in_turn,
    late_binding_after_handler,
    attribute_of_none,
    text_of_flags,
    text_of_bytes,
    text_of_none,
]
EXAMPLES: dict[Any, tuple[Any, ...]] = {
    int: (-1, 0, 1, 2, 300),
    str: ("", "a", "ab", "abc", "g"),
    bool: (False, True),
    bytes: (b"", b"\x00", b"a"),
    None: (None,),
    int | None: (None, 0, 1),
}


@pytest.mark.parametrize("function", TREACHEROUS)
def test_refused_or_right(function: Callable[..., Any]) -> None:
    """A function that an approximate reading would get wrong is lifted right or refused."""
    hints = inspect.get_annotations(function, eval_str=True)
    names = [name for name in hints if name != "return"]
    inputs: list[dict[str, Any]] = [{}]
    for name in names:
        inputs = [{**i, name: value} for i in inputs for value in EXAMPLES[hints[name]]]
    assert all(refused_or_agrees(function, **i) for i in inputs)


# What is refused, and where.


def for_loop(n: int) -> int:
    for i in (1, 2):  # refused
        n = n + i
    return n


def loop_with_else(n: int) -> int:
    while n > 3:  # refused
        n = 0
    else:
        n = 1
    return n


def loop_with_break(n: int) -> int:
    while n > 3:
        break  # refused
    return n


def loop_with_return(n: int) -> int:
    while n > 3:  # refused
        return 1  # refused
    return n


def loop_with_memory(n: int) -> int:
    while n > 3:
        n = n - 1  # refused
    return n


def loop_with_augmented_memory(n: int, b: bool) -> int:
    found = 0
    while b:
        found += 1  # refused
        b = found < n
    return found


def loop_with_conditional_memory(g: IdGenerator) -> int:
    found, number = 0, 1
    while number:
        number = g._getrandbits(1)
        if number:
            found = 1
        number = found  # refused
    return found


def generator(n: int) -> Any:  # refused
    yield n  # refused


def dictionary(n: int) -> Any:
    return {n: 1}  # refused


def comprehension(n: int) -> Any:
    return tuple(i for i in (n,))  # refused


def list_display(n: int) -> Any:
    return [n]  # refused


def unknown_builtin(n: int) -> Any:
    return abs(n)  # refused


def unknown_method(s: str) -> Any:
    return s.lower()  # refused


def unknown_name(n: int) -> Any:
    return no_such_name  # type: ignore[name-defined]  # noqa: F821  # refused


def unknown_function_of_a_library(s: str) -> Any:
    return re.fullmatch("a", s)  # refused


def behind_the_window(s: str) -> Any:
    if len(s) < 70:
        return None
    return s[64]  # refused


def slice_behind_the_window(s: str) -> Any:
    if len(s) < 80:
        return None
    return s[60:70]  # refused


def number_behind_the_window(s: str) -> Any:
    if len(s) < 3:
        return None
    return int(s, 16)  # refused


def match_behind_the_window(s: str) -> Any:
    return WORD.fullmatch(s)  # refused


def comparison_behind_the_window(s: str, t: str) -> bool:
    return s == t  # refused


def with_star(*numbers: int) -> Any:
    return numbers


def star_arguments(n: int) -> Any:
    return with_star(n)  # refused


def star_in_a_call(n: int) -> Any:
    return double(*(n, 2))  # refused


def endless(n: int) -> int:
    return endless(n + 1)  # refused


def endless_for_some(n: int) -> int:
    return 0 if n == 5 else endless_for_some(n)  # refused


def divided_by_unknown(n: int, m: int) -> int:
    return n // m  # refused


def division_of_negative(n: int) -> int:
    return n // 2  # refused


def shifted_by_unknown(n: int, m: int) -> int:
    if m < 0:
        return 0
    return n << m  # refused


def decimal(n: int) -> str:
    return f"{n}"  # refused


def decimal_text(s: str) -> int:
    return int(s)  # refused


def walrus(n: int) -> int:
    return (m := n) + m  # refused


def set_attribute(n: int) -> Any:
    LETTER.x = n  # type: ignore[attr-defined]  # refused
    return n


def subscript_assignment(n: int) -> Any:
    EXAMPLES[n] = n  # type: ignore[assignment]  # refused
    return n


def deleted(n: int) -> int:
    m = n
    del m  # refused
    return n


def finally_block(n: int) -> int:
    try:  # refused
        n = 1
    finally:
        n = 2
    return n


def try_else(n: int) -> int:
    try:  # refused
        n = 1
    except ValueError:
        n = 2
    else:
        n = 3
    return n


def imports(n: int) -> int:
    import os  # noqa: F401  # refused

    return n


def nested_function(n: int) -> int:
    def inner() -> int:  # refused
        return n

    return inner()


def possibly_undefined(n: int) -> int:
    if n > 3:
        found = 1
    return found  # refused


def reraised(n: int) -> int:
    try:
        SpanId(n)
    except ValueError:
        raise  # refused
    return n


def identity_of_numbers(n: int, m: int) -> bool:
    return n is m  # refused


REFUSED: list[Callable[..., Any]] = [
    for_loop,
    loop_with_else,
    loop_with_break,
    loop_with_return,
    loop_with_memory,
    loop_with_augmented_memory,
    loop_with_conditional_memory,
    generator,
    dictionary,
    comprehension,
    list_display,
    unknown_builtin,
    unknown_method,
    unknown_name,
    unknown_function_of_a_library,
    behind_the_window,
    slice_behind_the_window,
    number_behind_the_window,
    match_behind_the_window,
    comparison_behind_the_window,
    star_arguments,
    star_in_a_call,
    endless,
    endless_for_some,
    divided_by_unknown,
    division_of_negative,
    shifted_by_unknown,
    decimal,
    decimal_text,
    walrus,
    set_attribute,
    subscript_assignment,
    deleted,
    finally_block,
    try_else,
    imports,
    nested_function,
    possibly_undefined,
    reraised,
    identity_of_numbers,
]


def marked_lines(function: Callable[..., Any]) -> list[int]:
    """The lines with the mark in the source of a function."""
    lines, first = inspect.getsourcelines(function)
    return [n for n, line in enumerate(lines, first) if line.endswith("# refused\n")]


@pytest.mark.parametrize("function", REFUSED)
def test_refusals(function: Callable[..., Any]) -> None:
    """What is not modelled is refused with its file and line."""
    with pytest.raises(Refused) as refusal:
        Lifted(function)
    places = tuple(f"{__file__}:{line}: " for line in marked_lines(function))
    assert str(refusal.value).startswith(places), refusal.value


# What no input reaches is not refused.


def dict_behind_return(n: int) -> Any:
    return n
    return {n: 1}


def dict_behind_impossible_condition(n: int) -> Any:
    if 2 * n == 3:
        return {n: 1}
    return n


def dict_behind_raise(n: int) -> Any:
    SpanId(-1)
    return {n: 1}


def dict_behind_certain_condition(s: str) -> Any:
    if len(s) >= 0:
        return 1
    for c in s:
        return c
    return 2


def dict_in_other_operand(n: int) -> Any:
    return n != n and {n: 1}


@pytest.mark.parametrize(
    "function",
    [
        dict_behind_return,
        dict_behind_impossible_condition,
        dict_behind_raise,
        dict_behind_certain_condition,
        dict_in_other_operand,
    ],
)
def test_what_is_not_reached_is_not_refused(function: Callable[..., Any]) -> None:
    """A construct that is not modelled does no harm where no input leads."""
    (name,) = [n for n in inspect.get_annotations(function) if n != "return"]
    for value in ("", "a") if name == "s" else (-1, 0, 3):
        assert Lifted(function).agrees(**{name: value})


# Sources.


ANSWERS = """
def answer(n):
    return n + 1

def other(n):
    return n + 2

class Box:
    def get(self):
        return 1

if True:
    def inside(n):
        return n

def makes():
    def made(n):
        return n
    return made

shown = lambda n: n
"""


@pytest.fixture
def answers(tmp_path: Path) -> types.ModuleType:
    return imported(tmp_path, f"answers_{tmp_path.name.replace('-', '_')}", ANSWERS)


def test_definition_is_what_runs(answers: types.ModuleType) -> None:
    """The definition is found by the name and the code of a function."""
    assert sources.definition(answers.answer).lineno == 2
    assert sources.definition(answers.Box.get).name == "get"


def test_swapped_code_is_a_mismatch(answers: types.ModuleType) -> None:
    """A function with the code of another one is not what its source says."""
    answers.answer.__code__ = answers.other.__code__
    with pytest.raises(sources.SourceMismatch):
        sources.definition(answers.answer)
    with pytest.raises(sources.SourceMismatch):
        Lifter().call(answers.answer, [v.number(1)], {})


def test_replaced_method_is_a_mismatch(answers: types.ModuleType) -> None:
    """A method with changed code is not what its source says, though its name is."""
    answers.Box.get.__code__ = answers.Box.get.__code__.replace(co_consts=(None, 2))
    with pytest.raises(sources.SourceMismatch):
        sources.definition(answers.Box.get)


def test_changed_file_is_a_mismatch(tmp_path: Path) -> None:
    """A source that was changed after the import is not what runs."""
    module = imported(tmp_path, "stale_sample", ANSWERS)
    (tmp_path / "stale_sample.py").write_text(ANSWERS.replace("n + 1", "n + 3"), encoding="utf-8")
    with pytest.raises(sources.SourceMismatch):
        sources.definition(module.answer)


def test_a_stand_in_is_a_mismatch_unless_it_is_the_same(answers: types.ModuleType) -> None:
    """Where another text stands for a module, functions of the first one do not match it."""
    text = ANSWERS.replace("n + 1", "n + 4")
    with sources.replaced(sources.Module(answers.__name__, "elsewhere.py", text)):
        with pytest.raises(sources.SourceMismatch):
            sources.definition(answers.answer)
        assert sources.definition(answers.other).name == "other"
    assert sources.definition(answers.answer).name == "answer"


@pytest.mark.parametrize("name", ["inside", "made", "shown"])
def test_definitions_that_are_not_found(answers: types.ModuleType, name: str) -> None:
    """A function that is defined elsewhere than in a module or class is never misread."""
    function = answers.makes() if name == "made" else getattr(answers, name)
    try:
        result = Lifter().call(function, [v.number(1)], {})
    except (sources.SourceMismatch, Refused):
        return
    assert result == v.number(1)
