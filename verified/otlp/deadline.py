"""Sockets on which everything together is done before one deadline.

The timeout of a socket is for one call, and a receiver that sends a byte now and then ends
no call late. So each call here has what is left of the time.
"""

import io
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

_LONGEST: Final = 1_000_000.0
"""The longest timeout of a call, in seconds; poll(2) can be told it in milliseconds."""


class Deadline:
    """When an attempt is over, and the socket on which it waits.

    It is used by one thread, but ``end`` may be called by any, and ends what another waits for.
    """

    def __init__(self) -> None:
        self._until: float | None = None
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_ended = False

    def start(self, seconds: float | None) -> None:
        """Let all that is done from now on end in so many seconds; None is no limit."""
        self._until = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """Return the seconds that are left, at most 1,000,000; None if there is no limit.

        :raises TimeoutError: if there are none, and always after ``end``.
        """
        if self._is_ended:
            raise TimeoutError("the exporter is shut down")
        if self._until is None:
            return None
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("there was no answer in time")
        return min(left, _LONGEST)

    def watch(self, connection: socket.socket) -> None:
        """Remember the socket that is to be shut down by ``end``; the last one counts."""
        with self._lock:
            self._socket = connection
        if self._is_ended:
            _shut_down(connection)

    def end(self) -> None:
        """Let nothing be done from now on, and what waits for the socket return; raises nothing."""
        self._is_ended = True
        with self._lock:
            connection = self._socket
        if connection is not None:
            _shut_down(connection)

    def connect(self, host: str, port: int, options: Iterable[tuple[Any, ...]]) -> socket.socket:
        """Return a socket that is connected to the first address of a host that can be reached.

        Its options, as ``setsockopt`` takes them, are set before; its timeout is what is left.

        :raises OSError: why the last address cannot be reached, or not in time, or why there is
            none.
        """
        failure = OSError(f"{host} has no address")
        for family, kind, protocol, _, address in self._addresses(host, port):
            connection = socket.socket(family, kind, protocol)
            try:
                for option in options:
                    connection.setsockopt(*option)
                connection.settimeout(self.left())
                self.watch(connection)
                connection.connect(address)
                connection.settimeout(self.left())
            except OSError as error:
                failure = error
                connection.close()
            except BaseException:
                connection.close()
                raise
            else:
                return connection
        raise failure

    def _addresses(self, host: str, port: int) -> list[Any]:
        """The addresses of a host; the wait for a name server is given up in time.

        No thread can be started at the exit of the interpreter; then the name server's own
        timeout counts.
        """
        with suppress(socket.gaierror):
            return socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )
        found: list[Any] = []
        failures: list[Exception] = []

        def look_up() -> None:
            try:
                found.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            except Exception as error:
                failures.append(error)

        thread = threading.Thread(target=look_up, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            look_up()
        else:
            thread.join(self.left())
        if failures:
            raise failures[0]
        if not found:
            raise TimeoutError(f"the addresses of {host} did not come in time")
        return found


class TimedSocket:
    """A connected socket, plain or TLS, as ``http.client`` uses it, with a deadline."""

    def __init__(self, connection: Any, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def settimeout(self, seconds: float | None) -> None:
        """Do nothing: each call has its own timeout."""

    def sendall(self, data: bytes) -> None:
        """Send all of it.

        :raises OSError: if that fails, or is not done in time.
        """
        view = memoryview(data)
        while view:
            self._connection.settimeout(self._deadline.left())
            view = view[self._connection.send(view) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return a file that reads from the socket, in time; the mode is ``"rb"``.

        The socket stays open until its files are closed too.
        """
        file = self._connection.makefile(mode, buffering=0)
        return io.BufferedReader(_TimedReader(file, self._connection, self._deadline))


class _TimedReader(io.RawIOBase):
    def __init__(self, file: Any, connection: Any, deadline: Deadline) -> None:
        self._file = file
        self._connection = connection
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._connection.settimeout(self._deadline.left())
        count: int | None = self._file.readinto(buffer)
        return count

    def close(self) -> None:
        super().close()
        self._file.close()


def _shut_down(connection: socket.socket) -> None:
    """Shut a connection down under TLS, if there is TLS: it may be in use."""
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
