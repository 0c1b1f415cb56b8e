"""The induction engine proves no machine to be what it is not."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import cvc5
import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.claim import every_claim
from proofs.claims.attempt import ATTEMPT
from proofs.claims.batching import BATCHING
from proofs.domains import DOMAINS, Domain
from proofs.engines import Options, induction
from proofs.machine import Machine, MachineClaim, Run
from proofs.verdict import Finding, Verdict
from verified.exporter import attempt, batching

OPTIONS = Options(timeout=20)

# A small machine, and variants of it that are wrong in one way each.


class Limits(NamedTuple):
    """How far a counter counts."""

    top: int

    @property
    def is_valid(self) -> bool:
        return self.top > 0


class State(NamedTuple):
    """``number`` is ``other`` as long as all is well; ``seen`` is the latest time that was told."""

    number: int = 0
    other: int = 0
    odd: bool = False
    seen: int = 0


class Added(NamedTuple):
    """One more."""


class Told(NamedTuple):
    """What time it is."""

    now: int


class Reset(NamedTuple):
    """All begins anew."""

    hard: bool


Event = Added | Told | Reset
Transition = Callable[[Limits, State, Any], tuple[State, int]]


def start(limits: Limits, now: int) -> State:
    return State(seen=now)


def added(limits: Limits, state: State, event: Added) -> tuple[State, int]:
    if state.number >= limits.top:
        return state, 0
    return state._replace(number=state.number + 1, other=state.other + 1, odd=not state.odd), 1


def told(limits: Limits, state: State, event: Told) -> tuple[State, int]:
    return state._replace(seen=event.now), 0


def reset(limits: Limits, state: State, event: Reset) -> tuple[State, int]:
    return (State(seen=state.seen), 0) if event.hard else (state, 0)


TRANSITIONS: dict[type, Transition] = {Added: added, Told: told, Reset: reset}


def step(limits: Limits, state: State, event: Event) -> tuple[State, int]:
    return TRANSITIONS[type(event)](limits, state, event)


def machine(
    step: Callable[..., Any] = step,
    start: Callable[..., Any] = start,
    transitions: Mapping[type, Callable[..., Any]] = TRANSITIONS,
) -> Machine:
    tops = st.builds(Limits, st.integers(1, 9))
    return Machine("counter", start, step, transitions, Limits, State, tops, ())


def claim(function: Callable[..., bool], of: Machine) -> MachineClaim:
    DOMAINS.setdefault(of, Domain(of.runs()))
    return MachineClaim(function, of, "A claim", (), (start,))


def found(function: Callable[..., bool], of: Machine | None = None) -> Finding:
    return induction.run(claim(function, machine() if of is None else of), OPTIONS)


def plain_loop(function: Callable[..., bool], of: Machine, run: Run) -> int | None:
    """After how many events a claim first fails in a run; None if it holds throughout."""
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    state = of.start(run.limits, run.start)
    parts = {"limits": run.limits, "after": state}
    if set(names) <= set(parts) and not function(**{name: parts[name] for name in names}):
        return 0
    for number, event in enumerate(run.events, 1):
        after, effects = of.step(run.limits, state, event)
        whole = {
            "limits": run.limits,
            "before": state,
            "event": event,
            "after": after,
            "effects": effects,
        }
        if not function(**{name: whole[name] for name in names}):
            return number
        state = after
    return None


# What is true.


def counts_agree(after: State) -> bool:
    return after.number == after.other


def is_bounded(limits: Limits, after: State) -> bool:
    return 0 <= after.other <= limits.top


def odd_is_odd(limits: Limits, after: State) -> bool:
    return after.odd if limits.top > 0 and after.number == 1 else after.number != 0 or not after.odd


def time_goes_on(before: State, after: State) -> bool:
    return before.seen <= after.seen


def counts_one_at_most(before: State, event: Event, after: State, effects: int) -> bool:
    grown = after.number - before.number
    return grown == effects if isinstance(event, Added) else grown <= 0 == effects


def says_nothing_of_states(limits: Limits) -> bool:
    return limits.top > 0


TRUE_CLAIMS = [
    *(counts_agree, is_bounded, odd_is_odd, time_goes_on, counts_one_at_most),
    says_nothing_of_states,
]


@pytest.mark.parametrize("function", TRUE_CLAIMS)
def test_what_is_true_is_proved(function: Callable[..., bool]) -> None:
    """Claims that hold are proved, also where it takes an invariant other than the claim.

    That ``other`` is bounded, it takes that it is ``number``; that time goes on, that ``seen``
    is no later than the time.
    """
    finding = found(function)
    assert finding.verdict is Verdict.PROVED, finding.reason
    assert finding.count == len(finding.certificate) - 1


def parity_is_that_of_the_count(after: State) -> bool:
    return after.odd == (after.other % 2 == 1)


def test_a_search_that_comes_to_no_end_proves_nothing() -> None:
    """The claim holds, but Spacer does not find out why in so short a time; in more it may."""
    finding = induction.run(claim(parity_is_that_of_the_count, machine()), Options(timeout=0.001))
    assert finding.verdict is Verdict.UNKNOWN
    assert finding.reason == "Spacer came to no end"


# What is false.


def stays_below_five(after: State) -> bool:
    return after.number < 5


def breaks_with_seven_only(limits: Limits, after: State) -> bool:
    return limits.top != 7 or after.number != 3


def is_never_negative_at_start(after: State) -> bool:
    return after.seen >= 0


def tells_no_hard_reset(event: Event, before: State) -> bool:
    return not isinstance(event, Reset) or not event.hard or before.number < 2


def time_advances(event: Event, before: State, after: State) -> bool:
    return not isinstance(event, Told) or before.number == 0 or after.seen > before.seen


def is_always_told(limits: Limits, before: State, event: Event, after: State) -> bool:
    return after.seen - before.seen < limits.top


def may_raise(after: State) -> bool:
    if after.number == 2:
        raise KeyError
    return True


FALSE_CLAIMS = [
    (stays_below_five, 5),
    (breaks_with_seven_only, 3),
    (is_never_negative_at_start, 0),
    (tells_no_hard_reset, 3),
    (time_advances, 2),
    (is_always_told, 1),
    (may_raise, 2),
]


@pytest.mark.parametrize(("function", "length"), FALSE_CLAIMS)
def test_what_is_false_is_refuted_by_a_shortest_run(
    function: Callable[..., bool], length: int
) -> None:
    """The run is one of valid limits and of times in order, and no shorter one breaks it."""
    finding = found(function)
    assert finding.verdict is Verdict.REFUTED, finding.reason
    assert finding.inputs is not None
    run = finding.inputs["run"]
    assert run.limits.is_valid
    times = [run.start, *(event.now for event in run.events if isinstance(event, Told))]
    assert times == sorted(times)
    assert len(run.events) == length
    try:
        assert plain_loop(function, machine(), run) == length
    except KeyError:
        assert function is may_raise


def starts_broken(limits: Limits, now: int) -> State:
    return State(other=1, seen=now)


def test_a_start_that_breaks_the_claim_is_a_run_of_no_event() -> None:
    finding = found(counts_agree, machine(start=starts_broken))
    assert finding.verdict is Verdict.REFUTED
    assert finding.inputs is not None
    assert finding.inputs["run"].events == ()


def late(after: State) -> bool:
    return after.number < 20


def test_what_breaks_beyond_the_longest_run_is_not_known() -> None:
    """A run that is too long to be unrolled is not shown, and nothing is proved."""
    assert found(late).verdict is Verdict.UNKNOWN


# Machines that are not what a proof may speak of.


class Others(NamedTuple):
    """What has the fields of a state, and is none."""

    number: int = 0
    other: int = 0
    odd: bool = False
    seen: int = 0


def is_a_state(after: State) -> bool:
    return isinstance(after, State)


def starts_another(limits: Limits, now: int) -> Any:
    return Others(seen=now)


def starts_short(limits: Limits, now: int) -> Any:
    return tuple.__new__(State, (0, 0))


def starts_wrong(limits: Limits, now: int) -> Any:
    return State(odd=0, seen=now)  # type: ignore[arg-type]


def starts_true(limits: Limits, now: int) -> Any:
    return State(number=True, seen=now)


def becomes_another(limits: Limits, state: State, event: Event) -> Any:
    return Others(state.number, state.other, state.odd, state.seen), 0


def becomes_either(limits: Limits, state: State, event: Event) -> Any:
    return (state, 0) if state.odd else (Others(), 0)


def gives_no_effects(limits: Limits, state: State, event: Event) -> Any:
    return state


def gives_nothing(limits: Limits, state: State, event: Event) -> Any:
    return None


def divides(limits: Limits, state: State, event: Event) -> Any:
    return state._replace(number=7 // (state.number + 1)), 0


def raises(limits: Limits, state: State, event: Event) -> Any:
    if state.number > 3:
        raise ValueError
    return step(limits, state, event)


EMPTY: dict[type, Any] = {}


def has_no_transition(limits: Limits, state: State, event: Event) -> Any:
    return EMPTY[type(event)](limits, state, event)


@pytest.mark.parametrize(
    "of",
    [
        *(machine(start=s) for s in (starts_another, starts_short, starts_wrong, starts_true)),
        *(
            machine(step=s)
            for s in (becomes_another, becomes_either, gives_no_effects, gives_nothing)
        ),
        *(machine(step=s) for s in (divides, raises, has_no_transition)),
    ],
    ids=lambda of: f"{of.start.__name__}-{of.step.__name__}",
)
@pytest.mark.parametrize("function", [is_a_state, says_nothing_of_states])
def test_a_machine_that_is_none_is_refused(of: Machine, function: Callable[..., bool]) -> None:
    """A step that may raise, or that makes of a state what is none, has nothing proved of it."""
    finding = found(function, of)
    assert finding.verdict is Verdict.UNKNOWN
    assert finding.reason is not None
    assert finding.reason.startswith("not in the subset: ")


class state(NamedTuple):  # noqa: N801
    """An event with the name and a field of what the engine calls a state."""

    number: int


def takes(limits: Limits, before: State, event: state) -> tuple[State, int]:
    return before, event.number


def gives_the_count(before: State, effects: int) -> bool:
    return effects == before.number


def test_an_event_is_not_the_state_whatever_its_name() -> None:
    finding = found(gives_the_count, machine(step=takes, transitions={state: takes}))
    assert finding.verdict is Verdict.REFUTED, finding.reason


def test_a_step_that_is_patched_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs is not what the source says."""
    assert found(counts_agree).verdict is Verdict.PROVED
    monkeypatch.setattr(step, "__code__", gives_nothing.__code__)
    finding = found(counts_agree)
    assert finding.verdict is Verdict.ERROR
    assert "does not run what" in str(finding.reason)


def broken(limits: Limits, state: State, event: Added) -> tuple[State, int]:
    return state._replace(number=state.number + 1), 0


def test_a_transition_that_is_replaced_is_the_one_that_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(TRANSITIONS, Added, broken)
    assert found(counts_agree).verdict is Verdict.REFUTED
    monkeypatch.setitem(TRANSITIONS, Added, lambda limits, state, event: (state, 0))
    assert found(counts_agree).verdict is Verdict.ERROR


# Certificates.


def _says(invariant: Callable[[induction.Relation], z3.BoolRef]) -> Callable[..., Any]:
    return lambda lifted, broken, timeout: (z3.unsat, invariant(lifted))


@pytest.mark.parametrize(
    ("invariant", "hole"),
    [
        (lambda lifted: z3.BoolVal(True), "claim-state"),
        (lambda lifted: z3.BoolVal(False), "start"),
        (lambda lifted: lifted.variables[1] == 0, "step-Added"),
        (lambda lifted: lifted.variables[1] == lifted.variables[2] + 1, "start"),
        (lambda lifted: lifted.variables[1] >= 0, "claim-state"),
        (lambda lifted: lifted.variables[4] < lifted.now, "start"),
    ],
)
def test_an_invariant_that_is_none_is_an_error(
    monkeypatch: pytest.MonkeyPatch, invariant: Callable[..., z3.BoolRef], hole: str
) -> None:
    """What Spacer says is not believed: not of a true claim, nor of a false one."""
    monkeypatch.setattr(induction, "invariant", _says(invariant))
    finding = found(counts_agree)
    assert finding.verdict is Verdict.ERROR
    assert str(finding.reason).endswith(f"finds a hole in the invariant: {hole}")
    assert finding.certificate == ()
    assert not found(stays_below_five).verdict.conclusive


def test_a_false_claim_that_spacer_proves_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for invariant in (lambda lifted: lifted.variables[1] < 5, lambda lifted: z3.BoolVal(True)):
        monkeypatch.setattr(induction, "invariant", _says(invariant))
        assert found(stays_below_five).verdict is Verdict.ERROR


def test_a_true_claim_that_spacer_refutes_is_not_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(induction, "invariant", lambda *_: (z3.sat, None))
    monkeypatch.setattr(induction, "LONGEST", 3)
    assert found(counts_agree).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("answer", [(z3.unknown, None), (z3.unsat, None)])
def test_no_answer_of_spacer_proves_nothing(
    monkeypatch: pytest.MonkeyPatch, answer: tuple[Any, None]
) -> None:
    monkeypatch.setattr(induction, "invariant", lambda *_: answer)
    assert found(counts_agree).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("solver", induction.CHECKERS)
@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("sat", Verdict.ERROR),
        ("unknown", Verdict.UNKNOWN),
        ("nothing", Verdict.UNKNOWN),
        ("(error)", Verdict.UNKNOWN),
    ],
)
def test_both_solvers_are_asked(
    monkeypatch: pytest.MonkeyPatch, solver: str, said: str, verdict: Verdict
) -> None:
    """One that does not agree is enough that nothing is proved, at the last obligation too."""
    real = induction.CHECKERS[solver]
    asked: list[str] = []

    def disagrees(text: str, timeout: float) -> str:
        asked.append(text)
        return said if len(asked) == 5 else real(text, timeout)

    monkeypatch.setitem(induction.CHECKERS, solver, disagrees)
    finding = found(counts_agree)
    assert len(asked) == 5
    assert finding.verdict is verdict
    assert finding.certificate == ()


def test_a_run_that_does_not_replay_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MachineClaim, "fails_on", lambda self, inputs: None)
    assert found(stays_below_five).verdict is Verdict.ERROR


def by_fresh_solvers(text: str) -> tuple[str, str]:
    """What Z3 and cvc5 say of a text, each through its own parser."""
    first = z3.Solver()
    first.from_string(text)
    second = cvc5.Solver()
    parser = cvc5.InputParser(second)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "certificate")
    said = []
    while not (command := parser.nextCommand()).isNull():
        said.append(command.invoke(second, parser.getSymbolManager()))
    return str(first.check()), "".join(said).strip()


def machine_claims() -> list[MachineClaim]:
    return [each for each in every_claim() if isinstance(each, MachineClaim)]


@pytest.mark.parametrize("each", machine_claims(), ids=lambda each: each.id)
def test_certificates_of_the_shipped_machines(each: MachineClaim) -> None:
    """The start, each kind of step, and the claim: none of them has a counterexample."""
    finding = induction.run(each, OPTIONS)
    assert finding.verdict is Verdict.PROVED, finding.reason
    names = [name for name, _ in finding.certificate]
    kinds = [event.__name__ for event in each.machine.transitions]
    steps = [f"step-{kind}" for kind in kinds]
    claims = ["state"] if each.of_states else steps
    assert names == [
        f"{n}.smt2" for n in ("invariant", "start", *steps, *(f"claim-{c}" for c in claims))
    ]
    for _, text in finding.certificate[1:]:
        assert text.count("(check-sat)") == 1
        assert by_fresh_solvers(text) == ("unsat", "unsat")


def test_an_obligation_that_does_not_hold_is_not_unsatisfiable() -> None:
    """The texts are not unsatisfiable whatever they say: with less assumed, they are not."""
    finding = found(is_bounded)
    (text,) = [text for name, text in finding.certificate if name == "claim-state.smt2"]
    assert induction._by_z3(text, 9) == induction._by_cvc5(text, 9) == "unsat"
    nothing = "(set-logic ALL)\n(declare-fun x () Int)\n(assert (> x 0))\n(check-sat)\n"
    assert induction._by_z3(nothing, 9) == induction._by_cvc5(nothing, 9) == "sat"


# The claim itself.


relation = cache(induction.relation)


def test_a_claim_asks_for_what_a_step_has() -> None:
    def asks(after: State, weather: int) -> bool:
        return True

    with pytest.raises(ValueError, match="weather"):
        claim(asks, machine())


@pytest.mark.parametrize(
    "function", [*TRUE_CLAIMS, *(function for function, _ in FALSE_CLAIMS if function != may_raise)]
)
@settings(max_examples=20, deadline=None)
@given(machine().runs())
def test_a_claim_holds_on_a_run_if_a_plain_loop_says_so(
    function: Callable[..., bool], run: Run
) -> None:
    expected = plain_loop(function, machine(), run) is None
    assert claim(function, machine()).holds({"run": run}) == expected


@pytest.mark.parametrize("of", [ATTEMPT, BATCHING, machine()], ids=lambda of: of.name)
@settings(max_examples=20, deadline=None)
@given(st.data())
def test_runs_are_of_valid_limits_and_times_in_order(of: Machine, data: st.DataObject) -> None:
    run = data.draw(of.runs())
    assert run.limits.is_valid
    times = [run.start, *(event.now for event in run.events if hasattr(event, "now"))]
    assert times == sorted(times)
    assert {type(event) for event in run.events} <= set(of.transitions)
    steps = list(of.steps(run))
    assert len(steps) == len(run.events) + 1
    assert steps[-1].after == of.last(run)


@pytest.mark.parametrize("of", [ATTEMPT, BATCHING, machine()], ids=lambda of: of.name)
@settings(max_examples=10, deadline=None)
@given(st.data())
def test_the_relation_is_what_the_machine_does(of: Machine, data: st.DataObject) -> None:
    """The terms of a step, evaluated on what happened, are the state that the code made."""
    lifted = relation(of)
    run = data.draw(of.runs())
    for each in list(of.steps(run))[1:]:
        (kind,) = [t for t in lifted.transitions if t.event is type(each.event)]
        pairs = [
            *(lifted.limits.bind(each.limits) or []),
            *(lifted.before.bind(each.before) or []),
            *(kind.symbol.bind(each.event) or []),
        ]
        terms = induction.leaves(kind.after)
        values = [z3.simplify(z3.substitute(term, *pairs)) for term in terms]
        expected = [term for _, term in lifted.before.bind(each.after) or []]
        assert all(z3.is_true(z3.simplify(a == b)) for a, b in zip(values, expected, strict=True))


def test_the_shipped_machines_know_all_their_events() -> None:
    """A machine of fewer events than the code has would be proved of these only."""
    assert set(BATCHING.transitions) == set(batching.Event.__args__)
    assert set(ATTEMPT.transitions) == set(attempt.Event.__args__)
