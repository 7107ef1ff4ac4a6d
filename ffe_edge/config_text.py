"""The settings as text: a commented file to begin with, the effective values, a JSON Schema."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, get_args

from pydantic import BaseModel

from ffe_edge.config import Config

HEAD: Final = """\
# Settings of ffe-edge. Every key stands here with its default: take away the # before one to change it.
# Flags of the command line win over this file. See what holds with `ffe-edge config show --config FILE`,
# and what is wrong with `ffe-edge config check --config FILE`.
"""
CAMERA_HINT: Final = "# For several cameras write [[camera]] once for each, with an id of its own.\n"
WIDTH: Final = 118


def template() -> str:
    """A file of settings in which everything is a comment."""
    defaults = Config().model_dump(mode="json", by_alias=True)
    parts, tables = [HEAD], []
    for key, model, default in _fields(Config, defaults):
        if model is None:
            parts.append(_entry(Config, key, default))
            continue
        table = default[0] if isinstance(default, list) else default
        tables.append(_section(key, model, table or {}))
    return "\n".join([*parts, *tables])


def shown(values: Mapping[str, Any]) -> str:
    """Settings as TOML; what is not set is left out."""
    plain = [f"{name} = {toml(value)}" for name, value in values.items() if not _is_table(value) and value is not None]
    text = "\n".join(plain) + "\n"
    for name, value in values.items():
        tables = value if isinstance(value, list) else [value]
        for table in tables if _is_table(value) else ():
            text += f"\n[[{name}]]\n" if isinstance(value, list) else f"\n[{name}]\n"
            text += "".join(f"{key} = {toml(each)}\n" for key, each in table.items() if each is not None)
    return text


def schema() -> dict[str, Any]:
    """JSON Schema of the file, each key with what it means."""
    told = Config.model_json_schema(by_alias=True)
    for model in _models(Config):
        at = told if model is Config else told["$defs"].get(model.__name__, {})
        for key, text in _documented(model).items():
            name = model.model_fields[key].alias or key
            at["properties"][name].setdefault("description", text)
    several = told["properties"]["camera"]
    one = {key: several.pop(key) for key in ("type", "items", "prefixItems") if key in several}
    told["properties"]["camera"] = {**several, "anyOf": [one["items"], one]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **told}


def toml(value: Any) -> str:
    """A value as TOML writes it in one line; None inside a table is left out."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key} = {toml(each)}" for key, each in value.items() if each is not None)
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, float) and value == int(value) and abs(value) < 1e15:
        return f"{value:.1f}"
    return json.dumps(value, ensure_ascii=False)


def _section(key: str, model: type[BaseModel], values: Mapping[str, Any]) -> str:
    about = inspect.getdoc(model) or ""
    if key == "camera":
        about = f"{about}\n{CAMERA_HINT[2:].strip()}"
    is_by_name = key == "zones"
    head = "\n".join(f"# {line}" for line in about.splitlines())
    header = f"#[{key}.camera]" if is_by_name else f"[{key}]"
    defaults = model().model_dump(mode="json") if is_by_name else values
    return "\n".join([head, header, *(_entry(model, name, value) for name, value in defaults.items())]) + "\n"


def _entry(model: type[BaseModel], key: str, default: Any) -> str:
    text = _documented(model).get(key, "").replace("``", "`")
    comment = "".join(f"# {line}\n" for line in textwrap.wrap(text, WIDTH))
    return f"{comment}#{key} = {toml(default)}" if default is not None else f"{comment}#{key} =  (not set)"


def _fields(model: type[BaseModel], values: Mapping[str, Any]) -> Iterator[tuple[str, type[BaseModel] | None, Any]]:
    """Key, the model of its table or None where it is a value, and its default."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        found = [each for each in (field.annotation, *get_args(field.annotation)) if _is_model(each)]
        yield key, found[0] if found else None, values[key]


def _models(model: type[BaseModel]) -> list[type[BaseModel]]:
    inner = [found for _, found, _ in _fields(model, dict.fromkeys(_keys(model))) if found]
    return [model, *(deeper for found in inner for deeper in _models(found))]


def _keys(model: type[BaseModel]) -> Sequence[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _is_table(value: object) -> bool:
    is_array = isinstance(value, list) and bool(value) and all(isinstance(each, Mapping) for each in value)
    return isinstance(value, Mapping) or is_array


@cache
def _documented(model: type[BaseModel]) -> dict[str, str]:
    """The line under each field, by the field's name."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    told = {}
    for field, below in itertools.pairwise(body):
        is_text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        if is_text and isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            told[field.target.id] = " ".join(str(ast.literal_eval(below.value)).split())  # type: ignore[attr-defined]
    return told
