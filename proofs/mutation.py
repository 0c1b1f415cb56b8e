"""What becomes of a mutant of the shipped code: which claim sees it, if any does.

Claims that run the mutated code are asked about it until one is refuted, the strongest first: on
inputs at hand, then on more of them, then with their engines. What none refutes has survived.

A mutant lives in a process of its own, which is forked for it and ends with it, so that nothing
that it breaks, hangs or leaves behind reaches another. What takes part in importing the code is
imported anew with each of its mutants; other functions get the code of theirs.
"""

from __future__ import annotations

import ast
import gc
import importlib
import json
import os
import pickle
import re
import resource
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import islice
from operator import attrgetter
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import verified

from . import dependence, drawn, equivalence, sources
from .claim import FALSE, Claim, every_claim
from .contracts import Instead
from .engines import Options, fuzz, symbolic
from .memory import Memory, default_folder
from .planting import Mutant, Stillborn, TooSlow, applied, constants, time_limit
from .prover import ALONE, CONCRETE, ENGINES, subject_name

EACH = 5.0
"""The most that an engine may take with a mutant, in seconds of the processor."""

SEARCH = 10.0
"""When no more engines are asked about a mutant, in seconds of the processor."""

TOGETHER = 10
"""How many mutants are judged in one go."""

MANY = 20
"""From how many subjects on a claim is asked last."""

LIMIT = 90.0
"""After how many seconds a mutant is ended that cannot be stopped otherwise."""

KILLED = "killed"
"""A claim is false of it."""
RAISED = "raised"
"""A claim cannot be evaluated, since the code raises what it should not."""
STOPPED = "stopped"
"""A claim does not come to an end."""
SURVIVED = "survived"
"""None of that."""
EQUIVALENT = "equivalent"
"""It is proved to do what the code does."""
STILLBORN = "stillborn"
"""It is no program: it cannot be imported."""
ERROR = "error"
"""It could not be judged."""


APART: Mapping[str, str] = {
    "verified.strategies": "draws the inputs of the claims, and is evidence like them",
    "verified.toolkit": "gives names of the evidence to claims of others",
}
"""Modules whose mutants are not judged, and why."""


class Place(NamedTuple):
    """A function or constant of the shipped code, or, without name, what its import does."""

    module: str
    name: str
    is_function: bool | None


class Judgement(NamedTuple):
    """What became of a mutant, and by which claim and engine."""

    id: str
    line: int
    verdict: str
    by: str = ""
    engine: str = ""
    seconds: float = 0.0


class Control(NamedTuple):
    """A claim on the code as it is: on how many of its inputs it holds in reasonable time.

    On as many it is run with each mutant, which has four times as long.
    """

    claim: str
    inputs: int
    seconds: float
    """What they take together, of the processor."""


@dataclass(frozen=True)
class Reached:
    """What a claim runs of the shipped code, as names of functions by module."""

    control: Control
    functions: frozenset[tuple[str, str]]
    failure: str | None = None

    def written(self) -> bytes:
        return json.dumps([self.control, sorted(self.functions)]).encode()

    @classmethod
    def read(cls, written: bytes) -> Reached:
        control, functions = json.loads(written)
        return cls(Control(*control), frozenset((module, name) for module, name in functions))


@dataclass(frozen=True)
class Reach:
    """To run a claim on the inputs at hand, and see which functions run."""

    claim: str
    options: Options
    memory: Memory | None
    limit: float = 5 * LIMIT
    size: int = 1

    @property
    def name(self) -> str:
        return self.claim

    def run(self) -> Reached:
        claim = _claims()[self.claim]
        place = _place_of_inputs(self.memory, claim.id)
        known = None if place is None else place.memory.get("reached", place.claim)
        if known is not None:
            return Reached.read(known)
        inputs = list(_inputs(claim, self.options, place, 0, self.options.examples * ALONE))
        found = forked(lambda: reach(claim, inputs), 3 * LIMIT)
        if not isinstance(found, Reached):
            return Reached(Control(self.claim, 0, 0), frozenset(), "it does not come to an end")
        if place is not None and found.failure is None:
            place.memory.put("reached", place.claim, found.written())
        return found


@dataclass(frozen=True)
class Trial:
    """To judge some mutants of a place by these claims."""

    place: Place
    numbers: range
    claims: tuple[Control, ...]
    anew: bool
    """Whether the code is to be imported anew."""
    options: Options
    memory: Memory | None

    @property
    def limit(self) -> float:
        return (LIMIT + 5) * self.size + 30

    @property
    def size(self) -> int:
        return len(self.numbers)

    @property
    def name(self) -> str:
        return f"{self.place.module}:{self.place.name}"

    def run(self) -> list[Judgement]:
        return list(_judged(self))

    def not_judged(self, reason: str) -> list[Judgement]:
        """What is to be said of the mutants if judging them failed."""
        every = _mutants(self.place)
        return [Judgement(every[n].id, every[n].line, ERROR, reason) for n in self.numbers]


def trials(
    reached: Mapping[str, Reached], modules: Iterable[str], options: Options, memory: Memory | None
) -> Iterator[Trial]:
    """All mutants of these modules, a few at a time, each with the claims that run it."""
    for module in modules:
        for place in places(module):
            count = len(_mutants(place))
            claims = tuple(reached[id].control for id in _speaking_of(place, reached))
            anew = not _shows_in_place(place)
            for start in range(0, count, TOGETHER):
                numbers = range(start, min(start + TOGETHER, count))
                yield Trial(place, numbers, claims, anew, options, memory)


def _mutants(place: Place) -> list[Mutant]:
    from .mutants import every_mutant

    return every_mutant(*place)


def places(module: str) -> list[Place]:
    """The functions and constants of a module, and what its import does."""
    found = [Place(module, *each) for each in _definitions(module)]
    return [*found, Place(module, "", None)]


def _definitions(module: str) -> Iterator[tuple[str, bool]]:
    importlib.import_module(module)
    for name, _, is_function in sources.defined(sources.module(module).text):
        yield name, is_function


def _speaking_of(place: Place, reached: Mapping[str, Reached]) -> list[str]:
    """The claims that have a place as their subject or run it, in the order in which to ask.

    A constant is run with any function of its module. First come those of which it is the subject,
    then the strongest; last those that speak of much else too, which takes time.
    """
    named = f"{place.module}.{place.name}"

    def speaks_of(claim: Claim) -> bool:
        return any(subject_name(subject) == named for subject in claim.subject)

    def runs(id: str) -> bool:
        functions = reached[id].functions
        if place.is_function:
            return (place.module, place.name) in functions
        return any(module == place.module for module, _ in functions)

    found = [c for c in _claims().values() if c.id in reached and (speaks_of(c) or runs(c.id))]
    found.sort(
        key=lambda c: (
            len(c.subject) > MANY and "induction" not in c.engines,
            not speaks_of(c),
            -c.required,
            reached[c.id].control.seconds,
            c.id,
        )
    )
    return [claim.id for claim in found]


def _shows_in_place(place: Place) -> bool:
    """Whether a mutant that is put in place is the same as one that is imported.

    That is so of functions that no import runs; and of constants of which, but for others of the
    module that are made of them, only functions ask, each time that they run.
    """
    if place.is_function is None or ("." in place.name and not place.is_function):
        return False
    if place.is_function:
        return (place.module, place.name) not in _run_at_import()
    names = {place.name}
    for statement in dependence.source(place.module).tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.If | ast.With | ast.Try):
            made: list[ast.expr] = []
        else:
            made = getattr(statement, "targets", [getattr(statement, "target", statement)])
        if _named_at_import(statement) & names:
            match made:
                case [ast.Name(id=name)]:
                    names.add(name)
                case _:
                    return False
    return not any(
        name in names
        for other in dependence.names()
        if other != place.module
        for name in _asked_of_others(other)
    )


def _named_at_import(statement: ast.stmt) -> set[str]:
    """The names of which a statement asks when its module is imported."""
    nodes = dependence.at_import(statement)
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


@cache
def _asked_of_others(module: str) -> frozenset[str]:
    """The names that a module takes from others while it is imported, whatever they are."""
    source = dependence.source(module)
    imported = {name for _, name, _ in source.imports if name is not None}
    nodes = dependence.at_import(source.tree)
    return frozenset(imported | {node.attr for node in nodes if isinstance(node, ast.Attribute)})


@lru_cache(maxsize=1)
def _run_at_import() -> frozenset[tuple[str, str]]:
    """The functions of the shipped code that run when it is imported, by module and name."""
    shipped()

    def watched() -> frozenset[tuple[str, str]]:
        modules = {str(module.__file__): name for name, module in shipped().items()}
        for name in modules.values():
            del sys.modules[name]
        return _seen_to_run(modules, lambda: [*map(importlib.import_module, modules.values())])

    found: frozenset[tuple[str, str]] = forked(watched, LIMIT)
    return found


def _seen_to_run(
    modules: Mapping[str, str], function: Callable[[], object]
) -> frozenset[tuple[str, str]]:
    """Which functions run in files of these modules, by module and name, while one runs."""
    found = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename in modules:
            found.add((modules[frame.f_code.co_filename], frame.f_code.co_qualname))

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return frozenset(found)


@lru_cache(maxsize=1)
def _claims() -> dict[str, Claim]:
    return {claim.id: claim for claim in every_claim()}


@cache
def _place_of_inputs(memory: Memory | None, claim: str) -> drawn.Place | None:
    digest = dependence.digest(_claims()[claim])
    if digest is None:
        return None
    # A worker of a cluster has a folder of its own.
    return drawn.Place(memory or Memory(default_folder()), str(dependence.inputs()), digest)


def _inputs(
    claim: Claim, options: Options, memory: drawn.Place | None, start: int, end: int
) -> Iterator[dict[str, Any]]:
    """Some of the inputs that fuzzing draws for a claim; none if a type has no domain."""
    all = replace(options, examples=options.examples * ALONE)
    with drawn.remembered(memory), suppress(KeyError):
        yield from islice(drawn.sample(claim, all), start, end)


def reach(claim: Claim, inputs: Sequence[Mapping[str, Any]]) -> Reached:
    """Run a claim as the code is, and see which functions of it run."""
    start = time.process_time()
    failures: list[str] = []
    held = 0
    with suppress(TooSlow), time_limit(EACH / 2):
        for each in inputs:
            failure = claim.fails_on(each)
            if failure is not None:
                failures.append(failure)
            held += 1
    control = Control(claim.id, held, time.process_time() - start)
    modules = {str(module.__file__): name for name, module in shipped().items()}
    some = inputs[: max(1, min(held, CONCRETE) // 2)]
    functions = _seen_to_run(modules, lambda: [claim.fails_on(each) for each in some])
    return Reached(control, functions, next(iter(failures), None))


@lru_cache(maxsize=1)
def shipped() -> Mapping[str, Any]:
    """The modules of the shipped code, imported, by name."""
    root = Path(verified.__path__[0])
    names = []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[0] != "proofs" and parts[-1] != "__main__":
            names.append(
                ".".join(["verified", *(parts[:-1] if parts[-1] == "__init__" else parts)])
            )
    return {name: importlib.import_module(name) for name in names}


def forked(function: Callable[[], Any], seconds: float) -> Any:
    """What a function returns in a process that is forked for it; None if that does not end well.

    :raises RuntimeError: if the function raises.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            os.close(reading)
            _alone(seconds)
            try:
                answer = True, function()
            except Exception as error:
                answer = False, f"{type(error).__name__}: {error}"
            with open(writing, "wb") as pipe:
                pipe.write(pickle.dumps(answer))
        os._exit(0)
    os.close(writing)
    received = bytearray()
    end = time.monotonic() + seconds
    with open(reading, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], max(0.0, end - time.monotonic()))[0]:
            octets = pipe.read(1 << 16)
            if not octets:
                break
            received += octets
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    try:
        returned, value = pickle.loads(bytes(received))
    except (EOFError, pickle.UnpicklingError):
        return None
    if not returned:
        raise RuntimeError(value)
    return value


def _alone(seconds: float) -> None:
    """Make this process, which was forked, one that can be ended with all that it starts."""
    os.setpgid(0, 0)
    # If there is nobody any more who ends it.
    most = int(seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    # What is copied from the other process is not to be gone through.
    gc.disable()


def _judged(trial: Trial) -> Iterator[Judgement]:
    places = {c.claim: _place_of_inputs(trial.memory, c.claim) for c in trial.claims}
    for id, inputs, _ in trial.claims:
        # A mutant is to have no part in what is drawn, and what is drawn none in its time.
        list(_inputs(_claims()[id], trial.options, places[id], 0, inputs))
    asked = Asked(trial.claims, places, trial.options)
    every = _mutants(trial.place)
    for mutant in (every[number] for number in trial.numbers):
        start = time.perf_counter()
        verdict, by, engine = _judgement(mutant, asked, trial.anew)
        seconds = time.perf_counter() - start
        yield Judgement(mutant.id, mutant.line, verdict, by, engine, seconds)


def _judgement(mutant: Mutant, asked: Asked, anew: bool) -> Answer:
    if _is_same(mutant):
        return EQUIVALENT, "it compiles to the same code", ""
    try:
        answer: Answer | None = forked(lambda: _tried(mutant, asked, anew), LIMIT)
    except RuntimeError as error:
        return ERROR, str(error), ""
    return answer or (STOPPED, "its process did not end", "")


def _is_same(mutant: Mutant) -> bool:
    """Whether a mutant of a function differs in what is read alone."""
    if mutant.is_function is not True or mutant.in_signature:
        return False
    return mutant.module.codes[mutant.name] == sources.module(mutant.module.name).codes[mutant.name]


class Asked(NamedTuple):
    """The claims that are asked about a mutant, and where their inputs are."""

    claims: tuple[Control, ...]
    inputs: Mapping[str, drawn.Place | None]
    options: Options


Answer = tuple[str, str, str]

OF_THE_SAME_VALUE: Answer = (EQUIVALENT, "it has the same value", "")


def _tried(mutant: Mutant, asked: Asked, anew: bool) -> Answer:
    """In a process that is forked for it: put a mutant in place, and ask."""
    before = _value(mutant)
    if anew:
        try:
            _import_anew(mutant.module)
        except Exception:
            return STILLBORN, "", ""
        try:
            module: Any = importlib.import_module(__name__)
            module.sources.stand_in(mutant.module)
            module._claims()
        except Exception as error:
            return RAISED, f"the import of the claims: {error}", ""
        if equivalence.same_value(before, _value(mutant)):
            return OF_THE_SAME_VALUE
        answer: Answer = module.ask(asked, None)
        return answer
    try:
        with applied(mutant):
            if equivalence.same_value(before, _value(mutant)):
                return OF_THE_SAME_VALUE
        return ask(asked, mutant)
    except Stillborn:
        return STILLBORN, "", ""


def _value(mutant: Mutant) -> Any:
    """The value of the constant that is mutated; of anything else, one that nothing is like.

    From the text of an expression, which is no part of what it matches, others may be made.
    """
    if mutant.is_function is not False or _depends_on_the_system(mutant):
        return object()
    module = sys.modules[mutant.module.name]
    value = attrgetter(mutant.name)(module)
    texts = [each for each in vars(module).values() if isinstance(each, str | re.Pattern)]
    return [value, *texts]


def _depends_on_the_system(mutant: Mutant) -> bool:
    """Whether the constant that is mutated may have another value elsewhere."""
    values = constants(ast.parse(mutant.module.text), mutant.name.split("."))
    return any(isinstance(n, ast.Name) and n.id == "os" for v in values for n in ast.walk(v))


def _import_anew(changed: sources.Module) -> None:
    """Import the code again with a changed text in place, and leave the evidence to be imported."""
    names = [name for name in shipped() if name not in APART]
    for name in [name for name in sys.modules if dependence.is_ours(name)]:
        del sys.modules[name]
    sys.meta_path.insert(0, Instead([changed]))
    for name in names:
        importlib.import_module(name)


def ask(asked: Asked, mutant: Mutant | None) -> Answer:
    """Ask the claims about a mutant, or about the code as it was imported."""
    place = nullcontext() if mutant is None else applied(mutant)
    with place:
        for start, end in ((0, CONCRETE), (CONCRETE, asked.options.examples * ALONE)):
            answer = _run_on_inputs(asked, start, end)
            if answer is not None:
                return answer
    if mutant is not None:
        found = equivalence.subject_of(mutant, sys.modules[mutant.module.name])
        bound = found and equivalence.proved(mutant, *found, seconds=EACH)
        if bound is not None:
            return EQUIVALENT, f"proved ({bound})" if bound else "proved", "smt"
    over = time.process_time() + SEARCH
    with nullcontext() if mutant is None else applied(mutant):
        for claim in (_claims()[id] for id, _, _ in asked.claims):
            for engine in claim.engines:
                if time.process_time() > over:
                    return SURVIVED, "", ""
                if engine not in (fuzz.NAME, symbolic.NAME) and _refutes(engine, claim, asked):
                    return KILLED, claim.id, engine
    return SURVIVED, "", ""


def _run_on_inputs(asked: Asked, start: int, end: int) -> Answer | None:
    """Run claims on some of their inputs; that a claim is false says more than anything else."""
    second: Answer | None = None
    for id, held, seconds in asked.claims:
        claim = _claims()[id]
        try:
            inputs = list(_inputs(claim, asked.options, asked.inputs[id], start, min(end, held)))
        except Exception:
            # Machines are run to draw their states.
            second = second or (RAISED, id, fuzz.NAME)
            continue
        try:
            with time_limit(1.0 + 4 * seconds):
                failures = {claim.fails_on(each) for each in inputs} - {None}
        except TooSlow:
            # Whatever loops for ever does so in most claims.
            return second or (STOPPED, id, fuzz.NAME)
        if FALSE in failures:
            return KILLED, id, fuzz.NAME
        if failures and second is None:
            second = RAISED, id, fuzz.NAME
    return second


def _refutes(engine: str, claim: Claim, asked: Asked) -> bool:
    options = replace(asked.options, timeout=EACH)
    try:
        with time_limit(2 * EACH):
            found = ENGINES[engine](claim, options)
            return found.inputs is not None and claim.fails_on(found.inputs) is not None
    except (Exception, TooSlow):
        # What the engine cannot say of a mutant does not refute it.
        return False
