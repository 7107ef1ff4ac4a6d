"""How a program ends while a thread of it is in native code."""

from __future__ import annotations

import subprocess
import sys

BLURRING = """
import sys, threading
import cv2, numpy as np
from ffe_edge.cli_terminal import ending_at_once

begun = threading.Event()

def blur() -> None:
    picture = np.zeros((4000, 4000, 3), np.uint8)
    begun.set()
    while True:
        cv2.GaussianBlur(picture, (0, 0), 20)

with ending_at_once():
    threading.Thread(target=blur, daemon=True).start()
    begun.wait()
    print("told")
    sys.exit(3)
"""


def test_a_thread_in_native_code_does_not_change_the_exit_code() -> None:
    ended = subprocess.run([sys.executable, "-c", BLURRING], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "told\n", "")
