"""The catalogue's lines for a bundle that is to be released."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from ffe_edge.catalogue import Release, entry_of
from ffe_edge.engine.bundle import BUNDLE_FILE, read_bundle
from ffe_edge.engine.model import load_model
from ffe_edge.engine.model_file import digest_of
from ffe_edge.errors import ModelError


def release_lines(folder: Path, version: str, address: str) -> str:
    """What to put into the catalogue, and which files to publish, once the bundle has been looked at.

    Args:
        folder: of `ffe-edge export`.
        version: of the release.
        address: of its files, with ``{file}`` and perhaps ``{version}``.

    Raises:
        ModelError: it is no whole bundle of a model of the catalogue, or version or address cannot be used.
    """
    load_model(folder, backend="onnxruntime")
    bundle = read_bundle(folder)
    for path in bundle.used:
        bundle.read(path)
    if entry_of(bundle.name).file is not None:
        raise ModelError(f"{folder}: {bundle.name} is one file in the catalogue; a bundle cannot be its release")
    record = folder / BUNDLE_FILE
    values = {
        "version": version,
        "address": address,
        "bytes": record.stat().st_size,
        "sha256": digest_of(record),
        "all_bytes": bundle.size(),
    }
    try:
        release = Release.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ModelError(f"--{first['loc'][0]}: {first['msg']}") from error
    files = [f"# {release.url(path.name)}" for path in (record, *bundle.used)]
    table = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join(["# Publish these files:", *files, f"[{bundle.name}.release]", *table])
