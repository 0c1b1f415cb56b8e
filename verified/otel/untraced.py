"""What an exporter does itself is not traced."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, set_value

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def untraced(
    function: Callable[_Arguments, _Result],
    *arguments: _Arguments.args,
    **keywords: _Arguments.kwargs,
) -> _Result:
    """Call with instrumentation suppressed, as opentelemetry's own processors do.

    Returns what the function returns, and raises what it raises; all is then as it was before.
    """
    token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
    try:
        return function(*arguments, **keywords)
    finally:
        detach(token)
