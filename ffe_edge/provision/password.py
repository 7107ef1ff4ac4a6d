"""Passwords for listeners without certificates, made by chance and kept as mosquitto keeps them.

Source: mosquitto_passwd(1): ``$7$``, iterations, salt and PBKDF2-HMAC-SHA-512 of the password, both in Base64.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Final

ITERATIONS: Final = 101
"""mosquitto's own default. What is made of 192 bits of chance is not guessed, however fast guessing is."""
SALT_BYTES: Final = 12
PASSWORD_BYTES: Final = 24


def new_password() -> tuple[str, str]:
    """A password, and what a broker keeps of it."""
    password, salt = secrets.token_urlsafe(PASSWORD_BYTES), secrets.token_bytes(SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    return password, f"$7${ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
