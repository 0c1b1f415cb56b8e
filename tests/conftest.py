"""Tests run with contracts on: whatever they call is held to what it promises.

Benchmarks run with contracts off, as the code is shipped. What runs of the command remember
is remembered in a folder of the tests, and no later run can take it for its own.
"""

import os
import tempfile
from collections.abc import Iterator

import pytest

from verified.contracts import CONTRACTS_ENABLED


def pytest_configure(config: pytest.Config) -> None:
    measures = all("bench_" in argument for argument in config.args)
    if measures and CONTRACTS_ENABLED:
        raise pytest.UsageError("unset VERIFIED_CONTRACTS, or call `make bench`")
    if not measures and not CONTRACTS_ENABLED:
        raise pytest.UsageError("set VERIFIED_CONTRACTS=1, or call `make test`")


@pytest.fixture(scope="session", autouse=True)
def _memory_of_the_tests() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["VERIFIED_CACHE"] = folder
        yield
        del os.environ["VERIFIED_CACHE"]
