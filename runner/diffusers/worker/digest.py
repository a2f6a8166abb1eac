"""SHA-256 of files and directories, the same as the builtin runtime's."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import stat
from typing import Iterator

from worker import faults

REMEMBERED = 16 << 20  # bytes from which a digest is worth remembering


def of_file(path: pathlib.Path, memory: Memory | None = None) -> str:
    def compute() -> str:
        sum_ = hashlib.sha256()
        _add(sum_, path)
        return sum_.hexdigest()

    return (memory or Memory(None)).recall([path], compute)


def of_tree(root: pathlib.Path, memory: Memory | None = None) -> str:
    """Over the names and contents of all files, in lexical order."""
    files = list(_walk(root, ""))

    def compute() -> str:
        sum_ = hashlib.sha256()
        for name, path in files:
            sum_.update(f"{json.dumps(name, ensure_ascii=False)} {path.stat().st_size}\n".encode())
            _add(sum_, path)
        return sum_.hexdigest()

    return (memory or Memory(None)).recall([path for _, path in files], compute)


def _walk(directory: pathlib.Path, prefix: str) -> Iterator[tuple[str, pathlib.Path]]:
    for name in sorted(os.listdir(directory), key=os.fsencode):
        path = directory / name
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            yield from _walk(path, f"{prefix}{name}/")
        elif stat.S_ISREG(mode):
            yield prefix + name, path
        elif stat.S_ISLNK(mode):
            raise faults.Failure(faults.MODEL_BROKEN, f"{path}: a symbolic link; a model's digest covers files only, so copy the file here")


def _add(sum_, path: pathlib.Path) -> None:
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            sum_.update(block)


class Memory:
    """Remembers digests of large files between starts, by path, size and time of change."""

    def __init__(self, directory: pathlib.Path | None):
        self._path = directory and directory / "digests.json"
        self._known: dict[str, str] = {}
        try:
            if self._path:
                self._known = json.loads(self._path.read_text())
        except (OSError, ValueError):
            pass  # an empty memory costs time only

    def recall(self, paths: list[pathlib.Path], compute) -> str:
        facts = [(str(p.absolute()), s.st_size, s.st_mtime_ns, s.st_ino) for p in paths for s in [p.stat()]]
        if not self._path or sum(size for _, size, _, _ in facts) < REMEMBERED:
            return compute()
        key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
        if key not in self._known:
            self._known[key] = compute()
            self._save()
        return self._known[key]

    def _save(self) -> None:
        try:
            part = self._path.with_suffix(f".{os.getpid()}")
            part.write_text(json.dumps(dict(list(self._known.items())[-1000:])))
            part.replace(self._path)
        except OSError:
            pass
