"""A TOML file that a user wrote."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ffe_edge.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_toml(path: Path, hint: str) -> dict[str, Any]:
    """The values of a file.

    Args:
        path: of the file.
        hint: what to do where it cannot be read, ``see train/recipes/``.

    Raises:
        ConfigError: it cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error}); {hint}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from error
