"""The model that the settings name, ready to serve: from a bundle or a single file, by the runtime that is wanted."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from ffe_edge.catalogue import SHIPPED_DIR, located
from ffe_edge.engine.bundle import Bundle, is_bundle, read_bundle
from ffe_edge.engine.choose import choose, load_chosen
from ffe_edge.engine.chosen import Choice, circumstances
from ffe_edge.engine.golden import Golden, check_golden, load_golden
from ffe_edge.engine.model_file import ModelFile, digest_of
from ffe_edge.errors import ModelError
from ffe_edge.spec import ModelSpec
from ffe_edge.types import Runner

logger = logging.getLogger(__name__)

SHIPPED_MODEL: Final = SHIPPED_DIR / "ffe-small.onnx"


@runtime_checkable
class Closable(Protocol):
    """A runner that holds memory of the GPU."""

    def close(self) -> None:
        """Give it back."""
        ...


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded model: its runner, its spec, its identity."""

    run: Runner
    spec: ModelSpec
    sha256: str
    """Of the ONNX file that the runner has loaded, or that its engine was built of."""
    path: Path
    why: str = ""
    """Why this runtime serves it, with the figures."""

    def close(self) -> None:
        """Give the GPU's memory back, where the runner holds some.

        Raises:
            ModelError: the GPU has failed.
        """
        if isinstance(self.run, Closable):
            self.run.close()


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a model comes from, its file read and its digest checked."""

    file: ModelFile
    """What a CPU runtime loads."""
    spec: ModelSpec
    openvino: ModelFile | None
    """What OpenVINO loads, where that is another file."""
    bundle: Bundle | None
    golden: Golden | None


def load_model(path: Path | None, threads: int = 1, backend: str = "auto") -> Model:
    """Load a model for a CPU and check that it is one.

    Args:
        path: a bundle's folder or its bundle.json, an exported ONNX, a name of the catalogue, or None for the shipped
            model.
        threads: of the runtime.
        backend: ``onnxruntime`` or ``openvino``; any other: the faster of those that are installed.

    Raises:
        ModelError: missing, corrupt, without a spec, other than its spec, its bundle or its golden outputs say.
    """
    return load_source(open_source(path), threads, backend)


def open_source(path: Path | None) -> ModelSource:
    """Read what is to be loaded.

    Raises:
        ModelError: it cannot be read or is not fetched, is no model, or is a bare network.
    """
    path = located(path) if path else SHIPPED_MODEL
    bundle = read_bundle(path) if is_bundle(path) else None
    file = bundle.read(bundle.cpu) if bundle else ModelFile.read(path)
    spec = file.spec()
    if spec.graph != "crops":
        raise ModelError(
            f"{file.path}: is a bare network, which engines are built of; give --model the crops graph (model*.onnx)"
            " or the bundle's folder"
        )
    own = bundle.read(bundle.openvino) if bundle and bundle.openvino else None
    return ModelSource(file, spec, own, bundle, _golden(bundle, spec) if bundle else None)


def source_digest(path: Path | None) -> str:
    """SHA-256 of the file that ``open_source`` would have a CPU load; it is not looked into.

    Raises:
        ModelError: it cannot be read.
    """
    path = located(path) if path else SHIPPED_MODEL
    return digest_of(read_bundle(path).cpu if is_bundle(path) else path)


def circumstances_of(source: ModelSource, threads: int) -> dict[str, str | int]:
    """What the choice of a CPU runtime for this model depends on."""
    return circumstances(source.file.sha256, source.openvino.sha256 if source.openvino else None, threads)


def load_source(source: ModelSource, threads: int = 1, backend: str = "auto", choice: Choice | None = None) -> Model:
    """``load_model`` of what is read already; with a choice that was made before, nothing is measured.

    A file that says something else here than where it was exported (INT8 products of some CPUs saturate) gives way to
    the bundle's FP32 file.
    """
    golden, bundle = source.golden, source.bundle
    if choice:
        backend = choice.backend
        run, why = load_chosen(source.file, threads, backend, source.openvino), choice.why
    else:
        run, why = choose(source.file, threads, backend, golden.crops if golden else None, source.openvino)
    file = source.openvino if run.backend == "openvino" and source.openvino else source.file
    if golden is None or bundle is None:
        return Model(run, source.spec, file.sha256, file.path, why)
    try:
        check_golden(run, golden)
    except ModelError as error:
        if bundle.cpu == bundle.reference:
            raise ModelError(f"{file.path}: {error}; export it again") from error
        logger.warning("%s serves instead of %s: %s", bundle.reference.name, file.path.name, error)
        reference = bundle.read(bundle.reference)
        plain = replace(bundle, cpu=bundle.reference, openvino=None)
        return load_source(ModelSource(reference, reference.spec(), None, plain, golden), threads, backend)
    return Model(run, source.spec, file.sha256, file.path, why)


def load_spec(path: Path | None) -> ModelSpec:
    """The spec of a model; raises what ``load_model`` raises."""
    return load_model(path, backend="onnxruntime").spec


def _golden(bundle: Bundle, spec: ModelSpec) -> Golden | None:
    if bundle.golden is None:
        return None
    bundle.read(bundle.golden)
    golden = load_golden(bundle.golden)
    if golden.crops.shape[1:3] != (spec.size_px, spec.size_px):
        raise ModelError(f"{bundle.golden}: golden crops are not {spec.size_px} px wide and high; export it again")
    return golden
