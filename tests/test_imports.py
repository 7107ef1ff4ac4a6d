"""Who may import whom: the rules that keep the device free of torch and the steps free of one another."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {"ffe_edge": ROOT, "ffe_train": ROOT / "train", "ffe_export": ROOT / "export"}
SHARED_WITH_TRAINING = {"errors", "types", "emotions", "spec", "config", "align", "faces", "rendered", "jsonable"}
ONLY_IN_FUNCTIONS = {"onnx", "openvino", "tensorrt", "tensorrt_rtx", "pycuda"}
TORCH = {"torch", "torchvision"}
HEAVY = TORCH | {
    "numpy",
    "pydantic",
    "cv2",
    "onnx",
    "openvino",
    "tensorrt",
    "tensorrt_rtx",
    "pycuda",
    "sklearn",
    "matplotlib",
    "amqtt",
    "starlette",
    "uvicorn",
    "fastapi",
    "jinja2",
    "argon2",
    "sqlalchemy",
    "alembic",
    "psycopg",
}

# What everything in ffe_edge may use, then the steps of the product's sentence. A step's files share its first word.
VALUES = {
    "align", "atomic_file", "background", "catalogue", "config", "emotions", "errors", "file_lock", "jsonable",
    "memory", "quality", "redaction", "rendered", "spec", "stopwatch", "types",
}  # fmt: skip
WIRE = {"messages", "wire"}
STEPS = {
    "baseline", "camera", "classify", "engine", "events", "faces", "outbox", "privacy", "residents", "schedule",
    "tracks", "zones",
}  # fmt: skip
RANKS = dict.fromkeys(VALUES | WIRE, 0) | dict.fromkeys(STEPS, 1) | {"pipeline": 2, "cli": 4, "__main__": 5}
SERVICE = 3
"""Rank of a module with no other: the programs round the pipeline."""


@dataclass(frozen=True)
class Import:
    """One module named by an import statement."""

    importer: str
    imported: str
    line: int
    at_start: bool
    """It runs when the importer is imported: not in a function, not for type checkers only."""

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def is_module(name: str) -> bool:
    first, *rest = name.split(".")
    path = FOLDERS.get(first, ROOT) / first / Path(*rest)
    return first in FOLDERS and (path.is_dir() or path.with_name(f"{path.name}.py").is_file())


def named(statement: ast.Import | ast.ImportFrom, package: list[str]) -> Iterator[str]:
    """Modules that the statement names: ``from ffe_edge import align`` names ``ffe_edge.align``."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
        return
    parts = package[: len(package) - statement.level + 1] if statement.level else []
    base = ".".join([*parts, *([statement.module] if statement.module else [])])
    for alias in statement.names:
        deeper = f"{base}.{alias.name}"
        yield deeper if is_module(deeper) else base


def statements(node: ast.AST, at_start: bool = True) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        yield node, at_start
    elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        for child in node.body:
            yield from statements(child, at_start=False)
        for child in node.orelse:
            yield from statements(child, at_start)
    else:
        inner = at_start and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            yield from statements(child, inner)


def imports_of(source: str, importer: str, package: list[str]) -> Iterator[Import]:
    for statement, at_start in statements(ast.parse(source)):
        for imported in sorted(set(named(statement, package))):
            yield Import(importer, imported, statement.lineno, at_start)


def imports_in(package: str) -> list[Import]:
    found = []
    for path in sorted((FOLDERS[package] / package).rglob("*.py")):
        parts = list(path.relative_to(FOLDERS[package]).with_suffix("").parts)
        parent = parts[:-1]
        importer = ".".join(parent if parts[-1] == "__init__" else parts)
        found += imports_of(path.read_text(encoding="utf-8"), importer, parent)
    return found


def part(module: str) -> str:
    """The module's name inside its package: ``ffe_edge.camera.files`` is part of ``camera``."""
    return module.partition(".")[2].partition(".")[0]


def first_word(name: str) -> str:
    return name.partition("_")[0]


def rank(name: str) -> int:
    return RANKS.get(name, RANKS.get(first_word(name), SERVICE))


def is_forbidden_in_edge(importer: str, imported: str) -> bool:
    """Values, steps, pipeline, service, cli: each uses those before it, and no step another."""
    user, used = part(importer), part(imported)
    if not user or not used or user == used:
        return False
    if rank(user) == rank(used) == RANKS["camera"]:
        return first_word(user) != first_word(used)
    return rank(user) < rank(used)


def told(offences: list[Import]) -> str:
    return "\n".join(map(str, offences))


def test_the_device_knows_nothing_of_torch() -> None:
    assert told([i for i in imports_in("ffe_edge") if i.imported.split(".")[0] in TORCH]) == ""


def test_of_training_and_export_only_commands_know_and_only_inside_functions() -> None:
    uses = [i for i in imports_in("ffe_edge") if i.imported.split(".")[0] in {"ffe_train", "ffe_export"}]
    assert told([i for i in uses if i.at_start or rank(part(i.importer)) < RANKS["cli"]]) == ""


def test_training_uses_only_what_it_shares_with_the_device() -> None:
    uses = imports_in("ffe_train")
    assert told([i for i in uses if i.imported.startswith("ffe_export")]) == ""
    of_edge = [i for i in uses if i.imported.startswith("ffe_edge.")]
    assert told([i for i in of_edge if part(i.imported) not in SHARED_WITH_TRAINING]) == ""


def test_export_needs_torch_and_training_only_inside_functions() -> None:
    banned = TORCH | {"ffe_train"}
    uses = imports_in("ffe_export")
    assert told([i for i in uses if i.at_start and i.imported.split(".")[0] in banned]) == ""


@pytest.mark.parametrize("package", FOLDERS)
def test_what_a_machine_may_lack_is_imported_inside_functions(package: str) -> None:
    uses = imports_in(package)
    assert told([i for i in uses if i.at_start and i.imported.split(".")[0] in ONLY_IN_FUNCTIONS]) == ""


def test_steps_do_not_import_one_another_nor_what_comes_after_them() -> None:
    uses = [i for i in imports_in("ffe_edge") if i.imported.startswith("ffe_edge.")]
    assert told([i for i in uses if is_forbidden_in_edge(i.importer, i.imported)]) == ""


@pytest.mark.parametrize(
    ("importer", "imported", "forbidden"),
    [
        pytest.param("ffe_edge.tracks", "ffe_edge.types", False, id="step-uses-value"),
        pytest.param("ffe_edge.types", "ffe_edge.tracks", True, id="value-uses-step"),
        pytest.param("ffe_edge.tracks", "ffe_edge.events", True, id="step-uses-step"),
        pytest.param("ffe_edge.outbox", "ffe_edge.outbox_file", False, id="step-uses-its-own-file"),
        pytest.param("ffe_edge.camera.files", "ffe_edge.camera.pacing", False, id="inside-a-step"),
        pytest.param("ffe_edge.pipeline", "ffe_edge.events", False, id="pipeline-uses-step"),
        pytest.param("ffe_edge.pipeline", "ffe_edge.service", True, id="pipeline-uses-service"),
        pytest.param("ffe_edge.dashboard.running", "ffe_edge.cli", True, id="dashboard-uses-cli"),
    ],
)
def test_the_order_inside_the_device(importer: str, imported: str, forbidden: bool) -> None:
    assert is_forbidden_in_edge(importer, imported) is forbidden


@pytest.mark.parametrize(
    ("source", "imported", "at_start"),
    [
        pytest.param("import torch.nn", "torch.nn", True, id="plain"),
        pytest.param("def f():\n    from torch import nn", "torch", False, id="in-function"),
        pytest.param("class A:\n    import torch", "torch", True, id="in-class-body"),
        pytest.param("if TYPE_CHECKING:\n    import torch", "torch", False, id="for-type-checkers"),
        pytest.param("from ffe_edge import types", "ffe_edge.types", True, id="module-from-package"),
        pytest.param("from ffe_edge import __version__", "ffe_edge", True, id="name-from-package"),
        pytest.param("from ..types import Frame", "ffe_edge.types", True, id="relative"),
    ],
)
def test_imports_are_found_where_they_stand(source: str, imported: str, at_start: bool) -> None:
    (found,) = imports_of(source, "ffe_edge.camera.files", ["ffe_edge", "camera"])
    assert (found.imported, found.at_start) == (imported, at_start)


def test_the_command_line_starts_without_heavy_modules() -> None:
    program = f"import sys, ffe_edge.cli; print(*sorted({HEAVY!r} & set(sys.modules)))"
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (result.stdout.strip(), result.returncode) == ("", 0), result.stderr
