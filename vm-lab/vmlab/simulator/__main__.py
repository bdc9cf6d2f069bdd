"""`python -m vmlab.simulator CONTROL_SOCKET`: settings are one line of JSON on standard input (they hold the
password); prints one line of JSON when it serves, and ends with standard input or by a signal."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from vmlab.errors import LabError
from vmlab.simulator.serving import serve
from vmlab.simulator.settings import Settings


def main() -> int:
    settings = Settings.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        asyncio.run(serve(settings, Path(sys.argv[1]), _tell))
    except LabError as error:
        _tell({"error": str(error)})
        return 1
    return 0


def _end_with_stdin() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _tell(told: dict[str, Any]) -> None:
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    sys.exit(main())
