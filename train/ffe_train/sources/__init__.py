"""Public data sets, each as a stream of pictures with their rows; one module a set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from ffe_edge.errors import ConfigError, DataError
from ffe_train.cropping import Item
from ffe_train.prepared import Pair
from ffe_train.sources import (
    affectnet,
    ferplus,
    folders,
    lfw,
    london,
    manifests,
    nagoya,
    recordio,
    rendered_people,
    utkface,
)
from ffe_train.sources.detect import detect_kind
from ffe_train.sources.options import read_options, tuples_split

__all__ = ["KINDS", "detect_kind", "open_pairs", "open_source"]

_READERS: Final[Mapping[str, Callable[..., Iterable[Item]]]] = {
    "affectnet": affectnet.items,
    "ferplus": ferplus.items,
    "identity-folders": folders.people,
    "label-folders": folders.labels,
    "lfw-expressions": lfw.expressions,
    "lfw-identities": lfw.identities,
    "london": london.items,
    "manifest": manifests.items,
    "nagoya": nagoya.items,
    "recordio": recordio.items,
    "utkface": utkface.items,
}
RENDERED: Final = {"rendered-expressions": "expressions", "rendered-identities": "identities"}
KINDS: Final = (*_READERS, *RENDERED)
"""Names of the kinds of data sets."""


def open_source(kind: str, path: Path | None, **options: Any) -> Iterable[Item]:
    """The pictures of a data set.

    Args:
        kind: one of ``KINDS``.
        path: its file or folder; None for rendered people.
        options: keywords of the kind's reader: ``items`` of its module, or the fields of ``RenderedPeople``. Text
            becomes what the reader asks for: true, a number, two numbers with a comma between them.

    Raises:
        ConfigError: there is no such kind, it does not take such an option, or not of this form.
        DataError: the set cannot be read; may come when the pictures are listed.
    """
    if kind in RENDERED:
        return rendered_people.items(_rendered(kind, options))
    if kind not in _READERS:
        raise ConfigError(f"there is no kind of data set {kind!r}; the kinds are {', '.join(KINDS)}")
    if path is None:
        raise DataError(f"{kind}: needs the path of its file or folder")
    read = _READERS[kind]
    return read(path, **read_options(kind, read, options))


def open_pairs(kind: str, path: Path | None, **options: Any) -> tuple[Pair, ...]:
    """Pairs for verification that belong to a data set; none where it has none.

    Raises:
        ConfigError: rendered people do not take such an option.
        DataError: the set's file of pairs makes no sense.
    """
    if kind == "rendered-identities":
        return rendered_people.pairs(_rendered(kind, options))
    if kind == "lfw-identities" and path is not None and (path / lfw.PAIRS_FILE).is_file():
        return lfw.pairs(path)
    return ()


def _rendered(kind: str, options: Mapping[str, Any]) -> rendered_people.RenderedPeople:
    try:
        given = tuples_split(rendered_people.RenderedPeople, options)
        return rendered_people.RenderedPeople.model_validate({**given, "purpose": RENDERED[kind]})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        reason = "unknown option" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{kind}: {'.'.join(map(str, first['loc'])) or 'options'}: {reason}") from error
