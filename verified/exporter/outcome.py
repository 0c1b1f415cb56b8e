"""What became of a batch of spans."""

from typing import Final

SUCCESS: Final = 0
"""The receiver took it, but for what a partial success rejected."""

FAILURE: Final = 1
"""The receiver does not have it."""

UNKNOWN: Final = 2
"""An answer was lost, so that the receiver may have it."""
