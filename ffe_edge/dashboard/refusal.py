"""A request of a user that is not met, with a code that pages translate."""

from __future__ import annotations

from typing import Literal

from ffe_edge.errors import RequestError

RefusalCode = Literal["not-found", "name-taken", "last-admin", "weak-password", "wrong-password", "conflict", "invalid"]


class RefusedError(RequestError):
    """Something that was asked for is not done; nothing has changed."""

    def __init__(self, code: RefusalCode, detail: str) -> None:
        """Say why.

        Args:
            code: pages have words for each.
            detail: one English line for whoever reads the interface.
        """
        super().__init__(detail)
        self.code: RefusalCode = code
        self.detail = detail
