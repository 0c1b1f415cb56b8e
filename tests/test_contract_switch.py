"""The switch for the contracts, seen from outside: a new interpreter for each setting."""

import json
import os
import subprocess
import sys

import pytest

SEEN = """
import json, sys
import verified
from verified import traceparent
print(json.dumps({
    "wrapped": hasattr(traceparent.parse, "__wrapped__"),
    "icontract": "icontract" in sys.modules,
    "other": sorted(
        name for name in sys.modules
        if name.partition(".")[0] not in sys.stdlib_module_names
        and name.partition(".")[0] not in ("verified", "__main__", "__mp_main__")
        and not name.startswith(("_", "sitecustomize", "usercustomize"))
    ),
}))
"""


def seen(setting: str | None) -> dict[str, object]:
    environment = {k: v for k, v in os.environ.items() if k != "VERIFIED_CONTRACTS"}
    if setting is not None:
        environment["VERIFIED_CONTRACTS"] = setting
    run = subprocess.run(
        [sys.executable, "-c", SEEN], env=environment, capture_output=True, text=True, check=True
    )
    found: dict[str, object] = json.loads(run.stdout)
    return found


@pytest.mark.parametrize("setting", [None, "", "0", "true", "yes"])
def test_off_unless_it_is_exactly_one(setting: str | None) -> None:
    found = seen(setting)
    assert found["wrapped"] is False
    assert found["icontract"] is False


def test_off_imports_nothing_but_the_standard_library() -> None:
    assert seen(None)["other"] == []


def test_on_guards_the_function() -> None:
    found = seen("1")
    assert found["wrapped"] is True
    assert found["icontract"] is True


def test_on_a_broken_promise_raises() -> None:
    code = (
        "import icontract\n"
        "from verified import IdGenerator\n"
        "IdGenerator._draw = lambda self, bits: 0\n"
        "try:\n"
        "    IdGenerator().generate_trace_id()\n"
        "except icontract.ViolationError as broken:\n"
        "    assert 'is_valid' in str(broken)\n"
        "else:\n"
        "    raise SystemExit(1)\n"
    )
    environment = {**os.environ, "VERIFIED_CONTRACTS": "1"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
