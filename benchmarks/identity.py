"""How well the embedding of a model tells people apart: `python benchmarks/identity.py [--model FILE]`.

Pairs of `../shared/data/lfw_identities` (people that no identity network of ours has seen): the share of pairs of one
person that is accepted (TAR) where 1 in 100 and 1 in 1,000 pairs of two people are (FAR), with 95 % intervals by
bootstrap over people. `metrics.identity` is what the model's spec may declare, with the lower end
of TAR at the smallest FAR.

Source: Huang et al., Labeled Faces in the Wild, 2007 (pairs); these are not the official ones.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ffe_edge.engine.model import load_model
from ffe_edge.errors import ModelError
from ffe_edge.types import FloatArray, Runner

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "lfw_identities"
FAR_LEVELS = (1e-2, 1e-3)
RESAMPLES = 1000
BATCH = 16


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=None, help="a crops graph with an embedding [the shipped one]")
    parser.add_argument("--data", type=Path, default=DATA)
    chosen = parser.parse_args()
    pairs = list(csv.DictReader((chosen.data / "pairs_verif.csv").open(encoding="utf-8")))
    names = sorted({name for row in pairs for name in (row["a"], row["b"])})
    model = load_model(chosen.model, backend="onnxruntime")
    rows = embedded(model.run, [chosen.data / name for name in names])
    place = {name: index for index, name in enumerate(names)}
    first, second = ([place[row[side]] for row in pairs] for side in "ab")
    similarity = np.einsum("pd,pd->p", rows[first], rows[second])
    same = np.array([row["same"] == "1" for row in pairs])
    people = np.array([[Path(row[side]).parent.name for side in "ab"] for row in pairs])
    print(json.dumps({"model": model.spec.name, "sha256": model.sha256, **told(similarity, same, people)}, indent=1))


def embedded(run: Runner, paths: list[Path]) -> FloatArray:
    """Unit embeddings (N, D) of aligned crops."""
    rows = []
    for start in range(0, len(paths), BATCH):
        crops = np.stack([cv2.imread(str(path)) for path in paths[start : start + BATCH]])
        embedding = run.read(np.asarray(crops, np.uint8)).embedding
        if embedding is None:
            raise ModelError("the model gives no embedding; export it again")
        rows.append(embedding)
    return np.concatenate(rows)


def told(similarity: FloatArray, same: npt.NDArray[np.bool_], people: npt.NDArray[np.str_]) -> dict[str, object]:
    """The figures, with the threshold of each FAR."""
    names, place = np.unique(people, return_inverse=True)
    place = place.reshape(people.shape)
    rng = np.random.default_rng(0)
    figures: dict[str, object] = {"same": int(same.sum()), "different": int((~same).sum()), "people": len(names)}
    figures["auc"] = auc(similarity, same)
    for far in FAR_LEVELS:
        threshold = float(np.quantile(similarity[~same], 1 - far, method="higher"))
        drawn = []
        for _ in range(RESAMPLES):
            weights = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
            counts = weights[place[:, 0]] * np.where(same, 1, weights[place[:, 1]])
            drawn.append(tar(similarity, same, counts, far))
        low, high = np.percentile(drawn, [2.5, 97.5])
        exact = tar(similarity, same, np.ones(len(same), int), far)
        figures[f"tar_at_far_{far:g}"] = {"tar": exact, "low": low, "high": high, "threshold": threshold}
        figures["metrics.identity"] = {"threshold": threshold, "tar": low, "far": far, "different": int((~same).sum())}
    return figures


def tar(similarity: FloatArray, same: npt.NDArray[np.bool_], counts: npt.NDArray[np.int_], far: float) -> float:
    """Share of the counted pairs of one person above the threshold that ``far`` of those of two pass."""
    others, other_counts = similarity[~same], counts[~same]
    order = np.argsort(-others)
    passed = np.cumsum(other_counts[order])
    first_kept_out = min(int(np.searchsorted(passed, far * passed[-1], side="right")), len(order) - 1)
    accepted = similarity[same] > others[order[first_kept_out]]
    return float((counts[same] * accepted).sum() / max(counts[same].sum(), 1))


def auc(similarity: FloatArray, same: npt.NDArray[np.bool_]) -> float:
    """Chance that a pair of one person is more alike than one of two."""
    below = np.searchsorted(np.sort(similarity[~same]), similarity[same])
    return float(below.mean() / (~same).sum())


if __name__ == "__main__":
    main()
