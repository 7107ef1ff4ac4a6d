"""Passwords: what is kept of them, and which are refused.

Source: RFC 9106, Argon2, 2021; NIST SP 800-63B-4, section 3.1.1 (length, no composition rules, NFKC, no truncation).
"""

from __future__ import annotations

import secrets
import threading
import unicodedata
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ffe_edge.dashboard.refusal import RefusedError

MIN_LETTERS: Final = 12
MAX_LETTERS: Final = 128
MIN_DIFFERENT_LETTERS: Final = 5
MEMORY_KIB: Final = 19 * 1024
"""With two passes 0.1 s on a core of a small machine; several at once still fit its memory."""
PASSES: Final = 2
AT_ONCE: Final = 2
"""Passwords that are checked at the same time: a flood of logins takes neither all cores nor all memory."""
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS: Final = 4


class Passwords:
    """Hashes and checks passwords. For any thread."""

    def __init__(self, memory_kib: int = MEMORY_KIB, passes: int = PASSES) -> None:
        """Parameters of Argon2id; hashes made with others are still checked, and told by ``is_outdated``."""
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._nobody = self.hash(secrets.token_urlsafe(32))

    def hash(self, password: str) -> str:
        """What is kept of a password: salt, parameters and hash."""
        with self._turns:
            return self._hasher.hash(_normal(password))

    def is_right(self, kept: str | None, password: str) -> bool:
        """Whether the password belongs to what is kept.

        Args:
            kept: a hash; None where there is no such user, which takes as long and is never right.
            password: what was typed.
        """
        with self._turns:
            try:
                self._hasher.verify(self._nobody if kept is None else kept, _normal(password))
            except (VerificationError, InvalidHashError):
                return False
            return kept is not None

    def is_outdated(self, kept: str) -> bool:
        """Whether it was made with other parameters than those of today."""
        return self._hasher.check_needs_rehash(kept)


def check_new_password(password: str, names: tuple[str, ...]) -> None:
    """Refuse a password that is easily guessed.

    Args:
        password: what somebody wants.
        names: of the user; none of them may be part of it.

    Raises:
        RefusedError: it is too short, too long, of too few different letters, or holds a name.
    """
    text = _normal(password)
    if not MIN_LETTERS <= len(text) <= MAX_LETTERS:
        raise RefusedError("weak-password", f"a password has {MIN_LETTERS} to {MAX_LETTERS} characters")
    if len(set(text)) < MIN_DIFFERENT_LETTERS:
        raise RefusedError("weak-password", f"a password has at least {MIN_DIFFERENT_LETTERS} different characters")
    words = [word for name in names for word in (_normal(name).casefold(),) if len(word) > 2]
    if any(word in text.casefold() for word in words):
        raise RefusedError("weak-password", "a password does not hold the name of its user")


def one_time_password() -> str:
    """A password that is typed once: 98 random bits, without letters that look alike."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(_GROUPS))
    return "-".join(groups)


def _normal(password: str) -> str:
    """One form for what keyboards write in several: full-width letters, for one."""
    return unicodedata.normalize("NFKC", password)
