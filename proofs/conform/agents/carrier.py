"""What agents share whose packages take headers as a mapping from names to texts."""

from __future__ import annotations

try:
    from importlib.metadata import version as _version
except ImportError:  # Python 3.7
    from pkg_resources import get_distribution

    def _version(name):
        return get_distribution(name).version


def _joined(headers):
    """Headers as servers hand them on: fields of one name are one value, joined by a comma."""
    carrier = {}
    for name, value in headers:
        carrier[name] = carrier[name] + "," + value if name in carrier else value
    return carrier


def _listed(carrier):
    return [[name, value] for name, value in carrier.items()]
