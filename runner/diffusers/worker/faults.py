"""Errors that cross the wire; the codes are those of api/error.go."""

from __future__ import annotations

import dataclasses

INVALID_REQUEST = "invalid_request"
MODEL_NOT_FOUND = "model_not_found"
LORA_NOT_FOUND = "lora_not_found"
LORA_INCOMPATIBLE = "lora_incompatible"
UNSUPPORTED = "unsupported"
CANCELED = "canceled"
OUT_OF_MEMORY = "out_of_memory"
RUNTIME_FAILED = "runtime_failed"
MODEL_BROKEN = "model_broken"
REJECTED = "rejected"

MESSAGE_LIMIT = 2000


class Failure(Exception):
    """A job that ends, and why, in words for the requester or the node's owner."""

    def __init__(self, code: str, message: str, faults: list[Fault] | None = None):
        super().__init__(message)
        self.code, self.message, self.faults = code, message, faults or []

    def event(self) -> dict:
        error = {"code": self.code, "message": self.message[:MESSAGE_LIMIT]}
        if self.faults:
            error["faults"] = [dataclasses.asdict(f) for f in self.faults]
        return error


@dataclasses.dataclass(frozen=True)
class Fault:
    """One thing wrong with one field of a request."""

    field: str
    value: str
    limit: str

    def __str__(self) -> str:
        got = f"got {self.value}, " if self.value else ""
        return f"{self.field}: {got}want {self.limit}"


class Canceled(Exception):
    """The job was canceled; raised in the step callback, the one place that unwinds a pipeline at once."""


def invalid(faults: list[Fault]) -> None:
    if faults:
        raise Failure(INVALID_REQUEST, "; ".join(map(str, faults)), faults)


def quote(text: str) -> str:
    return '"' + (text if len(text) <= 64 else text[:61] + "...") + '"'
