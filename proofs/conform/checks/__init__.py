"""What the standards want, a module for each of their parts; each registers its checks.

A judge accuses only of what a sentence of the standard forbids for the input at hand. What a
header means comes from ``proofs.reading``, which reads by the grammars of ``spec/`` alone.
"""

from importlib import import_module
from pkgutil import iter_modules

from ..check import CHECKS, Check, place


def every_check() -> list[Check]:
    """All checks, from the headers to the exporter."""
    for each in iter_modules(__path__):
        import_module(f"{__name__}.{each.name}")
    return sorted(CHECKS, key=lambda check: place(check.requirement.id))
