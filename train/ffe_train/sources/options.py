"""Options of a data set's reader, which come from a command line as text."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from ffe_edge.errors import ConfigError
from ffe_train.cropping import Item
from ffe_train.recipes import Section

FORMS: Final[Mapping[object, str]] = {bool: "true, false, yes or no", int: "a whole number", float: "a number"}


def read_options(kind: str, read: Callable[..., Iterable[Item]], options: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords of a reader, text turned into what each is annotated with; other values stay as they are.

    Raises:
        ConfigError: the reader does not take one, or a text is not of the form that it needs.
    """
    takes = list(inspect.signature(read).parameters)[1:]
    if unknown := [name for name in options if name not in takes]:
        raise ConfigError(f"{kind} takes no option {unknown[0]!r}; it takes {', '.join(takes)}")
    hints = get_type_hints(read)
    return {name: _cast(kind, name, value, hints[name]) for name, value in options.items()}


def tuples_split(model: type[Section], options: Mapping[str, Any]) -> dict[str, Any]:
    """Texts of those fields that are tuples, split at their commas."""
    tuples = {name for name, field in model.model_fields.items() if get_origin(field.annotation) is tuple}
    return {
        name: tuple(value.split(",")) if name in tuples and isinstance(value, str) else value
        for name, value in options.items()
    }


def _cast(kind: str, name: str, value: object, hint: Any) -> object:
    if not isinstance(value, str):
        return value
    try:
        return TypeAdapter(hint).validate_python(value)
    except ValidationError as error:
        raise ConfigError(f"{kind}: option {name} is {_form(hint)}, not {value!r}") from error


def _form(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return f"one of {', '.join(filter(None, get_args(hint)))}"
    return FORMS.get(hint, "nothing that a text can give")
