"""Named tuples, lifted, are those of CPython, or they are refused."""

import ast
from abc import ABCMeta
from collections import namedtuple
from collections.abc import Callable
from functools import cached_property, partial
from inspect import Parameter, Signature
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.lift import symbols
from proofs.lift.lifter import Lifter
from proofs.lift.paths import Refused
from proofs.lift.records import is_record
from proofs.sources import SourceMismatch
from tests.test_models import Outcome, evaluation, lifted, run

SOME = settings(max_examples=20, deadline=None)


class Point(NamedTuple):
    x: int
    y: int = 7
    seen: bool = False

    @property
    def total(self) -> int:
        return self.x + self.y

    def moved(self, by: int) -> "Point":
        return self._replace(x=self.x + by)

    @staticmethod
    def origin() -> "Point":
        return Point(0, 0)

    @classmethod
    def of(cls, x: int) -> "Point":
        return cls(x)


class Line(NamedTuple):
    start: Point = Point(0, 0)
    end: Point = Point(1, 1, True)


POINTS = st.builds(Point, st.integers(), st.integers(), st.booleans())
LINES = st.builds(Line, POINTS, POINTS)

# What is lifted.


def made(p: Point) -> Any:
    return (
        Point(p.x),
        Point(1, p.y),
        Point(y=p.x, x=p.y),
        Point(1, seen=p.seen),
        Point(p.x, 2, True),
    )


def nested(p: Point) -> Any:
    return Line(), Line(p), Line(end=p), Line(p, p).end.total, Line().end.seen


def changed(p: Point) -> Any:
    return p._replace(), p._replace(y=p.x), p._replace(seen=True, x=1), p.moved(3)._replace(y=0)


def parts(p: Point) -> Any:
    x, y, seen = p
    return x, y, seen, p[0], p[-1], p.total, len(p), p.x == p[0], bool(p), p.seen


def ways_to_make_one(p: Point) -> Any:
    return p.origin(), Point.origin(), p.of(p.x), Point.of(p.y)


def equalities(p: Point) -> Any:
    whole = p == (p.x, p.y, p.seen), p == (1, 2, False), p == (p.x, p.y), p == p.x, p != Point(1)  # type: ignore[comparison-overlap]
    return whole, p == Point(p.x, p.y, p.seen), p in (Point(1), p), Line(p, p) == (p, (1, 2, True))


def kinds(p: Point) -> Any:
    return isinstance(p, Point), isinstance(p, tuple), isinstance(p, Line), type(p) is Point


def joined(p: Point) -> Any:
    return p + (1,), p[:2]  # noqa: RUF005


def either_one(p: Point) -> Any:
    found = p if p.seen else Point(1, p.y)
    if p.x > 3:
        found = found._replace(x=3)
    return found, found.total, (Line(p) if p.seen else p)


LIFTED = [
    *(made, nested, changed, parts, ways_to_make_one, equalities, kinds, joined, either_one),
]


@pytest.mark.parametrize("function", LIFTED)
@SOME
@given(POINTS)
def test_records(function: Callable[..., Any], p: Point) -> None:
    """A named tuple is made, changed, read and compared as CPython does it."""
    assert lifted(function).agrees(p=p)


def of_lines(line: Line) -> Any:
    far = line._replace(end=line.start.moved(2))
    return far, far.end.total, line.start == line.end, line == Line(line.start), far.start.seen


@SOME
@given(LINES)
def test_records_of_records(line: Line) -> None:
    """Fields that are named tuples themselves are looked into."""
    assert lifted(of_lines).agrees(line=line)


# What is treacherous.


def _with(**changes: Any) -> Any:
    """A named tuple of x and y, changed after it was made."""

    class Changed(NamedTuple):
        x: int
        y: int = 7

    Changed.__module__ = __name__
    for name, value in changes.items():
        setattr(Changed, name, value)
    return Changed


def _swapped_new(cls: type, x: int, y: int = 7) -> Any:
    return tuple.__new__(cls, (y, x))


def _forgetful(self: Any, **changes: Any) -> Any:
    return self


def _fixed(self: Any, *others: Any) -> Any:
    return 5


def _empty(cls: Any, items: Any) -> Any:
    return tuple.__new__(cls, (0, 0))


def _prepared(self: Any, *arguments: Any) -> None:
    raise ValueError


def _silent(cls: Any, x: int, y: int = 7) -> Any: ...


class _Odd:
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return 5


SWAPPED = Signature(
    [
        Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=default)
        for name, default in (("_cls", Parameter.empty), ("y", Parameter.empty), ("x", 9))
    ]
)

NewSet = _with(__new__=_swapped_new)
StaticNewSet = _with(__new__=staticmethod(_swapped_new))
InitSet = _with(__init__=_prepared)
ReplaceSet = _with(_replace=_forgetful)
MakeSet = _with(_make=classmethod(_empty))
EqSet = _with(__eq__=_fixed)
LenSet = _with(__len__=_fixed)
ItemSet = _with(__getitem__=_fixed)
GetSet = _with(__getattribute__=_fixed)
GetMissing = _with(__getattr__=_fixed)
FieldSet = _with(x=_Odd())
FieldsSet = _with(_fields=("y", "x"))
FieldsGone = _with(_fields=())
FieldsOdd = _with(_fields=("x", "x"))
FieldsList = _with(_fields=["x", "y"])
Swapped = _with()
Swapped.x, Swapped.y = Swapped.y, Swapped.x
Defaults = _with()
Defaults.__new__.__defaults__ = (1, 2)
Foreign = _with()
Foreign.__new__.__signature__ = SWAPPED
Wrapped = _with()
Wrapped.__new__.__wrapped__ = _silent
Coded = _with()
Coded.__new__.__code__ = (lambda _cls, x, y: _tuple_new(_cls, (y, x))).__code__  # type: ignore[name-defined] # noqa: F821
Annotated = _with(__annotations__={"y": bool, "x": int})
Untyped = namedtuple("Untyped", "x y", defaults=(7,))


class Sub(Point):
    """A class beneath a named tuple, which has a ``__dict__`` and may have an ``__init__``."""


class SubInit(Point):
    def __init__(self, *arguments: Any) -> None:
        raise ValueError


class SubNew(Point):
    def __new__(cls, x: int) -> "SubNew":
        return tuple.__new__(cls, (x, x, True))


class Meta(type):
    hidden = 5

    def __call__(cls, *arguments: Any) -> Any:
        return 5

    def helper(cls) -> int:
        return 5

    def __instancecheck__(cls, instance: Any) -> bool:
        return bool(instance == (5, 7, False))


class OfMeta(tuple[int, ...], metaclass=Meta):
    """A tuple that is not made like others."""


class Asked(metaclass=Meta):
    """A class that says itself what is an instance of it."""


class AskedAnew(metaclass=ABCMeta):  # noqa: B024
    @classmethod
    def __subclasshook__(cls, other: type) -> bool:
        return other is Point


class Cached(NamedTuple):
    x: int

    @cached_property
    def twice(self) -> int:
        return 2 * self.x


class Shadowed(tuple[int, ...]):
    def total(self) -> int:
        return 1


OF_META = tuple.__new__(OfMeta, (1, 2))
SHADOWED = Shadowed((1, 2))
SHADOWED.total = lambda: 99  # type: ignore[method-assign]
NAN = float("nan")


def own_signature(n: int, m: int = 3) -> int:
    return n + m


own_signature.__signature__ = Signature(  # type: ignore[attr-defined]
    [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=99) for name in "nm"]
)


def seems_wrapped(n: int, m: int = 3) -> int:
    return n + m


seems_wrapped.__wrapped__ = lambda n, m=99: 0  # type: ignore[attr-defined]


CHANGED = [
    *("NewSet", "StaticNewSet", "InitSet", "ReplaceSet", "MakeSet", "EqSet", "LenSet", "ItemSet"),
    *("GetSet", "GetMissing", "FieldSet", "FieldsSet", "FieldsGone", "FieldsOdd", "FieldsList"),
    *("Swapped", "Defaults", "Foreign", "Wrapped", "Coded", "Annotated", "Untyped"),
    *("Sub", "SubInit", "SubNew"),
]
USES = [
    *("{}(p.x)", "{}(p.x).x", "{}(p.x, 1).y", "{}(y=p.x, x=1)", "{}(p.x)._replace(x=1)"),
    *("{}(p.x) == (p.x, 7)", "len({}(p.x))", "{}(p.x)[0]", "{}(p.x).z", "{}(p.x)._replace(y=2).x"),
]
ODD = [
    *(
        "Point()",
        "Point(1, 2, True, 3)",
        "Point(1, z=p.x)",
        "Point(p.x, x=1)",
        "Point(x=1, _cls=2)",
    ),
    *("p._replace(z=1)", "p._replace(1)", "p._replace(self=p)", "p.z", "p.x.y", "p._fields"),
    *(
        "p._make((1, 2, True))",
        "Point._make((1, 2, True))",
        "p._asdict()",
        "p.count(1)",
        "p.index(1)",
    ),
    *("Point.x", "Point.total", "Point.moved(p, 1)", "Point._replace(p, x=1)", "p.__class__"),
    *("p < p", "p * 2", "p + p", "p is p", "p == Line(p)", "p.origin == Point.origin", "p[3]"),
    *("p.mro()", "p.__name__", "p.__module__", "Line(p).start.end", "Line(1).start", "Line(p).x"),
    *("OfMeta((p.x, 1))", "OF_META.hidden", "OF_META.helper()", "OF_META == (1, 2)", "OF_META[0]"),
    *("isinstance(p, Asked)", "isinstance(p, (int, Asked))", "isinstance(p, AskedAnew)"),
    *("isinstance(Line(p), AskedAnew)", "isinstance(p, object)", "isinstance(p, Sub)"),
    *("Cached(p.x).twice", "SHADOWED.total()", "SHADOWED[0]", "SHADOWED == (1, 2)"),
    *("(NAN,) == (NAN,)", "NAN in (NAN,)", "NAN == NAN", "Point(1) == (1, 7, NAN)"),
    *("Line(NAN) == Line(NAN)", "(NAN if p.seen else None) in (NAN,)"),
    *("own_signature(p.x)", "own_signature(p.x, 4)", "seems_wrapped(p.x)", "seems_wrapped(n=p.x)"),
]
EXAMPLES = [Point(x, y, seen) for x in (0, 1, 5) for y in (2, 7) for seen in (False, True)]


def outcomes(text: str) -> list[tuple[Outcome, Outcome]]:
    """What CPython and the lifter say of an expression, for each example of a point.

    :raises Refused: if the lifter says nothing.
    """
    symbol, lifter = symbols.symbol("p", Point), Lifter()
    node = ast.parse(text, mode="eval").body
    result = lifter.expression(node, made, {"p": symbol.value})
    found = []
    for point in EXAMPLES:
        real = run(partial(eval, text, globals(), {"p": point}), {})
        terms = evaluation({"p": symbol}, {"p": point})
        assert terms is not None
        found.append((real, terms.outcome(lifter, result)))
    return found


@pytest.mark.parametrize("text", [*(use.format(c) for c in CHANGED for use in USES), *ODD])
def test_refused_or_right(text: str) -> None:
    """What is not as it looks is lifted as what it is, or refused."""
    try:
        found = outcomes(text)
    except (Refused, SourceMismatch):
        return
    for real, said in found:
        assert real == said


@pytest.mark.parametrize(
    "text",
    [
        *("Swapped(p.x).x", "Defaults(p.x)", "Foreign(p.x)", "Wrapped(p.x)", "Untyped(p.x)"),
        *("own_signature(p.x)", "seems_wrapped(p.x)", "Point.moved(p, 1)", "(NAN,) == (NAN,)"),
    ],
)
def test_what_is_taken_for_what_it_is(text: str) -> None:
    """These are lifted: changed where the change can be read, or unchanged but in looks."""
    for real, said in outcomes(text):
        assert real == said


@pytest.mark.parametrize(
    "name",
    [
        *("NewSet", "StaticNewSet", "InitSet", "ReplaceSet", "MakeSet", "EqSet", "LenSet"),
        *("ItemSet", "GetSet", "GetMissing", "FieldsSet", "FieldsGone", "FieldsOdd", "FieldsList"),
        *("Coded", "Sub", "SubInit", "SubNew", "OfMeta", "Shadowed"),
    ],
)
def test_what_is_no_record(name: str) -> None:
    """A class that makes, changes or compares its tuples in a way of its own is no record."""
    assert not is_record(globals()[name])


def test_a_record_is_one_for_as_long_as_it_is_as_it_was_made() -> None:
    """What a class was is not remembered."""
    changing = _with()
    assert is_record(changing)
    changing._replace = _forgetful
    assert not is_record(changing)


@pytest.mark.parametrize("name", ["Annotated", "Untyped", "NewSet", "Sub"])
def test_what_has_no_symbol(name: str) -> None:
    """There is no symbol of a class whose fields have no types, or others, or that is no record."""
    with pytest.raises(KeyError):
        symbols.symbol("p", globals()[name])


@SOME
@given(LINES)
def test_a_symbol_is_read_as_it_was_bound(line: Line) -> None:
    """A symbol of records gives the record back whose terms were put in."""
    symbol = symbols.symbol("line", Line)
    terms = evaluation({"line": symbol}, {"line": line})
    assert terms is not None
    read = symbol.read(terms)
    assert read == line
    assert type(read) is Line
    assert type(read.end) is Point
