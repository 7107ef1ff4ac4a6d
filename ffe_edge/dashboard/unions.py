"""The same short query for many keys at once: one statement of a few sizes, each worded once.

Databases answer this faster than one query for all keys, for which they would sort or group all that is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Row, TextClause, text

SIZES: Final = (64, 16, 4, 1)
"""Keys that one statement asks for."""


def ask(connection: Connection, part: str, keys: Sequence[Mapping[str, Any]]) -> Iterator[Row[Any]]:
    """All rows, in no order.

    Args:
        connection: to read by.
        part: the query for one key, as a format string: ``:name{0}`` stands for the key's ``name``.
        keys: the values, of the same names each.
    """
    at = 0
    while at < len(keys):
        size = next(size for size in SIZES if size <= len(keys) - at)
        chunk = enumerate(keys[at : at + size])
        values = {f"{name}{number}": value for number, key in chunk for name, value in key.items()}
        yield from connection.execute(_union(part, size), values)
        at += size


@cache
def _union(part: str, count: int) -> TextClause:
    return text(" UNION ALL ".join(part.format(number) for number in range(count)))
