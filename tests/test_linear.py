"""Linear integers and named tuples, lifted, are those of CPython, or they are refused."""

import ast
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.lift import symbols
from proofs.lift.lifter import Lifter
from proofs.lift.paths import Refused
from tests.test_models import Returned, lifted

SOME = settings(max_examples=25, deadline=None)


class Numbers(NamedTuple):
    """Integers of any size, and a truth."""

    a: int
    b: int
    c: bool


NUMBERS = st.builds(
    Numbers, st.integers(-9, 9) | st.integers(), st.integers(-9, 9) | st.integers(), st.booleans()
)

SMALL = frozenset({0, 1})

# Numbers.


def sums(n: Numbers) -> Any:
    return n.a + n.b, n.a - n.b, 3 + n.a, 3 - n.a, n.a + 0, n.a + n.a - n.a


def signs(n: Numbers) -> Any:
    return -n.a, +n.a, +(-n.b), -n.a - -n.b


def multiples(n: Numbers) -> Any:
    return n.a * 7, -3 * n.b, n.a * 0, 2 * (n.a + n.b) * 5


def quotients(n: Numbers) -> Any:
    return (
        n.a // 1,
        n.a // 2,
        n.a // 7,
        n.b // 1_000_000_000_000_000_000_000,
        -n.a // 3,
        -(n.a // 3),
    )


def remainders(n: Numbers) -> Any:
    return n.a % 1, n.a % 2, n.a % 7, n.b % 1_000_000_000_000_000_000_000, -n.a % 3, -(n.a % 3)


def comparisons(n: Numbers) -> Any:
    return n.a < n.b, n.a <= n.b, n.a > n.b, n.a >= n.b, n.a == n.b, n.a != n.b, n.a < 3 <= n.b


def truths(n: Numbers) -> Any:
    return bool(n.a), not n.a, n.a == 0 or n.b != 0, (1 if n.a else 2), any((n.a, n.b))


def with_truths(n: Numbers) -> Any:
    return n.a + n.c, n.c - n.a, n.a + True, n.a < n.c, n.c == n.a, n.c + n.b + n.c


def with_known(n: Numbers) -> Any:
    one = 1 if n.c else -5
    return n.a + one, one - n.b, n.a > one, one == n.b, min(n.a, one), max(one, n.b)


def members(n: Numbers) -> Any:
    return n.a in (1, n.b), n.a in SMALL, n.b not in (0,), (n.a, n.b) == (n.b, n.a)


def least(n: Numbers) -> Any:
    return min(n.a, n.b), min(n.a, 3), min(-2, n.b), min(n.a, n.a), min(min(n.a, n.b), 0)


def largest(n: Numbers) -> Any:
    return max(n.a, n.b), max(n.a, 3), max(-2, n.b), max(n.a, n.a), max(max(n.a, n.b), 0)


def branches(n: Numbers) -> Any:
    found = 0
    if n.a > n.b:
        found = n.a
    elif n.c:
        found += n.b
    else:
        found = 7
    return found, (n.a if n.c else 5), (5 if n.c else n.b), n.c and n.a == 1


def with_nothing(n: Numbers) -> Any:
    found = n.a if n.c else None
    return 0 if found is None else found + 1


def texts_and_nothing(n: Numbers) -> Any:
    return n.a == "1", n.a == None, n.a is None, n.a != (1,)  # type: ignore[comparison-overlap] # noqa: E711


LINEAR = [
    *(sums, signs, multiples, quotients, remainders, comparisons, truths, with_truths),
    *(with_known, members, least, largest, branches, with_nothing, texts_and_nothing),
]


@pytest.mark.parametrize("function", LINEAR)
@SOME
@given(NUMBERS)
def test_linear_integers(function: Callable[..., Any], n: Numbers) -> None:
    """Lifted over integers of any size, a function gives what CPython gives."""
    assert lifted(function).agrees(n=n)


@pytest.mark.parametrize("function", LINEAR)
def test_linear_integers_at_the_edges(function: Callable[..., Any]) -> None:
    """Dividends of either sign, ties, and each truth."""
    for a in (-8, -7, -1, 0, 1, 7):
        for b in (-1, 0, 1, 7):
            assert all(lifted(function).agrees(n=Numbers(a, b, c)) for c in (False, True))


def tied(n: Numbers) -> Any:
    return min(True, n.a), min(n.a, True), max(n.c, n.a), max(n.a, n.c), max(0, min(False, n.b))


@SOME
@given(NUMBERS)
def test_a_truth_among_numbers_is_one_of_them(n: Numbers) -> None:
    """A truth that is picked is its number: no operation of the subset tells them apart."""
    found = lifted(tied).outcome(n=n)
    assert isinstance(found, Returned)
    assert found.value == tied(n)


def least_of_bits(n: int, m: int) -> Any:
    return min(n, m), min(n, 3), min(-3, m), min(n & 7, 2 - (m & 3)), min(n, n)


def largest_of_bits(n: int, m: int) -> Any:
    return max(n, m), max(n, 3), max(-3, m), max(n & 7, 2 - (m & 3)), max(n, n)


@pytest.mark.parametrize("function", [least_of_bits, largest_of_bits])
@SOME
@given(st.integers(-9, 9) | st.integers(), st.integers(-9, 9) | st.integers())
def test_min_and_max_of_bit_vectors(function: Callable[..., Any], n: int, m: int) -> None:
    """They are those of CPython, within the bounds that are kept of them."""
    assert lifted(function).agrees(n=n, m=m)


REFUSED = [
    "n.a * n.b",
    "n.a * n.a",
    "7 // n.a",
    "n.b % n.a",
    "n.a // 0",
    "n.a % 0",
    "n.a // -2",
    "n.a % -2",
    "n.a / 2",
    "n.a**2",
    "2**n.a",
    "n.a << 1",
    "1 << n.a",
    "n.a >> 1",
    "n.a & 1",
    "n.a | 1",
    "n.c ^ n.a",
    "~n.a",
    "n.a @ n.b",
    "n.a < 1.5",
    "n.a == 1.0",
    "n.a + None",
    'f"{n.a}"',
    'f"{n.a:x}"',
    '"abc"[n.a]',
    '"abc"[: n.a]',
    "(1, 2)[n.a]",
    "n[n.a]",
    "n.a is n.b",
    "n.a.real",
    "n.a.bit_length()",
    "isinstance(n.a, bool)",
    "type(n.a)",
    'int.to_bytes(n.a, 8, "big")',
    "divmod(n.a, 2)",
    "abs(n.a)",
    "pow(n.a, 2)",
    "min(n.a, n.b, 1)",
    "min((n.a, n.b))",
    "max(n)",
    "min(n.a)",
    "min(n.a, n.b, key=abs)",
    "max((n.a,), default=1)",
    'max(n.a, "a")',
    "min(n.a, None)",
    "min(n.c, n.c)",
    "n.a.a",
    "len(n.a)",
    "abs(n.a)",
    "int(n.a)",
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_linear_is_refused(text: str) -> None:
    """An operation that linear arithmetic cannot say is refused, not approximated."""
    node = ast.parse(text, mode="eval").body
    numbers = symbols.symbol("n", Numbers).value
    with pytest.raises(Refused):
        Lifter().expression(node, sums, {"n": numbers})
