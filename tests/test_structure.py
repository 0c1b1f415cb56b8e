"""The folders import one way: tests, proofs, verified."""

import ast
import sys
from pathlib import Path

import proofs
import verified

ROOT = Path(proofs.__file__).parent.parent


def imported(path: Path) -> set[str]:
    """The top-level names that a file imports, where it says so by an import statement."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_shipped_code_imports_the_standard_library_and_itself() -> None:
    for path in (ROOT / "verified").rglob("*.py"):
        allowed = {"verified", "icontract", *sys.stdlib_module_names}
        if path.parent.name == "otel":
            allowed.add("opentelemetry")
        if path.parts[-2:] == ("verified", "strategies.py"):
            allowed.add("hypothesis")
        if path.parts[-2:] in [("otlp", "http.py"), ("otlp", "grpc.py")]:
            allowed.add({"http.py": "urllib3", "grpc.py": "grpc"}[path.name])
        assert imported(path) <= allowed, path


def test_only_the_id_generator_the_processors_and_the_exporter_need_the_sdk() -> None:
    for path in (ROOT / "verified").rglob("*.py"):
        assert ("opentelemetry.sdk" in path.read_text()) == (
            path.parent.name == "otel"
            and path.name in ("id_generator.py", "processor.py", "exporter.py")
        )


def test_only_the_contracts_import_icontract() -> None:
    for path in (ROOT / "verified").rglob("*.py"):
        assert ("icontract" in imported(path)) == (path.name == "contracts.py")


def test_proofs_do_not_import_tests() -> None:
    for path in (ROOT / "proofs").rglob("*.py"):
        assert not {"tests", "proofs"} & imported(path), path


def test_the_package_says_what_it_exports() -> None:
    assert sorted(verified.__all__) == verified.__all__
    assert all(hasattr(verified, name) for name in verified.__all__)
