"""The child's end of the wire: one JSON object a line, stdout for nothing else."""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
from typing import BinaryIO, Iterator

PROTOCOL = 2
MAX_LINE = 256 << 10
MAX_PREVIEW = 32 << 10


def claim_stdout() -> BinaryIO:
    """Takes the real stdout away from everybody else: what libraries print goes to stderr."""
    sys.stdout.flush()
    wire = os.fdopen(os.dup(1), "wb", buffering=0)
    os.set_inheritable(wire.fileno(), False)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return wire


class Writer:
    """Writes events; its methods may be called from several threads."""

    def __init__(self, out: BinaryIO):
        self._out, self._lock, self._launch = out, threading.Lock(), os.environ.get("EASEL_LAUNCH", "")

    @property
    def launch(self) -> str:
        return self._launch

    def send(self, kind: str, body: dict, job: str = "") -> None:
        line = json.dumps({"launch": self._launch, "job": job, kind: body}, allow_nan=False).encode() + b"\n"
        if len(line) > MAX_LINE:
            raise ValueError(f"line of {len(line)} bytes, limit {MAX_LINE}")
        with self._lock:
            rest = memoryview(line)
            while rest:
                rest = rest[self._out.write(rest) :]

    def preview(self, job: str, image: int, step: int, jpeg: bytes) -> None:
        self.send("preview", {"image": image, "step": step, "jpeg": base64.b64encode(jpeg).decode()}, job)


def requests(stdin: BinaryIO) -> Iterator[dict]:
    """Yields requests until stdin ends. A line that is none ends it too: that agent cannot be served."""
    while line := stdin.readline(MAX_LINE + 2):
        if len(line) > MAX_LINE + 1:
            raise ValueError("a line over the limit")
        request = json.loads(line)
        if not isinstance(request, dict):
            raise ValueError("a line that is no object")
        yield request
