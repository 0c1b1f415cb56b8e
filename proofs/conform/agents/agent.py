"""One file that answers ``verified conform`` for a package of Python; needs Python 3.7 alone.

It is put together from ``agent``, which speaks the protocol, and what knows the package. Each
operation is a function that uses the public names of the package, so that its source, with
the arguments below it, is a script that shows what the checker saw.
"""

from __future__ import annotations

import json
import os
import platform
import sys

# What the package prints must not come between the answers.
_answers = os.fdopen(os.dup(1), "w", encoding="ascii")
os.dup2(2, 1)

# What knows a package says here which standards the package claims, if not all of them.
CLAIMS = {}


def serve(name, version, operations, claims):
    """Answer requests until the input ends."""
    for line in sys.stdin.buffer:
        request = json.loads(line.decode("utf-8"))
        reply = {"id": request["id"]}
        operation = request["operation"]
        if operation == "hello":
            reply["answer"] = {
                "protocol": 1,
                "name": name,
                "version": version,
                "runtime": platform.python_implementation() + " " + platform.python_version(),
                "offers": sorted(operations),
            }
            reply["answer"].update(claims)
        elif operation not in operations:
            reply["refused"] = "there is no operation " + operation
        else:
            try:
                reply["answer"] = operations[operation](**request["arguments"])
            except BaseException as error:
                reply["raised"] = raised(error)
        _answers.write(json.dumps(reply) + "\n")
        _answers.flush()


def raised(error):
    """What an exception is in an answer."""
    return {"type": type(error).__name__, "message": str(error)[:300]}
