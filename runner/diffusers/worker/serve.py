"""The child's main loop: a thread reads stdin, the main thread runs one job at a time."""

from __future__ import annotations

import os
import queue
import sys
import threading
import traceback
from typing import BinaryIO

from worker import faults, library, wire
from worker.options import Options


class Job:
    """One request at work. The reading thread cancels it, the main thread looks."""

    def __init__(self, request: dict):
        self.reference: str = request.get("job", "")
        self.load: dict | None = request.get("load")
        self.generate: dict | None = request.get("generate")
        self._canceled = threading.Event()

    def cancel(self) -> None:
        self._canceled.set()

    @property
    def canceled(self) -> bool:
        return self._canceled.is_set()

    def check(self) -> None:
        if self.canceled:
            raise faults.Canceled


class Server:
    def __init__(self, out: BinaryIO, options: Options):
        self._out, self._options = wire.Writer(out), options
        self._lock = threading.Lock()
        self._job: Job | None = None  # the one at work
        self._work: queue.SimpleQueue[Job] = queue.SimpleQueue()

    def run(self, stdin: BinaryIO) -> int:
        try:
            found = library.find(self._options)
        except faults.Failure as failure:
            self._out.send("error", failure.event())
            return 1
        self._out.send("hello", {"protocol": wire.PROTOCOL, "runtime": found.describe()})
        threading.Thread(target=self._read, args=(stdin,), daemon=True).start()
        engine = None
        while True:
            job = self._work.get()
            # PyTorch takes seconds to import and the hello must not wait for it.
            if engine is None:
                engine, failure = _engine(found, self._options)
            self._finish(job, *(_attempt(engine, job, self._out) if engine else (None, failure)))

    def _read(self, stdin: BinaryIO) -> None:
        """Hands requests on until stdin ends. Then the agent is gone: a job in the making has nobody left."""
        code = 0
        try:
            for request in wire.requests(stdin):
                if request.get("launch") == self._out.launch:
                    self._handle(request)
        except Exception:
            traceback.print_exc()
            code = 1
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _handle(self, request: dict) -> None:
        if "cancel" in request:
            with self._lock:
                if self._job and self._job.reference == request.get("job"):
                    self._job.cancel()
        elif "load" in request or "generate" in request:
            job = Job(request)
            with self._lock:
                busy, self._job = self._job is not None, self._job or job
            if busy:
                self._out.send("error", faults.Failure(faults.REJECTED, "the runtime is busy with another job").event(), job.reference)
            else:
                self._work.put(job)
        else:
            print("unknown request ignored:", sorted(request), file=sys.stderr)

    def _finish(self, job: Job, made: dict | None, failure: faults.Failure | None) -> None:
        """Answers. The slot is free before: the agent may send the next request the moment it reads the answer."""
        if failure and job.canceled:
            failure = faults.Failure(faults.CANCELED, "canceled")
        with self._lock:
            self._job = None
        if failure:
            self._out.send("error", failure.event(), job.reference)
        else:
            self._out.send("done", made or {}, job.reference)


def _engine(found: library.Library, options: Options):
    try:
        from worker import engine

        return engine.Engine(found, options), None
    except Exception as error:
        traceback.print_exc()
        return None, faults.Failure(faults.RUNTIME_FAILED, f"the runtime cannot start its engine: {type(error).__name__}: {_first_line(error.__cause__ or error)}")


def _attempt(engine, job: Job, out: wire.Writer) -> tuple[dict | None, faults.Failure | None]:
    """Runs a job; whatever it raises is this job's failure and not the process's end."""
    try:
        job.check()
        if job.load is not None:
            engine.load(str(job.load.get("model", "")))
            return None, None
        return engine.generate(job, out), None
    except faults.Failure as failure:
        return None, failure
    except faults.Canceled:
        return None, faults.Failure(faults.CANCELED, "canceled")
    except Exception as error:
        if engine.out_of_memory(error):
            return None, faults.Failure(faults.OUT_OF_MEMORY, f"the device's memory does not hold it: {_first_line(error)}")
        traceback.print_exc()
        return None, faults.Failure(faults.RUNTIME_FAILED, f"{type(error).__name__}: {_first_line(error)}")
    finally:
        engine.tidy()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:500]
