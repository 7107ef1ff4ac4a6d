"""Runs inside the unit's sandbox on the clean machine and writes down what can be done there."""

import ctypes
import json
import os
import sys
from contextlib import suppress
from pathlib import Path


def allowed(action):
    try:
        action()
    except OSError as error:
        return error.strerror
    return True


seen = {
    "asks the clock": ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)) >= 0,
    "lowers its priority": allowed(lambda: os.setpriority(os.PRIO_PROCESS, 0, 15)),
    "places threads": allowed(lambda: os.sched_setaffinity(0, os.sched_getaffinity(0))),
    "writes state": allowed(lambda: Path("/var/lib/ffe-edge/probe").touch()),
    "writes cache": allowed(lambda: Path("/var/cache/ffe-edge/probe").touch()),
    "writes settings": allowed(lambda: Path("/etc/ffe-edge/probe").touch()),
    "reads original keys": allowed(lambda: Path("/etc/ffe-edge/credentials/residents.key").read_bytes()),
    "becomes root": allowed(lambda: os.setuid(0)),
    "sees homes": allowed(lambda: list(Path("/root").iterdir())),
    "key bytes": len((Path(os.environ["CREDENTIALS_DIRECTORY"]) / "residents.key").read_bytes()),
}
with suppress(OSError):
    Path("/var/lib/ffe-edge/probe").unlink()
    Path("/var/cache/ffe-edge/probe").unlink()
Path(sys.argv[1]).write_text(json.dumps(seen))
