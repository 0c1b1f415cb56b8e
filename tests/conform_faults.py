"""Implementations with one planted fault each, for the tests of ``verified conform``."""

import json
from collections.abc import Callable
from typing import Any

from proofs.conform import program
from proofs.conform.target import About, Arguments, Raised, Refused

Answer = Any
Ask = Callable[[str, Arguments], Answer]
Fault = Callable[[Ask, str, Arguments], Answer]


class Implementation:
    """The verified parts in this process, behind a fault, as a target."""

    def __init__(self, fault: Fault | None = None) -> None:
        names: dict[str, Any] = {"__name__": "implementation"}
        exec(program.knows("verified"), names)
        self._operations: dict[str, Callable[..., Any]] = names["OFFERS"]
        self._fault = fault
        self.about = About("implementation", "1", "", frozenset(self._operations))

    def ask(self, operation: str, arguments: Arguments, patience: float = 1) -> Answer:
        if operation not in self._operations:
            raise Refused(operation)
        if self._fault is None:
            return self._right(operation, arguments)
        try:
            return self._fault(self._right, operation, arguments)
        except Exception as error:
            return Raised(type(error).__name__, str(error))

    def _right(self, operation: str, arguments: Arguments) -> Answer:
        answer = self._operations[operation](**json.loads(json.dumps(arguments)))
        return json.loads(json.dumps(answer))

    def script(self, operation: str, arguments: Arguments) -> str:
        return json.dumps([operation, arguments])

    def run(self, script: str, patience: float = 1) -> Answer:
        operation, arguments = json.loads(script)
        return self.ask(operation, arguments)

    def close(self) -> None:
        pass


def receives(change: Callable[[str], str], name: str = "traceparent") -> Fault:
    """A fault in what is received: it is read as if it were another header."""

    def fault(ask: Ask, operation: str, arguments: Arguments) -> Answer:
        if "headers" not in arguments:
            return ask(operation, arguments)
        headers = [[n, change(v) if n == name else v] for n, v in arguments["headers"]]
        return ask(operation, {**arguments, "headers": headers})

    return fault


def sends(change: Callable[[str], str | None], name: str = "traceparent") -> Fault:
    """A fault in what is sent: another value goes out, or none."""

    def fault(ask: Ask, operation: str, arguments: Arguments) -> Answer:
        answer = ask(operation, arguments)
        if "headers" not in answer:
            return answer
        changed = [[n, change(v) if n == name else v] for n, v in answer["headers"]]
        return {**answer, "headers": [each for each in changed if each[1] is not None]}

    return fault


def arrives(change: Callable[[list[list[str]]], list[list[str]]]) -> Fault:
    """A fault in the headers that arrive, as a list."""

    def fault(ask: Ask, operation: str, arguments: Arguments) -> Answer:
        if "headers" not in arguments:
            return ask(operation, arguments)
        return ask(operation, {**arguments, "headers": change(arguments["headers"])})

    return fault


def steps(change: Callable[[list[Any], dict[str, Any]], dict[str, Any]]) -> Fault:
    """A fault in what an operation on an object gives."""

    def fault(ask: Ask, operation: str, arguments: Arguments) -> Answer:
        answer = ask(operation, arguments)
        if "operations" not in arguments:
            return answer
        pairs = zip(arguments["operations"], answer["steps"], strict=True)
        return {"steps": [change(asked, step) for asked, step in pairs]}

    return fault


def answers(operation: str, change: Callable[[Arguments, Answer], Answer]) -> Fault:
    """A fault in the answer of one operation."""

    def fault(ask: Ask, asked: str, arguments: Arguments) -> Answer:
        answer = ask(asked, arguments)
        return change(arguments, answer) if asked == operation else answer

    return fault
