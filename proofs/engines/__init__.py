"""The engines: each takes a claim and says what it found out."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """How much an engine may spend.

    ``timeout`` is in seconds for one claim and engine; ``examples`` is the number of
    inputs that fuzzing draws; ``seed`` makes the draws repeatable. ``examples_at`` is the
    folder, or the URL of the Redis, where inputs that failed are kept, to be tried first by all.
    """

    timeout: float = 30.0
    examples: int = 100
    seed: int = 0
    examples_at: str | None = None
