"""What is checked: a process that speaks the protocol, contained and restarted when it dies."""

from __future__ import annotations

import json
import os
import queue
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from . import program

Arguments = Mapping[str, Any]

PROTOCOL = 1
PATIENCE = 20.0
"""Seconds within which a target has to answer, if nothing else is said."""


@dataclass(frozen=True)
class Raised:
    """An answer: the implementation threw instead of returning."""

    type: str
    message: str

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type


class Gone(Exception):
    """The target gave no answer: it died, hung, or said what is not of the protocol."""


class Refused(Exception):
    """The target says that it cannot do what it was asked."""


class Unfit(Exception):
    """The target cannot be asked with these arguments, which says nothing of it."""


@dataclass(frozen=True)
class About:
    """What a target says of itself."""

    name: str
    version: str
    runtime: str
    offers: frozenset[str]
    implements: frozenset[str] | None = None
    """The standards that it claims, by the names of their files in ``spec``; all if None."""
    trace_context_level: int | None = None
    """The highest level of W3C Trace Context that it claims, if it says so."""


class Target(Protocol):
    """What can be asked, and whose answers can be shown again by a script."""

    @property
    def about(self) -> About: ...

    def ask(self, operation: str, arguments: Arguments, patience: float = PATIENCE) -> Any:
        """Return the answer of an operation, or ``Raised``.

        :raises Gone: if there is none; the next call finds the target started anew.
        :raises Refused: if the target cannot do this.
        :raises Unfit: if it cannot be asked with such arguments.
        """

    def script(self, operation: str, arguments: Arguments) -> str:
        """A script that asks the same and prints the answer as JSON."""

    def run(self, script: str, patience: float = PATIENCE) -> Any:
        """Run such a script and return what it prints, or ``Raised``; raises ``Gone`` too."""

    def close(self) -> None:
        """End what was started."""


class ProcessTarget:
    """A program that speaks the protocol on its standard input and output.

    :raises Gone: if it cannot be started, or does not say hello.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self.command = tuple(command)
        self.environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._reader: threading.Thread | None = None
        self._errors: Any = None
        self._number = 0
        try:
            self.about = self._start()
        except BaseException:
            self.close()
            raise

    def ask(self, operation: str, arguments: Arguments, patience: float = PATIENCE) -> Any:
        if self._process is None:
            self._start()
        return self._ask(operation, arguments, patience)

    def script(self, operation: str, arguments: Arguments) -> str:
        asked = program.request(operation, arguments)
        return f"printf '%s' {shlex.quote(asked)} | {' '.join(map(shlex.quote, self.command))}\n"

    def run(self, script: str, patience: float = PATIENCE) -> Any:
        output = _run(["/bin/sh", "-c", script], self.environment, patience)
        return _answer(_json(output.strip().rpartition(b"\n")[2]))

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            with suppress(BrokenPipeError):
                process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                process.wait(1)
            # What it started may still be there, and hold its standard output.
            _kill(process)
            self._drained(process)
        if self._errors is not None:
            self._errors.close()

    def _drained(self, process: subprocess.Popen[bytes]) -> None:
        """Let the reader come to the end of a process that has ended, and close its pipes."""
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):
            process.stdin.close()
        if self._reader is not None:
            self._reader.join(1)
        if self._reader is None or not self._reader.is_alive():
            process.stdout.close()

    def _start(self) -> About:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115, closed with the process
        try:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        except OSError as error:
            self._errors.close()
            raise Gone(f"{self.command[0]} cannot be started: {error.strerror}") from None
        self._lines = queue.SimpleQueue()
        self._reader = threading.Thread(
            target=_read, args=(self._process.stdout, self._lines), daemon=True
        )
        self._reader.start()
        try:
            hello = self._ask("hello", {"protocol": PROTOCOL}, 2 * PATIENCE)
            if hello["protocol"] != PROTOCOL:
                raise self._gone(f"it speaks version {hello['protocol']} of the protocol")
            if hello.get("trace_context_level", 2) not in (1, 2):
                raise self._gone(f"it claims Level {hello['trace_context_level']!r}, not 1 or 2")
            about = About(
                str(hello["name"]),
                str(hello["version"]),
                str(hello.get("runtime", "")),
                frozenset(map(str, hello["offers"])),
                None if "implements" not in hello else frozenset(map(str, hello["implements"])),
                hello.get("trace_context_level"),
            )
        except Refused as refused:
            raise self._gone(f"it refuses to say hello: {refused}") from None
        except KeyError as error:
            raise self._gone(f"its hello has no {error}") from None
        except TypeError:
            raise self._gone(f"its hello is {str(hello)[:80]}") from None
        return about

    def _ask(self, operation: str, arguments: Arguments, patience: float) -> Any:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        self._number += 1
        try:
            process.stdin.write(program.request(operation, arguments, self._number).encode())
            process.stdin.flush()
            line = self._lines.get(timeout=patience)
        except OSError:
            line = None
        except queue.Empty:
            raise self._gone(f"it did not answer within {patience:g} s") from None
        if line is None:
            raise self._gone("it ended")
        try:
            reply = _json(line)
            if not isinstance(reply, dict):
                raise Gone(f"it printed what is no answer: {line[:80]!r}")
            if reply.get("id") != self._number:
                raise Gone(f"it answered {reply.get('id')!r} when it was asked {self._number}")
            return _answer(reply)
        except Gone as gone:
            raise self._gone(str(gone)) from None

    def _gone(self, why: str) -> Gone:
        """What to raise when the process is of no more use, which ends it."""
        process, self._process = self._process, None
        if process is not None:
            if why == "it ended":
                try:
                    why = f"it ended with exit status {process.wait(1)}"
                except subprocess.TimeoutExpired:
                    why = "it closed its standard output"
            _kill(process)
            self._drained(process)
        with self._errors as errors:
            errors.seek(0)
            said = errors.read().decode("utf-8", "replace").strip().splitlines()
        return Gone(why + (f"; its last words: {said[-1][:200]}" if said else ""))


class PackageTarget(ProcessTarget):
    """A package of Python, in the interpreter that is named.

    :raises Gone: if the interpreter or the package is not there.
    """

    def __init__(
        self, package: str, python: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self.package = package
        self.python = python
        self._folder = tempfile.TemporaryDirectory(prefix="conform-")
        agent = Path(self._folder.name) / f"{package}_agent.py"
        agent.write_text(program.agent(package), encoding="utf-8")
        super().__init__([python, str(agent)], environment)

    def script(self, operation: str, arguments: Arguments) -> str:
        return program.script(self.package, operation, arguments)

    def run(self, script: str, patience: float = PATIENCE) -> Any:
        return run_python(script, patience, self.python, self.environment)

    def close(self) -> None:
        super().close()
        self._folder.cleanup()


def run_python(
    script: str,
    patience: float,
    python: str = sys.executable,
    environment: Mapping[str, str] | None = None,
) -> Any:
    """Run a script and return what its last line says in JSON, or ``Raised``.

    :raises Gone: if it does not end in time, or prints something else.
    """
    with tempfile.TemporaryDirectory(prefix="conform-") as folder:
        path = Path(folder) / "script.py"
        path.write_text(script, encoding="utf-8")
        output = _run([python, str(path)], environment or {}, patience)
    printed = _json(output.strip().rpartition(b"\n")[2])
    is_raised = isinstance(printed, dict) and set(printed) == {"raised"}
    return _answer(printed) if is_raised else printed


def _read(stream: Any, lines: queue.SimpleQueue[bytes | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        raise Gone(f"it printed what is no answer: {line[:80]!r}") from None


def _answer(reply: Any) -> Any:
    if isinstance(reply, dict):
        if "answer" in reply:
            return reply["answer"]
        if "raised" in reply:
            raised = reply["raised"]
            return Raised(str(raised.get("type")), str(raised.get("message", "")))
        if "refused" in reply:
            raise Refused(str(reply["refused"]))
    raise Gone(f"it printed what is no answer: {str(reply)[:80]}")


def _run(command: Sequence[str], environment: Mapping[str, str], patience: float) -> bytes:
    """Run a command to its end; what it raises is an answer as well."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            _kill(process)
            raise Gone(f"the script did not end within {patience:g} s") from None
    if process.returncode != 0:
        last = errors.decode("utf-8", "replace").strip().splitlines()[-1:]
        name, _, message = (last[0] if last else f"exit status {process.returncode}").partition(
            ": "
        )
        reply = {"type": name.rpartition(".")[2], "message": message}
        return json.dumps({"raised": reply}).encode()
    return output


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
