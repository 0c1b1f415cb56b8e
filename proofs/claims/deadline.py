"""Claims about sockets on which everything together is done before one deadline."""

import socket
from collections.abc import Callable
from typing import Any, Literal
from unittest.mock import patch

from verified.otlp import deadline
from verified.otlp.deadline import Deadline, TimedSocket

from ..claim import Constant, claim
from ..verdict import Verdict

OPTION = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

LONGEST = Constant(deadline.__name__, "_LONGEST")


class _Clock:
    """A clock that goes when it is told to, and the end of the time that there is."""

    def __init__(self, seconds: float | None = None) -> None:
        self.now = 1024.0
        self.end = None if seconds is None else self.now + seconds

    def monotonic(self) -> float:
        return self.now

    @property
    def left(self) -> float | None:
        return None if self.end is None else self.end - self.now

    def wait(self, seconds: float, timeout: float | None) -> None:
        """Let what takes so long be done, or given up after its timeout."""
        if timeout is not None and seconds > timeout:
            self.now += timeout
            raise TimeoutError
        self.now += seconds


def _outcome(function: Callable[[], Any]) -> Any:
    """What a function returns, or the class of what it raises."""
    try:
        return function()
    except Exception as error:
        return type(error)


@claim(
    "What is left is the time until the deadline and at most a million seconds, or None if there "
    "is no limit; if nothing is left, or after the end, it is a TimeoutError",
    subject=(Deadline.__init__, Deadline.start, Deadline.left, LONGEST),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def what_is_left_is_the_time_until_the_deadline(
    seconds: Literal[None, 0, 1, 2, 10_000_000], passed: Literal[0, 1, 2, 3], ended: bool
) -> bool:
    clock = _Clock()
    with patch.multiple(deadline, time=clock):
        watched = Deadline()
        first = watched.left()
        watched.start(seconds)
        clock.now += passed
        if ended:
            watched.end()
        found = _outcome(watched.left)
        watched.start(None)
        last = _outcome(watched.left)
    expected: Any = None
    if ended or (seconds is not None and passed >= seconds):
        expected = TimeoutError
    elif seconds is not None:
        expected = min(seconds - passed, 1_000_000)
    return first is None and found == expected and last == (TimeoutError if ended else None)


@claim(
    "The end shuts down the socket that was watched last, whether it comes before or after it, "
    "and raises nothing if there is none or it is closed",
    subject=(Deadline.__init__, Deadline.watch, Deadline.end, deadline._shut_down),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def the_end_shuts_the_socket_down(
    when: Literal["before", "after", "never", "closed"], another: bool
) -> bool:
    one, other = socket.socketpair()
    first, second = socket.socketpair()
    with one, other, first, second:
        watched = Deadline()
        if another:
            watched.watch(first)
        if when in ("before", "closed"):
            watched.watch(one)
        if when == "closed":
            one.close()
        else:
            one.sendall(b"1")
        watched.end()
        watched.end()
        if when == "after":
            watched.watch(one)
        other.setblocking(False)
        second.setblocking(False)
        found = [_outcome(lambda: other.recv(1)) for _ in range(2)]
        others = _outcome(lambda: second.recv(1))
    if others != (b"" if another and when in ("never", "after") else BlockingIOError):
        return False
    if when == "closed":
        return found == [b"", b""]
    return found == [b"1", BlockingIOError if when == "never" else b""]


Behaviour = Literal["answers", "refuses", "is slow", "is silent", "ends", "interrupts"]


class _Network:
    """What stands for the modules ``socket`` and ``threading``: hosts that behave as told.

    ``wrong`` is what was done of which the clock says that it is not in time, or that a
    connection must not have done.
    """

    SOCK_STREAM, AI_NUMERICHOST = socket.SOCK_STREAM, socket.AI_NUMERICHOST
    SHUT_RDWR, gaierror = socket.SHUT_RDWR, socket.gaierror

    def __init__(self, clock: _Clock, addresses: Any, look_up: str = "numeric") -> None:
        self.clock = clock
        self.addresses = addresses
        self.look_up = look_up
        self.sockets: list[Any] = []
        self.threads = 0
        self.wrong = False
        self.socket = type("Scripted", (_Scripted,), {"network": self})
        self.Thread = type("Scripted", (_Thread,), {"network": self})
        self.watched = Deadline()

    def getaddrinfo(self, host: str, port: int, *, type: int, flags: int = 0) -> list[Any]:
        if (host, port, type) != ("one.example", 4318, socket.SOCK_STREAM):
            self.wrong = True
        if flags == socket.AI_NUMERICHOST and self.look_up != "numeric":
            raise socket.gaierror
        if flags == 0 and "unknown" in self.look_up:
            raise socket.gaierror
        if flags == 0 and self.look_up == "no name":
            raise UnicodeError
        return [
            (socket.AF_INET, type, position, "", (behaviour, port))
            for position, behaviour in enumerate(self.addresses)
        ]


class _Scripted:
    """A socket of this network, whose peers behave as their address says."""

    network: _Network

    def __init__(self, family: int, kind: int, protocol: int) -> None:
        self.made = family, kind, protocol
        self.options: list[Any] = []
        self.timeout: float | None = -1
        self.is_shut = self.is_closed = False
        self.network.sockets.append(self)

    def setsockopt(self, *option: int) -> None:
        self.options.append(option)

    def settimeout(self, seconds: float | None) -> None:
        self.timeout = seconds

    def connect(self, address: tuple[Behaviour, int]) -> None:
        network = self.network
        position = len(network.sockets) - 1
        if (
            self.timeout != network.clock.left
            or self.options != [OPTION, OPTION]
            or self.made != (socket.AF_INET, socket.SOCK_STREAM, position)
            or address != (network.addresses[position], 4318)
        ):
            network.wrong = True
        match address[0]:
            case "answers":
                network.clock.wait(1, self.timeout)
            case "is slow":
                network.clock.wait(2, self.timeout)
            case "refuses":
                raise ConnectionRefusedError
            case "is silent":
                network.clock.wait(9, self.timeout)
                raise TimeoutError
            case "ends":
                network.watched.end()
                network.wrong |= not self.is_shut
                raise ConnectionAbortedError
            case "interrupts":
                raise KeyboardInterrupt

    def shutdown(self, how: int) -> None:
        self.is_shut = how == socket.SHUT_RDWR

    def close(self) -> None:
        self.is_closed = True


class _Thread:
    """A thread of this network: it has done its work when somebody waits for it, or never."""

    network: _Network

    def __init__(self, *, target: Callable[[], None], daemon: bool) -> None:
        self.target = target
        self.network.threads += 1
        if not daemon:
            # The interpreter would not end before it.
            self.network.wrong = True

    def start(self) -> None:
        if "no thread" in self.network.look_up:
            raise RuntimeError

    def join(self, timeout: float | None) -> None:
        if timeout != self.network.clock.left:
            self.network.wrong = True
        if self.network.look_up == "late" and timeout is not None:
            self.network.clock.now += timeout
        else:
            self.target()


TAKES = {"answers": 1, "is slow": 2, "is silent": 9}
RAISES = {
    "refuses": ConnectionRefusedError,
    "is silent": TimeoutError,
    "ends": ConnectionAbortedError,
    "interrupts": KeyboardInterrupt,
}


def _connected(network: _Network, seconds: float | None) -> Any:
    """The position of the address that a deadline connects to, or the class of what it raises.

    It is "wrong" if a wait was too long, or a connection is left behind or not as it must be.
    """
    made: Any = None
    with patch.multiple(deadline, time=network.clock, socket=network, threading=network):
        network.watched.start(seconds)
        try:
            made = network.watched.connect("one.example", 4318, (OPTION, OPTION))
            found: Any = network.sockets.index(made)
            network.wrong |= made.timeout != network.clock.left
        except BaseException as error:
            found = type(error)
            if found is OSError:
                network.wrong |= "one.example" not in str(error)
    for each in network.sockets:
        network.wrong |= each.is_closed == (each is made)
    return "wrong" if network.wrong else found


@claim(
    "A host is connected to at the first of its addresses that answers in time; the options are "
    "set before, each wait and the socket that is returned have what is left as their timeout, all "
    "others are closed, and the end stops a wait; if no address answers, what the last one raises "
    "is raised",
    subject=Deadline.connect,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def the_first_address_that_answers_is_connected_to(
    first: Behaviour | None, second: Behaviour | None, seconds: Literal[1, 3] | None
) -> bool:
    addresses = [each for each in (first, second) if each is not None]
    expected: Any = OSError
    passed = 0
    for position, behaviour in enumerate(addresses):
        if "ends" in addresses[:position] or (seconds is not None and passed >= seconds):
            expected = TimeoutError
            break
        passed += TAKES.get(behaviour, 0)
        expected = RAISES.get(behaviour, position)
        if seconds is not None and passed >= seconds:
            expected = TimeoutError
        if expected in (position, KeyboardInterrupt):
            break
    return bool(_connected(_Network(_Clock(seconds), addresses), seconds) == expected)


@claim(
    "The wait for a name server is given up in time and keeps no interpreter from ending; a host "
    "that is an address needs none, and without threads the name is looked up at once; why a name "
    "has no address is raised",
    subject=Deadline._addresses,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def names_are_looked_up_in_time(
    look_up: Literal[
        "numeric", "known", "unknown", "no name", "late", "no thread", "no thread, unknown"
    ],
    seconds: Literal[3] | None,
) -> bool:
    network = _Network(_Clock(seconds), ["answers"], look_up)
    expected: Any = 0
    match look_up:
        case "unknown" | "no thread, unknown":
            expected = socket.gaierror
        case "no name":
            expected = UnicodeError
        case "late" if seconds is not None:
            expected = TimeoutError
    return _connected(network, seconds) == expected and network.threads == (look_up != "numeric")


class _Slow:
    """A connection that takes its pace for each call, in which two octets come or go at most.

    ``wrong`` is whether a call had another timeout than what is left.
    """

    name = "slow"

    def __init__(self, clock: _Clock, pace: float, content: bytes = b"") -> None:
        self.clock = clock
        self.pace = pace
        self.content = content
        self.sent = b""
        self.timeout: float | None = None
        self.wrong = self.is_closed = False

    def settimeout(self, seconds: float | None) -> None:
        self.timeout = seconds

    def makefile(self, mode: str, *, buffering: int) -> Any:
        # With a buffer it would wait until that is full.
        self.wrong |= mode != "rb" or buffering != 0
        return self

    def send(self, data: bytes) -> int:
        self._wait()
        self.sent += bytes(data[:2])
        return len(data[:2])

    def readinto(self, buffer: memoryview) -> int:
        self._wait()
        came, self.content = self.content[:2], self.content[2:]
        buffer[: len(came)] = came
        return len(came)

    def close(self) -> None:
        self.is_closed = True

    def _wait(self) -> None:
        self.wrong |= self.timeout != self.clock.left
        self.clock.wait(self.pace, self.timeout)


@claim(
    "However slowly octets come and go, what is read and sent comes whole, and in time or not at "
    "all: each call on the connection has what is left as its timeout, whatever else is set",
    subject=(
        TimedSocket.__init__,
        TimedSocket.sendall,
        TimedSocket.makefile,
        deadline._TimedReader.__init__,
        deadline._TimedReader.readinto,
    ),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def slow_connections_are_given_up_in_time(
    is_sent: bool,
    size: Literal[0, 1, 4, 7],
    pace: Literal[0, 1, 3],
    seconds: Literal[2, 4, 5] | None,
) -> bool:
    clock = _Clock(seconds)
    content = bytes(range(size))
    slow = _Slow(clock, pace, content)
    with patch.multiple(deadline, time=clock):
        watched = Deadline()
        timed = TimedSocket(slow, watched)
        watched.start(seconds)
        timed.settimeout(99)
        if is_sent:
            found = _outcome(lambda: timed.sendall(content)) or slow.sent
        else:
            found = _outcome(lambda: timed.makefile("rb").read(size))
    is_late = seconds is not None and -(-size // 2) * pace > seconds
    return found == (TimeoutError if is_late else content) and not slow.wrong


@claim(
    "A file of a connection is read after the connection was closed too, which ends with it",
    subject=(
        TimedSocket.__getattr__,
        TimedSocket.makefile,
        deadline._TimedReader.readable,
        deadline._TimedReader.readinto,
    ),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def files_outlive_the_socket(twice: bool) -> bool:
    one, other = socket.socketpair()
    # What has come is there at once; only what waits for more needs the time.
    with one, other, patch.multiple(deadline, time=_Clock()):
        watched = Deadline()
        watched.start(0.1)
        timed = TimedSocket(one, watched)
        file = timed.makefile("rb")
        other.sendall(b"abc")
        timed.close()
        other.setblocking(False)
        before = _outcome(lambda: other.recv(1))
        content = _outcome(lambda: file.read1(9))
        for _ in range(1 + twice):
            file.close()
        after = _outcome(lambda: other.recv(1))
        return (before, content, after) == (BlockingIOError, b"abc", b"") and timed.fileno() == -1
