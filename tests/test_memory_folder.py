"""What is remembered is what was put there, or nothing."""

import multiprocessing
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs import memory as module
from proofs.memory import Memory, default_folder


def only_file(memory: Memory) -> Path:
    (path,) = memory.folder.glob("*/*")
    return path


def test_what_was_put_is_got_under_its_kind_and_key_alone(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    assert memory.get("kind", "key") is None
    memory.put("kind", "key", b"content")
    assert memory.get("kind", "key") == b"content"
    assert memory.get("other", "key") is None
    assert memory.get("kind", "other") is None
    memory.put("kind", "key", b"")
    assert memory.get("kind", "key") == b""


@given(st.integers(0, 38), st.integers(1, 255))
def test_a_file_with_a_changed_octet_is_nothing(position: int, change: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        memory = Memory(Path(folder))
        memory.put("kind", "key", b"content")
        path = only_file(memory)
        stored = bytearray(path.read_bytes())
        stored[position] ^= change
        path.write_bytes(bytes(stored))
        assert memory.get("kind", "key") is None


def test_a_file_that_ends_too_early_or_late_or_is_of_another_key_is_nothing(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    memory.put("kind", "key", b"content")
    path = only_file(memory)
    stored = path.read_bytes()
    for length in range(len(stored)):
        path.write_bytes(stored[:length])
        assert memory.get("kind", "key") is None
    path.write_bytes(stored + b"\0")
    assert memory.get("kind", "key") is None
    path.write_bytes(stored)
    other = memory._path("kind", "other")
    path.rename(other)
    assert memory.get("kind", "other") is None


def test_a_folder_that_cannot_be_written_remembers_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    memory = Memory(tmp_path / "file")
    memory.put("kind", "key", b"content")
    assert memory.get("kind", "key") is None
    memory.forget_the_old()


def _write(folder: str, letter: bytes, times: int) -> None:
    memory = Memory(Path(folder))
    for number in range(times):
        memory.put("kind", "key", letter * (1 + 1000 * (number % 50)))
        found = memory.get("kind", "key")
        # Another process may have written since; whatever is read is whole.
        if found is None or len(set(found)) != 1 or len(found) % 1000 != 1:
            os._exit(1)


def test_processes_that_write_at_once_read_whole_things(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=_write, args=(str(tmp_path), letter, 200))
        for letter in (b"a", b"b", b"c")
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    # Nothing else is left.
    assert len(list(tmp_path.glob("*/*"))) == 1
    assert len(list(tmp_path.glob("*/.*"))) == 0


def test_what_nobody_asks_for_is_forgotten(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    memory.put("kind", "old", b"1")
    memory.put("kind", "asked", b"2")
    for path in tmp_path.glob("*/*"):
        os.utime(path, (0, 0))
    assert memory.get("kind", "asked") == b"2"
    memory.put("kind", "new", b"3")
    memory.forget_the_old()
    found = {key: memory.get("kind", key) for key in ("old", "asked", "new")}
    assert found == {"old": None, "asked": b"2", "new": b"3"}


def test_a_checkout_remembers_in_its_own_folder_and_a_wheel_in_the_users(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = Path(module.__file__).parent.parent
    assert default_folder() == root / "build" / "cache"
    monkeypatch.setattr(module, "__file__", str(tmp_path / "verified" / "proofs" / "memory.py"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert default_folder() == tmp_path / "cache" / "verified"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_folder() == Path.home() / ".cache" / "verified"
