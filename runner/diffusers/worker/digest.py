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
MAX_LINKS = 10_000  # links to directories of links could multiply without end


def of_file(path: pathlib.Path, memory: Memory | None = None) -> str:
    def compute() -> str:
        sum_ = hashlib.sha256()
        _add(sum_, path)
        return sum_.hexdigest()

    return (memory or Memory(None)).recall([path], compute)


def of_tree(root: pathlib.Path, memory: Memory | None = None) -> str:
    """Over the names, sizes and contents of all files, in lexical order.

    Symbolic links are followed, and count as what they lead to under their own name. A link has to stay in the
    model's store: the directory itself or, for a snapshot in a Hugging Face cache, its whole repository. The rule is
    that of package model of the Go program, and so is the digest; model/testdata/directories.json has the cases.
    """
    root = root.resolve(strict=True)
    files = list(_Walk(_store(root)).directory(root, "", ()))

    def compute() -> str:
        sum_ = hashlib.sha256()
        for name, path in files:
            sum_.update(f"{json.dumps(name, ensure_ascii=False)} {path.stat().st_size}\n".encode())
            _add(sum_, path)
        return sum_.hexdigest()

    return (memory or Memory(None)).recall([path for _, path in files], compute)


def _store(root: pathlib.Path) -> pathlib.Path:
    """The directory that the links of a model's directory have to stay in."""
    for at in (root, *root.parents):
        if at.parent.name == "snapshots" and at.parent.parent.name.startswith("models--"):
            return at.parent.parent
    return root


class _Walk:
    def __init__(self, store: pathlib.Path):
        self._store, self._links = store, 0

    def directory(self, directory: pathlib.Path, prefix: str, above: tuple[pathlib.Path, ...]) -> Iterator[tuple[str, pathlib.Path]]:
        """The files by name; above holds the real paths of the directories that this one lies in."""
        above = (*above, directory)
        for name in sorted(os.listdir(directory), key=os.fsencode):
            path = directory / name
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                link, path = path, self._follow(path)
                if path in above:
                    raise _refused(link, "leads back to a directory that it lies in")
                mode = path.stat().st_mode
            if stat.S_ISDIR(mode):
                yield from self.directory(path, f"{prefix}{name}/", above)
            elif stat.S_ISREG(mode):
                yield prefix + name, path

    def _follow(self, link: pathlib.Path) -> pathlib.Path:
        self._links += 1
        if self._links > MAX_LINKS:
            raise faults.Failure(faults.MODEL_BROKEN, f"{link}: the directory has more than {MAX_LINKS} symbolic links")
        try:
            target = link.resolve(strict=True)
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop, before Python 3.13
            raise _refused(link, f"leads nowhere: {error}") from None
        if target != self._store and self._store not in target.parents:
            raise _refused(link, f"leads to {target}, outside of the model's store {self._store}: copy the file here")
        return target


def _refused(link: pathlib.Path, why: str) -> faults.Failure:
    return faults.Failure(faults.MODEL_BROKEN, f"{link}: the symbolic link {why}")


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
