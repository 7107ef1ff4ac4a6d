"""`ffe-edge train robustness`: how much of its accuracy a model keeps when faces are hard to see."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from ffe_edge.cli_terminal import logged, need

if TYPE_CHECKING:
    from ffe_train.commands_robustness import Tested
    from ffe_train.robust_conditions import Detectors


def robustness(
    model: Annotated[Path, typer.Argument(help="Exported ONNX, or a bundle's folder: the file that will be served.")],
    sets: Annotated[Path, typer.Option(help="Folder of prepared sets: london, lfw, ferplus, rendered, as present.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of robustness.json and robustness.png.")],
    detector: Annotated[
        Optional[Path],
        typer.Option(help="YuNet's ONNX; without it the fetched one. With neither nothing is rolled."),
    ] = None,
    london: Annotated[
        Optional[Path],
        typer.Option(help="Folder of the London set with labels.csv and loose400/: also its pictures with a margin."),
    ] = None,
    against: Annotated[
        Optional[Path], typer.Option(help="Another model: how far apart the two are on the same faces.")
    ] = None,
    faces: Annotated[int, typer.Option(min=1, help="At most so many of a prepared set, drawn by lot.")] = 400,
    people: Annotated[int, typer.Option(min=0, help="So many rendered people, each in every expression.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="Of the lot, the people and what is done to pictures.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Of the runtime.")] = 1,
) -> None:
    """Measure a model file on faces that are blurred, dark, compressed, small, turned, covered or badly found.

    **Aligned crops** of the split `test` are blurred (out of focus, in motion), darkened (a half to an eighth of the
    light, with a sensor's noise), stored as JPEG, shrunk until the detector's box is 48 to 24 px wide, and covered by a
    mask, glasses, sunglasses or a hand.

    **Pictures with a margin** (rendered people, London where `--london` names it) are rolled by 15 and 30 degrees and
    searched again, cropped by landmarks that miss by 2.5 to 10 % of the distance of the eyes, or by a box of the Haar
    cascade, which serves where YuNet is not there. Rendered people also turn by 15 and 30 degrees and put on glasses.

    Each figure has its 95 % interval over people (over pictures for FER+, which names nobody), and its difference from
    the same faces untouched. A face that is no longer found has no answer: `found` says how many still are.
    The same seed gives the same pictures for every model. robustness.png shows no face but of London and rendered ones.

    Example: `ffe-edge train robustness model/model.onnx --sets runs/sets -o runs/figures`

    Against the model before: `... --against ffe_edge/models/ffe-small.onnx --london data/london`
    """
    need("torch", "train")
    need("matplotlib", "train")
    from ffe_train.commands_robustness import Wanted, measure_robustness

    wanted = Wanted(sets, london, faces, people, seed)
    with logged() as console:
        ours = _tested(model, threads)
        other = None if against is None else _tested(against, threads)
        measure_robustness(ours, other, wanted, _detectors(detector), out=out, console=console)


def _tested(path: Path, threads: int) -> Tested:
    from ffe_edge.classify import ExpressionClassifier
    from ffe_edge.engine.model import load_model
    from ffe_train.commands_robustness import Tested

    model = load_model(path, threads, "onnxruntime")
    classifier = ExpressionClassifier(model.run, len(model.spec.labels), model.spec.size_px)
    return Tested(model.path, model.spec, model.sha256, classifier.read)


def _detectors(path: Path | None) -> Detectors:
    """As a device has them, YuNet only where its file is there."""
    import cv2

    from ffe_edge.config import DetectorSettings
    from ffe_edge.faces import Haar, YuNet, find_yunet
    from ffe_train.robust_conditions import Detectors

    cv2.setNumThreads(1)
    found, settings = find_yunet(path), DetectorSettings()
    return Detectors(None if found is None else YuNet(found, settings), Haar(settings))
