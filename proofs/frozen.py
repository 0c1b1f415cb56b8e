"""Whether a value can be changed in place."""

from collections.abc import Callable, Iterable
from functools import partial


def fails(change: Callable[[], object]) -> bool:
    """Whether Python refuses a change."""
    try:
        change()
    except (AttributeError, TypeError):
        return True
    return False


def is_frozen(value: object, names: Iterable[str], other: object) -> bool:
    """Whether no attribute of these names can be set, to another value, or deleted."""
    return all(
        fails(partial(setattr, value, name, other)) and fails(partial(delattr, value, name))
        for name in names
    )
