"""The tutorial is run as it stands: its files are written, its commands say what it shows."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

TUTORIAL = Path(__file__).parent.parent / "docs" / "tutorial.md"

BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def test_the_tutorial_is_true(tmp_path: Path) -> None:
    commands = []
    for language, title, text in BLOCK.findall(TUTORIAL.read_text(encoding="utf-8")):
        if language != "console":
            (tmp_path / title).write_text(text, encoding="utf-8")
            continue
        command, *shown = text.splitlines()
        done = subprocess.run(
            [sys.executable, "-m", *command.removeprefix("$ ").split(), "--json", "report.json"],
            cwd=tmp_path,
            # A file that is written again within a second would be taken for the one before.
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        lines = done.stdout.splitlines()
        # Claims are shown as they are done.
        verdicts = {line for line in lines if line.startswith(("ok", "FAIL"))}
        assert verdicts == {line for line in shown if line.startswith(("ok", "FAIL"))}, done.stderr
        assert set(shown) <= set(lines)
        assert done.returncode == any(line.startswith("FAIL") for line in shown)
        report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
        assert not any(claim["remembered"] for claim in report["claims"])
        commands.append(command)
    assert len(commands) == 4
    kept = tmp_path / "build" / "counterexamples" / "test_b3_claims_only_digits.py"
    assert "only_digits" in kept.read_text(encoding="utf-8")
