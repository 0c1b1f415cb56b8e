"""A folder in which things are remembered from one run to the next.

What is read is what was written under the same key, or nothing: each file has a digest of
its key and its content. Files are written whole or not at all, so any number of processes may
use a folder at once. A folder that cannot be written remembers nothing, and is no error.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

KEPT = 14 * 24 * 3600.0
"""How long is kept what nobody asks for, in seconds."""

_SIZE = hashlib.sha256().digest_size


class Memory:
    """A folder of remembered things: a kind and a key lead to octets.

    A kind is a word, a key any text.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, kind: str, key: str) -> Path:
        return self.folder / kind / hashlib.sha256(key.encode()).hexdigest()

    def get(self, kind: str, key: str) -> bytes | None:
        """What was put there; None if nothing was, or if it is not as it was put."""
        path = self._path(kind, key)
        try:
            stored = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        content = stored[_SIZE:]
        return content if stored[:_SIZE] == _digest(kind, key, content) else None

    def put(self, kind: str, key: str, content: bytes) -> None:
        """Remember the content, if the folder can be written."""
        path = self._path(kind, key)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_digest(kind, key, content) + content)
                os.replace(temporary, path)
            except BaseException:
                os.unlink(temporary)
                raise

    def forget_the_old(self) -> None:
        """Remove what nobody has asked for in a long time."""
        end = time.time() - KEPT
        for path in self.folder.glob("*/*"):
            with suppress(OSError):
                if path.stat().st_mtime < end:
                    path.unlink()


def default_folder() -> Path:
    """``build/cache`` of a checkout; of what is installed, ``verified`` in the user's cache."""
    root = Path(__file__).resolve().parent.parent
    if (root / "pyproject.toml").is_file():
        return root / "build" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "verified"


def _digest(kind: str, key: str, content: bytes) -> bytes:
    return hashlib.sha256(f"{kind}\0{len(key)}\0{key}\0".encode() + content).digest()
