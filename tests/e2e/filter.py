"""Stands between the checker and a program: notes what is asked, and breaks answers if told to.

filter.py NOTES (honest | broken) COMMAND...
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def of_version_01(answer: Any) -> None:
    for header in answer["headers"]:
        header[1] = header[1].replace("00-", "01-", 1)


def in_reverse(answer: Any) -> None:
    if answer["span"]:
        answer["span"]["trace_state"].reverse()


def without_tracestate(answer: Any) -> None:
    answer["headers"] = [each for each in answer["headers"] if each[0].lower() != "tracestate"]


def changed_in_place(answer: Any) -> None:
    for step in answer["steps"]:
        step["before"] = step.get("members", step.get("entries"))


def in_upper_case(answer: Any) -> None:
    for entry in answer["entries"]:
        entry[1] = entry[1].upper()


def twice(answer: Any) -> None:
    for header in answer["headers"]:
        header[1] = f"{header[1]},{header[1]}"


def without_headers(answer: Any) -> None:
    answer["headers"] = []


FAULTS = {
    "tracecontext.extract": in_reverse,
    "tracecontext.inject": of_version_01,
    "tracecontext.relay": without_tracestate,
    "tracecontext.continue": of_version_01,
    "tracestate.apply": changed_in_place,
    "baggage.extract": in_upper_case,
    "baggage.inject": twice,
    "baggage.relay": without_headers,
    "baggage.apply": changed_in_place,
}


def main(notes: Path, way: str, *command: str) -> None:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        for line in sys.stdin.buffer:
            program.stdin.write(line)
            program.stdin.flush()
            reply = program.stdout.readline()
            operation = json.loads(line)["operation"]
            with notes.open("a") as file:
                file.write(operation + "\n")
            if way == "broken" and operation in FAULTS:
                told = json.loads(reply)
                FAULTS[operation](told["answer"])
                reply = json.dumps(told).encode() + b"\n"
            sys.stdout.buffer.write(reply)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
