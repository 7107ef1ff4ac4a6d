"""The same short query for many keys at once: one statement of a few sizes, each worded once.

Databases answer this faster than one query for all keys, for which they would sort or group all that is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Row, TextClause, text

SIZES: Final = (1, 4, 16, 64)
"""Keys that one statement asks for."""


def ask(connection: Connection, part: str, keys: Sequence[Mapping[str, Any]]) -> Iterator[Row[Any]]:
    """All rows, in no order; those of a key may come more than once.

    Args:
        connection: to read by.
        part: the query for one key, as a format string: ``:name{0}`` stands for the key's ``name``.
        keys: the values, of the same names each.
    """
    for at in range(0, len(keys), SIZES[-1]):
        chunk = list(keys[at : at + SIZES[-1]])
        size = next(size for size in SIZES if size >= len(chunk))
        chunk += chunk[-1:] * (size - len(chunk))
        values = {f"{name}{number}": value for number, key in enumerate(chunk) for name, value in key.items()}
        yield from connection.execute(_union(part, size), values)


@cache
def _union(part: str, count: int) -> TextClause:
    return text(" UNION ALL ".join(part.format(number) for number in range(count)))
