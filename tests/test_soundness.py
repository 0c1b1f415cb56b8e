"""Code that would be proved wrongly if the lifter took its word for what it is."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest

from proofs.claim import FunctionClaim
from proofs.engines import Options, smt
from proofs.verdict import Verdict
from verified import IdGenerator

ODD = 0xDEADBEEF


def mostly(function: Callable[[int], int]) -> Callable[[int], int]:
    @wraps(function)
    def other(number: int) -> int:
        return 0 if number == ODD else function(number)

    return other


@mostly
def wrapped(number: int) -> int:
    return number


def a_wrapper_is_part_of_the_function(number: int) -> bool:
    return wrapped(number) == number


class Shadow(property):
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return 0 if instance == ODD else super().__get__(instance, owner)


class Shadowed(int):
    @Shadow
    def same(self) -> int:
        return int(self)


def a_property_of_another_kind_is_not_a_property(number: int) -> bool:
    return bool(int.__new__(Shadowed, number).same == number)


class Meta(type):
    def __call__(cls, number: int) -> Any:
        return super().__call__(0 if number == ODD else number)


class Made(int, metaclass=Meta):
    def __new__(cls, number: int) -> "Made":
        return int.__new__(cls, number)


def a_class_may_be_called_in_its_own_way(number: int) -> bool:
    return Made(number) == number


def refuses(number: int) -> int:
    if number == ODD:
        raise ValueError(f"not {1 // (number - ODD)}")
    return number


def a_message_may_raise_something_else(number: int) -> bool:
    try:
        return refuses(number) == number
    except ValueError:
        return number == ODD


def hangs(number: int) -> int:
    while number == ODD:
        pass
    return number


def a_loop_may_never_end(number: int) -> bool:
    return hangs(number) == number


@pytest.mark.parametrize(
    "function",
    [
        a_wrapper_is_part_of_the_function,
        a_property_of_another_kind_is_not_a_property,
        a_class_may_be_called_in_its_own_way,
        a_message_may_raise_something_else,
        a_loop_may_never_end,
    ],
)
def test_it_is_not_proved(function: Callable[..., bool]) -> None:
    claim = FunctionClaim(
        function, "A claim that is false", (), Verdict.BOUNDED, ("smt",), (function,), None
    )
    finding = smt.run(claim, Options(timeout=10))
    assert not finding.verdict.conclusive
    assert finding.reason is not None


def test_a_loop_that_draws_is_taken() -> None:
    claim = FunctionClaim(
        draws_until_it_likes_it, "", (), Verdict.PROVED, ("smt",), (IdGenerator._draw,), None
    )
    assert smt.run(claim, Options(timeout=10)).verdict is Verdict.PROVED


def draws_until_it_likes_it(generator: IdGenerator) -> bool:
    return generator._draw(8) > 0
