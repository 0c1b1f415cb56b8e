"""A program that speaks the protocol of ``verified conform`` and, if told so, badly.

It takes no header, and its fault shows when it is asked with a traceparent of version ff. It writes
its process id into a file, if one is named, when it starts, and into another when it hangs; a child
that it starts has the first file open instead.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

fault, started, hung = (*sys.argv[1:], "", "", "")[:3]


def hang() -> None:
    if hung:
        Path(hung).write_text(str(os.getpid()))
    time.sleep(600)


if fault == "child":
    subprocess.Popen(["sleep", "600"], pass_fds=[os.open(started, os.O_WRONLY)])
elif started:
    with open(started, "a") as file:
        file.write(f"{os.getpid()}\n")
claims = json.loads(os.environ.get("CLAIMS", "{}"))


def say(reply: object) -> None:
    print(json.dumps(reply), flush=True)


if fault == "asleep":
    hang()
for line in sys.stdin:
    request = json.loads(line)
    number, arguments = request["id"], request["arguments"]
    if request["operation"] == "hello":
        offers = ["tracecontext.extract", "tracecontext.continue"]
        hello = {"protocol": 1, "name": "fake", "version": "1", "offers": offers, **claims}
        say({"id": number, "answer": hello})
        continue
    answer = {"id": number, "answer": {"span": None}}
    if request["operation"] == "tracecontext.continue":
        sent = [[name, text] for name, text in arguments["headers"] if name == "traceparent"]
        answer = {"id": number, "answer": {"headers": sent}}
    if any(text.startswith("ff") for _, text in arguments["headers"]):
        if fault == "chatty":
            print("starting up", flush=True)
        elif fault == "hanging":
            hang()
        elif fault == "ending":
            print("no more", file=sys.stderr, flush=True)
            sys.exit(3)
        elif fault == "killed":
            os.abort()
        elif fault == "behind":
            answer = {**answer, "id": number - 1}
        elif fault == "ahead":
            say({**answer, "id": number + 1})
        elif fault == "cut":
            print(json.dumps(answer)[:-1], flush=True)
            continue
        elif fault == "empty":
            answer = {"id": number}
        elif fault == "list":
            say([answer])
            continue
        elif fault == "number":
            answer = {"id": number, "answer": 7}
        elif fault == "null":
            answer = {"id": number, "answer": None}
        elif fault == "binary":
            os.write(1, b"\xff\xfe\n")
            continue
        elif fault == "mute":
            os.close(1)
            hang()
    say(answer)
