"""What a case has round it: receivers for what the target sends, variables of its environment.

Two arguments are for the checker and not handed on. ``receivers`` are begun for the case; in
all other texts ``receiver-0`` stands for the address of the first, and what each received is
put into the answer as ``received``. ``environment`` has the variables with which a process is
started that does the operation and nothing else. A receiver has what ``Receiver`` takes, or
``grpc`` and what ``GrpcReceiver`` takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from . import receiver
from .program import ENVIRONMENT, GRPC, RECEIVERS, handed_on
from .target import Arguments, Gone, Raised, Refused, Startable, Target


def ask(target: Target, operation: str, arguments: Arguments, patience: float) -> Any:
    """Ask a target within the setting of its arguments.

    :raises Gone: if there is no answer.
    :raises Refused: if the target, or the checker here, has no such setting.
    """
    with _receiving(arguments.get(RECEIVERS, ())) as receivers:
        handed = receiver.filled(handed_on(arguments), receivers)
        if ENVIRONMENT not in arguments:
            answer = target.ask(operation, handed, patience)
        else:
            environment = receiver.filled(arguments[ENVIRONMENT], receivers)
            answer = _ask_within(environment, target, operation, handed, patience)
        if RECEIVERS in arguments and isinstance(answer, dict):
            answer = {**answer, "received": [each.received for each in receivers]}
        return answer


def _ask_within(
    environment: Mapping[str, str],
    target: Target,
    operation: str,
    arguments: Arguments,
    patience: float,
) -> Any:
    if not isinstance(target, Startable):
        raise Refused("the target cannot be started with variables of the environment")
    try:
        started = target.within(environment)
    except Gone as gone:
        # It starts without them, so that it is they that it cannot be started with.
        return Raised("it cannot be started", str(gone))
    try:
        return started.ask(operation, arguments, patience)
    finally:
        started.close()


def alone(arguments: Arguments, numbers: Sequence[int]) -> Arguments:
    """The same case with some of its receivers, and what is sent to them."""
    endpoints = [
        arguments["endpoints"][old].replace(f"receiver-{old}", f"receiver-{new}")
        for new, old in enumerate(numbers)
    ]
    receivers = [arguments[RECEIVERS][number] for number in numbers]
    return {**arguments, RECEIVERS: receivers, "endpoints": endpoints}


@contextmanager
def _receiving(described: Any) -> Iterator[list[Any]]:
    receivers: list[Any] = []
    try:
        for each in described:
            receivers.append(_receiver(each))
        yield receivers
    finally:
        for open_receiver in receivers:
            open_receiver.close()


def _receiver(described: Mapping[str, Any]) -> Any:
    if GRPC not in described:
        return receiver.Receiver(**described)
    try:
        from .grpc_receiver import GrpcReceiver
    except ImportError:
        raise Refused("a receiver over gRPC needs grpcio (extra otlp-grpc)") from None
    return GrpcReceiver(described[GRPC])
