"""What code costs, as the number of functions that it calls: the same in each run."""

import gc
import sys
from collections.abc import Callable
from types import FrameType


def calls(function: Callable[[], object]) -> int:
    """How many functions of Python run while one without a name does, which is not counted.

    Comprehensions are not counted either: whether they are functions depends on the version.
    """
    # Whoever watches already is to see what runs, too.
    function()
    found = 0

    def note(frame: FrameType, event: str, _: object) -> None:
        nonlocal found
        found += event == "call" and not frame.f_code.co_name.startswith("<")

    before, collects = sys.getprofile(), gc.isenabled()
    # A collection may run the finalizers of anything.
    gc.disable()
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(before)
        if collects:
            gc.enable()
    return found
