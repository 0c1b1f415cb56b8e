"""The path on which the lifter walks: what must be true of the inputs that reach a point.

Branches are walked one after the other, each with its condition on the path, and their
results merged. What an expression may raise is kept beside its value, and leaves the path.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import z3

from .values import (
    FALSE,
    TRUE,
    Choice,
    Undefined,
    Value,
    both,
    either,
    merge,
    negation,
)


class Refused(Exception):
    """The code has a construct that is not modelled; says which and where."""


@dataclass
class Raised:
    """That an exception of this type leaves an expression, and when."""

    guard: z3.BoolRef
    type: type[BaseException]
    variables: dict[str, Value]


@dataclass
class Drawn:
    """One call of a source of random bits."""

    guard: z3.BoolRef
    term: z3.BitVecRef
    in_loop: bool


@dataclass
class Frame:
    """A function as it is being walked."""

    globals: dict[str, Any]
    path: str
    variables: dict[str, Value]
    locals: frozenset[str] = frozenset()
    ended: bool = False
    returned: list[tuple[z3.BoolRef, Value]] = field(default_factory=list)


class Paths:
    """One path at a time through symbolic inputs, of which ``known`` is what is assumed."""

    def __init__(self, known: z3.BoolRef = TRUE, timeout: float = 3.0) -> None:
        self.solver = z3.Solver()
        # A branch of which the solver cannot say in time that nothing reaches it is walked.
        self.solver.set("timeout", max(1, int(1000 * timeout)))
        self.solver.add(known)
        self.path: z3.BoolRef = TRUE
        self.raised: list[Raised] = []
        self.frame = Frame({}, "", {})
        self.line = 0
        self._cuts = 0
        self._possible: dict[int, tuple[z3.BoolRef, bool]] = {}

    def possible(self, condition: z3.BoolRef) -> bool:
        """Whether some input reaches this point and meets the condition."""
        asked = both(self.path, condition)
        if z3.is_true(asked) or z3.is_false(asked):
            return bool(z3.is_true(asked))
        known = self._possible.get(asked.get_id())
        if known is None:
            known = asked, bool(self.solver.check(asked) != z3.unsat)
            self._possible[asked.get_id()] = known
        return bool(known[1])

    def certain(self, condition: z3.BoolRef) -> bool:
        """Whether every input that reaches this point meets the condition."""
        return not self.possible(negation(condition))

    def refuse(self, construct: str) -> Refused:
        return Refused(f"{self.frame.path}:{self.line}: {construct}")

    def fork(self, cases: Sequence[tuple[z3.BoolRef, Callable[[], Value]]]) -> Value:
        """Evaluate each case under its condition; exactly one of them holds."""
        before, whole = self.path, True
        results: list[tuple[z3.BoolRef, Value]] = []
        after: list[z3.BoolRef] = []
        for condition, evaluate in cases:
            if not self.possible(condition):
                continue
            self.path = entered = both(before, condition)
            try:
                value = evaluate()
            except Refused:
                # Whether this case is reached; the others are walked in any case.
                if self.possible(TRUE):
                    raise
                self.path, value = FALSE, Undefined()
            unchanged = self.path is entered
            whole = whole and unchanged
            results.append((condition if unchanged else self.path, value))
            after.append(self.path)
            self.path = before
        self.path = before if whole else either(*after)
        return merge(results)

    def over(self, value: Value, use: Callable[[Any], Value]) -> Value:
        """Apply to each alternative of a value."""
        if isinstance(value, Choice):
            return self.fork([(guard, partial(use, v)) for guard, v in value.alternatives])
        return use(value)

    def raise_when(self, condition: z3.BoolRef, exception: type[BaseException]) -> None:
        """Let this exception leave here on the inputs that meet the condition."""
        if self.possible(condition):
            guard = both(self.path, condition)
            self.raised.append(Raised(guard, exception, dict(self.frame.variables)))
            self.path = both(self.path, negation(condition))
            self._cuts += 1
