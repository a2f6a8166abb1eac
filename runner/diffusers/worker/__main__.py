"""The diffusers runtime: JSON lines on stdin and stdout, as docs/protocol.md has them.

The Go side unpacks these files into a directory named worker and starts this one with `python -I`, which puts
nothing of the user's on the import path.
"""

import os
import signal
import sys

# Nothing is fetched, nothing is reported, no code comes with a model. Set before any library is imported.
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DIFFUSERS_DISABLE_REMOTE_CODE": "true",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "DIFFUSERS_VERBOSITY": "error",
    "TRANSFORMERS_VERBOSITY": "error",
}


def main() -> int:
    os.environ.update(OFFLINE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the agent, which closes stdin
    sys.dont_write_bytecode = True
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from worker import options, serve, wire

    out = wire.claim_stdout()
    return serve.Server(out, options.read(sys.argv[1:])).run(sys.stdin.buffer)


if __name__ == "__main__":
    sys.exit(main())
