"""What the C library keeps of memory that is no longer used."""

from __future__ import annotations

import ctypes
from typing import Final

MAX_ARENAS: Final = 2
"""Heaps of malloc. By default there may be eight for each core, and each keeps what its threads once needed."""
_M_ARENA_MAX: Final = -8
"""malloc.h of glibc."""


def limit_arenas() -> None:
    """Threads that start from now on share a few heaps. Does nothing where the C library is not glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, MAX_ARENAS)


def give_back() -> None:
    """Free pages go back to the system: after something large was dropped. Does nothing where there is no glibc."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
