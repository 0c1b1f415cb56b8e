"""The process of which workers are copies: it imports this module, and starts them.

What is wrong with a claim's module is for the worker to say that needs it.
"""

import gc
from contextlib import suppress

from . import runner

with suppress(Exception):
    runner.get_ready()

# What is imported lives as long as the workers, in which nobody need look through it for garbage.
gc.freeze()
