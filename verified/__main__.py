"""The command ``verified``, whose parts stand with the proofs.

A wheel carries the proofs inside of this package, a checkout beside it. This is the
one place where the shipped code knows of them, and it imports them by name only when
the command is run, or ``verified.toolkit`` imported.
"""

import os
import sys
import traceback
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def proofs(module: str) -> Any:
    """Import a module of the proofs.

    :raises ModuleNotFoundError: if it is not installed, or what it needs is not.
    """
    if find_spec("verified.proofs"):
        return import_module(f"verified.proofs.{module}")
    if not (Path(__file__).resolve().parent.parent / "proofs").is_dir():
        raise ModuleNotFoundError("the proofs are not installed here", name="verified.proofs")
    return import_module(f"proofs.{module}")


def main() -> None:
    """Run the command line; exits with its status."""
    # What else is installed here has no part in what Hypothesis draws.
    os.environ.setdefault("HYPOTHESIS_NO_PLUGINS", "1")
    try:
        command = proofs("command")
    except ModuleNotFoundError as missing:
        if missing.name == "verified.proofs":
            print(f"verified: {missing}", file=sys.stderr)
            sys.exit(2)
        print(
            f"verified: the package {missing.name!r} is missing; "
            "`pip install 'verified-otlp[prove]'` installs what the command needs",
            file=sys.stderr,
        )
        sys.exit(2)
    except Exception:
        # What cannot even be imported has not been proved, and is no failed claim either.
        traceback.print_exc()
        sys.exit(2)
    command.main()


if __name__ == "__main__":
    main()
