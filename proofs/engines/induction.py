"""The induction engine: a claim about every run of a machine, of any length.

The shipped ``step`` is lifted over integers without bounds, once for each kind of event;
that is the transition relation, and there is no other. Spacer, of Z3, looks for a
condition on states that holds at the start, is kept by every step, and implies the
claim. What it finds is not believed: each of these three is an obligation of its own, in
SMT-LIB 2, which Z3 and cvc5 must each refute the negation of.

Where Spacer says that a run breaks the claim, the shortest one is looked for by
unrolling the same relation, and run on the shipped code.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from types import CodeType
from typing import Any

import cvc5
import z3

from .. import sources
from ..claim import Claim
from ..drawn import sample
from ..lift import symbols
from ..lift.lifter import Lifter
from ..lift.paths import Refused
from ..lift.values import TRUE, Bool, Int, Linear, Tuple, Value, both, negation, of_known
from ..machine import Machine, MachineClaim, Run, Step
from ..verdict import OUTSIDE, Finding, Verdict
from . import Options

NAME = "induction"

COMPARED = 10
"""The number of runs on which the lifted machine is held against CPython."""

LONGEST = 12
"""The length of the longest run that is unrolled in search of a counterexample."""


@dataclass(frozen=True)
class Obligation:
    """What has no solution if the claim holds, in SMT-LIB 2."""

    name: str
    text: str


@dataclass(frozen=True)
class Transition:
    """One kind of event, from a state ``before``."""

    event: type
    symbol: symbols.Symbol
    guard: z3.BoolRef
    after: Value
    effects: Value


@dataclass(frozen=True)
class Relation:
    """A machine as terms: over variables for its limits, a state, and the time of it."""

    machine: Machine
    limits: symbols.Symbol
    before: symbols.Symbol
    now: z3.ArithRef
    valid: z3.BoolRef
    first: Value
    transitions: tuple[Transition, ...]

    @property
    def variables(self) -> list[z3.ExprRef]:
        return [*leaves(self.limits.value), *leaves(self.before.value), self.now]

    def primed(self, state: Value, now: z3.ExprRef) -> list[z3.ExprRef]:
        """The variables as they are after a step."""
        return [*leaves(self.limits.value), *leaves(state), now]


def leaves(value: Value) -> list[z3.ExprRef]:
    """The numbers and truths that a record is made of, in order.

    :raises Refused: if it is made of others.
    """
    match value:
        case Tuple(items):
            return [leaf for item in items for leaf in leaves(item)]
        case Bool(term) | Linear(term):
            return [term]
        case Int():
            known = of_known(value)
            if known is not None:
                return [known]
    raise Refused("a state that is not of integers and truths")


def _of_a_kind(value: Value, state: Value) -> bool:
    """Whether a value is of the same classes as a state, in all of its parts."""
    match value, state:
        case Tuple(items, cls), Tuple(fields, of):
            return cls is of and len(items) == len(fields) and all(map(_of_a_kind, items, fields))
        case (Linear(), Linear()) | (Bool(), Bool()):
            return True
        case Int(cls=cls), Linear():
            return cls is int and of_known(value) is not None
    return False


def relation(machine: Machine) -> Relation:
    """Lift a machine; raises ``Refused`` if its code is not in the subset.

    What is proved of states is proved of those of the type of states, so nothing else may
    be made of one.
    """
    functions = sources.with_callees([machine.start, machine.step])
    codes = tuple(function.__code__ for function in functions)
    return _relation(machine, codes, tuple(sources.replacements().values()))


@lru_cache(maxsize=4)
def _relation(
    machine: Machine, codes: tuple[CodeType, ...], instead: tuple[sources.Module, ...]
) -> Relation:
    """The relation of a machine that runs this code, with these texts instead of those on disk."""
    limits = symbols.symbol("limits", machine.limits_type)
    before = symbols.symbol("state", machine.state_type)
    leaves(limits.value)
    leaves(before.value)
    now = z3.Int("now")
    lifter = Lifter(both(limits.known, before.known))
    valid = lifter.truth(lifter.attribute(limits.value, "is_valid"))
    first = _returned(lifter, machine.start, [limits.value, Linear(now)], valid)
    if not _of_a_kind(first, before.value):
        raise Refused("a start that does not give a state")
    transitions = []
    for event in machine.transitions:
        # No field of a state or of limits has a name like this.
        symbol = symbols.symbol(f"event.{event.__name__}", event)
        leaves(symbol.value)
        lifter = Lifter(both(limits.known, before.known, symbol.known, valid))
        result = _returned(lifter, machine.step, [limits.value, before.value, symbol.value], valid)
        if (
            not isinstance(result, Tuple)
            or len(result.items) != 2
            or not _of_a_kind(result.items[0], before.value)
        ):
            raise Refused(f"the step for {event.__name__} does not give a state and effects")
        time = _time(symbol.value)
        guard = TRUE if time is None else time >= now
        transitions.append(Transition(event, symbol, guard, *result.items))
    return Relation(machine, limits, before, now, valid, first, tuple(transitions))


def _returned(
    lifter: Lifter, function: Any, arguments: Sequence[Value], valid: z3.BoolRef
) -> Value:
    """What a function returns, which must not raise."""
    lifter.path = valid
    result = lifter.call(function, arguments, {})
    if lifter.raised:
        raise Refused(f"{function.__name__} may raise {lifter.raised[0].type.__name__}")
    return result


def _time(event: Value) -> z3.ArithRef | None:
    """The time that an event brings, if it brings one."""
    assert isinstance(event, Tuple)
    fields: tuple[str, ...] = getattr(event.cls, "_fields", ())
    if "now" not in fields:
        return None
    now = event.items[fields.index("now")]
    assert isinstance(now, Linear)
    return now.term


def _claimed(claim: MachineClaim, parts: dict[str, Value], known: z3.BoolRef) -> z3.BoolRef:
    lifter = Lifter(known)
    lifter.path = known
    result = lifter.call(claim.function, [], {name: parts[name] for name in claim.asks_for})
    truth = lifter.truth(result)
    return both(truth, *(negation(raised.guard) for raised in lifter.raised))


def violations(claim: MachineClaim, lifted: Relation) -> Iterator[tuple[str, z3.BoolRef]]:
    """Where the claim could be broken: by a state, or by a step of some kind, from any state."""
    limits, before = lifted.limits.value, lifted.before.value
    if claim.of_states:
        parts = {"limits": limits, "after": before}
        yield "state", negation(_claimed(claim, parts, lifted.valid))
        return
    for each in lifted.transitions:
        parts = {
            "limits": limits,
            "before": before,
            "event": each.symbol.value,
            "after": each.after,
            "effects": each.effects,
        }
        holds = _claimed(claim, parts, both(lifted.valid, each.guard))
        yield f"step-{each.event.__name__}", both(each.guard, negation(holds))


def run(claim: Claim, options: Options) -> Finding:
    """Find an invariant that implies the claim, and have its obligations checked twice."""
    if not isinstance(claim, MachineClaim):
        return Finding(NAME, Verdict.UNKNOWN, reason="not a claim about a machine")
    begun = time.perf_counter()
    try:
        lifted = relation(claim.machine)
        broken = list(violations(claim, lifted))
    except (Refused, KeyError) as refusal:
        return Finding(NAME, Verdict.UNKNOWN, reason=f"{OUTSIDE}: {refusal}")
    except sources.SourceMismatch as mismatch:
        return Finding(NAME, Verdict.ERROR, reason=str(mismatch))
    finding = _searched(claim, lifted, broken, options)
    return replace(finding, seconds=time.perf_counter() - begun)


def _searched(
    claim: MachineClaim,
    lifted: Relation,
    broken: Sequence[tuple[str, z3.BoolRef]],
    options: Options,
) -> Finding:
    answer, found = invariant(lifted, broken, options.timeout)
    if answer == z3.sat:
        found = shortest_run(claim, lifted, broken, options.timeout)
        if found is None:
            reason = f"Spacer says that a run breaks it, but none of up to {LONGEST} events does"
            return Finding(NAME, Verdict.UNKNOWN, reason=reason)
        inputs = {"run": found}
        if claim.fails_on(inputs) is None:
            reason = "the run that breaks the relation does not break the shipped code"
            return Finding(NAME, Verdict.ERROR, inputs=inputs, reason=reason)
        return Finding(NAME, Verdict.REFUTED, inputs=inputs)
    if answer != z3.unsat or found is None:
        return Finding(NAME, Verdict.UNKNOWN, reason="Spacer came to no end")
    obligations = list(_obligations(lifted, broken, found))
    for obligation in obligations:
        for solver, check in CHECKERS.items():
            said = check(obligation.text, options.timeout)
            if said == "sat":
                reason = f"{solver} finds a hole in the invariant: {obligation.name}"
                return Finding(NAME, Verdict.ERROR, reason=reason)
            if said != "unsat":
                reason = f"{solver} says {said} of {obligation.name}"
                return Finding(NAME, Verdict.UNKNOWN, reason=reason)
    files = [_definition(lifted, found), *obligations]
    compared, different = disagreement(claim, lifted, options)
    if different is not None:
        reason = "the lifted machine and CPython disagree"
        return Finding(NAME, Verdict.ERROR, inputs={"run": different}, reason=reason)
    if compared == 0:
        return Finding(NAME, Verdict.ERROR, reason="no step was compared with CPython")
    certificate = tuple((f"{file.name}.smt2", file.text) for file in files)
    return Finding(NAME, Verdict.PROVED, count=len(obligations), certificate=certificate)


def disagreement(claim: MachineClaim, lifted: Relation, options: Options) -> tuple[int, Run | None]:
    """Evaluate the lifted machine on the steps of runs from its domain, and the real one.

    Returns how many steps were compared, and a run on which they differ, cut there.
    """
    compared = 0
    for inputs in islice(sample(claim, options), COMPARED):
        run = inputs["run"]
        for number, step in enumerate(claim.machine.steps(run)):
            compared += 1
            if not _agrees(lifted, run, step):
                return compared, run._replace(events=run.events[:number])
    return compared, None


def _agrees(lifted: Relation, run: Run, step: Step) -> bool:
    """Whether the terms have the values that CPython gave to a step."""
    pairs = lifted.limits.bind(run.limits)
    if step.event is None:
        terms, values = leaves(lifted.first), _flat(step.after)
        more: symbols.Substitution | None = [(lifted.now, z3.IntVal(run.start))]
    else:
        transition = next(t for t in lifted.transitions if t.event is type(step.event))
        terms = [*leaves(transition.after), *leaves(transition.effects)]
        values = [*_flat(step.after), *_flat(step.effects)]
        before, event = lifted.before.bind(step.before), transition.symbol.bind(step.event)
        more = None if before is None or event is None else before + event
    if pairs is None or more is None:
        return False
    found = [z3.simplify(z3.substitute(term, *pairs, *more)) for term in terms]
    expected = [z3.BoolVal(v) if isinstance(v, bool) else z3.IntVal(v) for v in values]
    return all(a.eq(b) for a, b in zip(found, expected, strict=True))


def _flat(value: Any) -> list[Any]:
    """The numbers and truths that a record has, in order."""
    if isinstance(value, tuple):
        return [leaf for item in value for leaf in _flat(item)]
    return [value]


def invariant(
    lifted: Relation, broken: Sequence[tuple[str, z3.BoolRef]], timeout: float
) -> tuple[z3.CheckSatResult, z3.BoolRef | None]:
    """Spacer's answer whether the claim can be broken, and an invariant if it cannot."""
    variables = lifted.variables
    holds = z3.Function("invariant", *(v.sort() for v in variables), z3.BoolSort())
    error = z3.Function("broken", z3.BoolSort())
    engine = z3.Fixedpoint()
    engine.set(engine="spacer", timeout=int(1000 * timeout))
    engine.register_relation(holds, error)
    inputs = [leaf for each in lifted.transitions for leaf in leaves(each.symbol.value)]
    engine.declare_var(*variables, *inputs)
    engine.rule(holds(*lifted.primed(lifted.first, lifted.now)), [lifted.valid])
    for each in lifted.transitions:
        then = _then(lifted, each)
        engine.rule(
            holds(*lifted.primed(each.after, then)), [holds(*variables), lifted.valid, each.guard]
        )
    for _, condition in broken:
        engine.rule(error(), [holds(*variables), lifted.valid, condition])
    try:
        answer = engine.query(error())
    except z3.Z3Exception:
        # So ends a query that takes too long, which others answer with unknown.
        answer = z3.unknown
    if answer != z3.unsat:
        return answer, None
    return answer, _found(engine.get_answer(), holds, variables)


def _then(lifted: Relation, transition: Transition) -> z3.ExprRef:
    moment = _time(transition.symbol.value)
    return lifted.now if moment is None else moment


def _found(
    answer: z3.ExprRef, holds: z3.FuncDeclRef, variables: Sequence[z3.ExprRef]
) -> z3.BoolRef | None:
    """The invariant in Spacer's answer, over the variables of the relation."""
    parts = answer.children() if z3.is_and(answer) else [answer]
    for part in parts:
        if not z3.is_quantifier(part):
            continue
        head, body = part.body().children()
        if head.decl().eq(holds):
            names: list[z3.ExprRef] = [z3.BoolVal(True)] * part.num_vars()
            for argument, variable in zip(head.children(), variables, strict=True):
                names[z3.get_var_index(argument)] = variable
            found = z3.substitute_vars(body, *names)
            assert isinstance(found, z3.BoolRef)
            return found
    return None


def _obligations(
    lifted: Relation, broken: Sequence[tuple[str, z3.BoolRef]], invariant: z3.BoolRef
) -> Iterator[Obligation]:
    pairs = list(zip(lifted.variables, lifted.primed(lifted.first, lifted.now), strict=True))
    yield _obligation("start", lifted.valid, z3.Not(z3.substitute(invariant, *pairs)))
    for each in lifted.transitions:
        after = lifted.primed(each.after, _then(lifted, each))
        pairs = list(zip(lifted.variables, after, strict=True))
        yield _obligation(
            f"step-{each.event.__name__}",
            lifted.valid,
            invariant,
            each.guard,
            z3.Not(z3.substitute(invariant, *pairs)),
        )
    for name, condition in broken:
        yield _obligation(f"claim-{name}", lifted.valid, invariant, condition)


def _definition(lifted: Relation, invariant: z3.BoolRef) -> Obligation:
    """The invariant by itself, to be read: no obligation."""
    declared = [f"(declare-const {v.sexpr()} {v.sort().sexpr()})" for v in lifted.variables]
    defined = f"(define-fun invariant () Bool\n  {invariant.sexpr()})"
    return Obligation("invariant", "\n".join(["(set-logic ALL)", *declared, defined, ""]))


def _obligation(name: str, *conditions: z3.BoolRef) -> Obligation:
    solver = z3.Solver()
    solver.add(*conditions)
    lines = solver.to_smt2().splitlines()
    kept = [line for line in lines if not line.startswith(("; ", "(set-info"))]
    return Obligation(name, "\n".join(["(set-logic ALL)", *kept, ""]))


def _by_z3(text: str, timeout: float) -> str:
    solver = z3.Solver()
    solver.set("timeout", int(1000 * timeout))
    solver.from_string(text)
    return str(solver.check())


def _by_cvc5(text: str, timeout: float) -> str:
    solver = cvc5.Solver()
    solver.setOption("tlimit-per", str(int(1000 * timeout)))
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "obligation")
    symbol_manager, said = parser.getSymbolManager(), []
    while True:
        command = parser.nextCommand()
        if command.isNull():
            break
        output = command.invoke(solver, symbol_manager)
        said.append(str(output).strip())
    answers = [line for line in said if line]
    return answers[-1] if answers else "nothing"


CHECKERS = {"Z3": _by_z3, "cvc5": _by_cvc5}


def answers(text: str, timeout: float = 60.0) -> dict[str, str]:
    """What each solver says of an obligation; it holds if all say ``unsat``."""
    return {solver: check(text, timeout) for solver, check in CHECKERS.items()}


def shortest_run(
    claim: MachineClaim,
    lifted: Relation,
    broken: Sequence[tuple[str, z3.BoolRef]],
    timeout: float,
) -> Run | None:
    """The shortest run that breaks the claim, of up to ``LONGEST`` events."""
    unrolled = Unrolling(lifted)
    end = time.perf_counter() + timeout
    last = dict(broken)
    for length in range(LONGEST + 1):
        if time.perf_counter() > end:
            return None
        found = unrolled.reaching(last, length)
        if found is not None:
            return found
    return None


class Unrolling:
    """The relation of a machine, step after step."""

    def __init__(self, lifted: Relation) -> None:
        self.lifted = lifted
        self.solver = z3.Solver()
        self.solver.add(lifted.valid)
        self.states: list[list[z3.ExprRef]] = [self._fresh(0)]
        first = lifted.primed(lifted.first, z3.Int("start"))
        pairs = [(lifted.now, z3.Int("start"))]
        for variable, term in zip(self.states[0], first, strict=True):
            self.solver.add(variable == z3.substitute(term, *pairs))
        self.chosen: list[z3.ArithRef] = []
        self.pairs: dict[int, list[tuple[z3.ExprRef, z3.ExprRef]]] = {}
        """What stands for the variables in each step, found once."""

    def _fresh(self, number: int) -> list[z3.ExprRef]:
        limits = len(leaves(self.lifted.limits.value))
        variables = self.lifted.variables
        return [
            *variables[:limits],
            *(z3.Const(f"{v}@{number}", v.sort()) for v in variables[limits:]),
        ]

    def _at(self, term: Any, number: int) -> Any:
        """A term over a step, as of the step of this number."""
        if number not in self.pairs:
            pairs = list(zip(self.lifted.variables, self.states[number], strict=True))
            for each in self.lifted.transitions:
                pairs += [
                    (leaf, z3.Const(f"{leaf}@{number}", leaf.sort()))
                    for leaf in leaves(each.symbol.value)
                ]
            self.pairs[number] = pairs
        return z3.substitute(term, *self.pairs[number])

    def extend(self) -> None:
        number = len(self.chosen)
        choice = z3.Int(f"choice@{number}")
        self.chosen.append(choice)
        self.states.append(self._fresh(number + 1))
        self.solver.add(choice >= 0, choice < len(self.lifted.transitions))
        for at, each in enumerate(self.lifted.transitions):
            after = self.lifted.primed(each.after, _then(self.lifted, each))
            self.solver.add(
                z3.Implies(
                    choice == at,
                    z3.And(
                        self._at(each.guard, number),
                        *(
                            variable == self._at(term, number)
                            for variable, term in zip(self.states[-1], after, strict=True)
                        ),
                    ),
                )
            )

    def reaching(self, last: dict[str, z3.BoolRef], length: int) -> Run | None:
        """A run of so many events, after which one of the conditions holds."""
        while len(self.chosen) < length:
            self.extend()
        self.solver.push()
        try:
            if "state" in last:
                self.solver.add(self._at(last["state"], length))
                count = length
            else:
                # The condition is about the step that comes then.
                self.extend()
                count = length + 1
                self.solver.add(
                    z3.Or(
                        *(
                            z3.And(self.chosen[length] == at, self._at(last[name], length))
                            for at, each in enumerate(self.lifted.transitions)
                            if (name := f"step-{each.event.__name__}") in last
                        )
                    )
                )
            if self.solver.check() != z3.sat:
                return None
            return self._read(self.solver.model(), count)
        finally:
            self.solver.pop()
            del self.chosen[length:], self.states[length + 1 :]

    def _read(self, model: z3.ModelRef, count: int) -> Run:
        def evaluate(term: z3.ExprRef) -> z3.ExprRef:
            return model.eval(term, model_completion=True)

        events = []
        for number in range(count):
            which = evaluate(self.chosen[number])
            assert isinstance(which, z3.IntNumRef)
            symbol = self.lifted.transitions[which.as_long()].symbol
            events.append(symbol.read(lambda term, at=number: evaluate(self._at(term, at))))
        start = evaluate(z3.Int("start"))
        assert isinstance(start, z3.IntNumRef)
        return Run(self.lifted.limits.read(evaluate), start.as_long(), tuple(events))
