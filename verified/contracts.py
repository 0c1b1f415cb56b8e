"""The one switch for the contracts of this package.

Every public function states what it requires and ensures as icontract
decorators. They are evaluated when the environment variable
``VERIFIED_CONTRACTS`` is ``1`` at the time that ``verified`` is imported, as the
project's tests and proofs do. In any other case the decorators return the
function object that they were given, so that a public name *is* the undecorated
function, and icontract is never imported.
"""

import os
from collections.abc import Callable
from typing import Any, Final, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])

CONTRACTS_ENABLED: Final[bool] = os.environ.get("VERIFIED_CONTRACTS") == "1"


def _leave(function: _Function) -> _Function:
    return function


def ensure(condition: Callable[..., bool]) -> Callable[[_Function], _Function]:
    """Declare a postcondition over the arguments and ``result``."""
    if CONTRACTS_ENABLED:
        import icontract

        return icontract.ensure(condition)
    return _leave


def require(condition: Callable[..., bool]) -> Callable[[_Function], _Function]:
    """Declare a precondition over the arguments."""
    if CONTRACTS_ENABLED:
        import icontract

        return icontract.require(condition)
    return _leave
