"""Texts without the secrets in their URLs."""

from __future__ import annotations

import re
from typing import Final

_USER: Final = re.compile(r"([a-z][a-z0-9+.-]*://)[^\s'\"]*@", re.IGNORECASE)
_QUERY: Final = re.compile(
    r"([?&][^=&\s]*(?:user|usr|login|pass|pwd|token|key|auth|secret|sig)[^=&\s]*=)[^&\s'\"]*", re.IGNORECASE
)


def redacted(text: str) -> str:
    """A text without the credentials in its URLs.

    Everything between ``://`` and the last ``@`` goes, since a password may hold ``/`` and ``@`` unescaped; of the
    query the values of keys that name a user or a secret.
    """
    return _QUERY.sub(r"\1***", _USER.sub(r"\1***@", text))
