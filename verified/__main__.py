"""The command ``verified``, whose parts stand with the proofs.

A wheel carries the proofs inside of this package, a checkout beside it. This is the
one place where the shipped code knows of them, and it imports them by name only when
the command is run.
"""

import sys
import traceback
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path


def main() -> None:
    """Run the command line; exits with its status."""
    beside = Path(__file__).resolve().parent.parent / "proofs"
    name = "verified.proofs" if find_spec("verified.proofs") else "proofs"
    if name == "proofs" and not beside.is_dir():
        print("verified: the proofs are not installed here", file=sys.stderr)
        sys.exit(2)
    try:
        command = import_module(f"{name}.command")
    except ModuleNotFoundError as missing:
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
