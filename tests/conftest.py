"""Tests run with contracts on: whatever they call is held to what it promises."""

import pytest

from verified.contracts import CONTRACTS_ENABLED


def pytest_configure(config: pytest.Config) -> None:
    if not CONTRACTS_ENABLED:
        raise pytest.UsageError("set VERIFIED_CONTRACTS=1, or call `make test`")
