"""Where the crop of YuNet's landmarks lies in Haar's box: the two constants of ``ffe_edge.align``.

python benchmarks/haar_box.py --detector yunet_n_640_640.onnx FOLDER [FOLDER ...]
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ffe_edge.align import CROP_PX, similarity
from ffe_edge.config import DetectorSettings
from ffe_edge.faces import Haar, YuNet
from ffe_edge.types import Faces, ImageArray

SETTINGS = DetectorSettings(long_side_px=640)
BORDER_SHARE = 0.5
"""Tightly cropped faces get this much border, so that Haar sees a whole head."""


def box_of_crop(yunet: Faces, haar: Faces) -> npt.NDArray[np.float64]:
    """(3,) centre x, centre y and side of the landmark crop, in shares of the Haar box."""
    assert yunet.landmarks is not None
    matrix = np.vstack([similarity(yunet.landmarks)[0], [0, 0, 1]])
    centre = np.linalg.inv(matrix) @ [CROP_PX / 2, CROP_PX / 2, 1]
    left, top, right, bottom = haar.xyxy[0]
    side = CROP_PX / np.hypot(matrix[0, 0], matrix[1, 0])
    return np.array([(centre[0] - left) / (right - left), (centre[1] - top) / (bottom - top), side / (right - left)])


def padded(path: Path) -> ImageArray:
    """The image with a border."""
    image = cv2.imread(str(path))
    border = int(max(image.shape[:2]) * BORDER_SHARE)
    return np.asarray(cv2.copyMakeBorder(image, border, border, border, border, cv2.BORDER_REPLICATE), np.uint8)


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--images", type=int, default=300)
    options = parser.parse_args()
    paths = sorted(path for folder in options.folders for path in folder.glob("*.jpg"))
    random.Random(0).shuffle(paths)
    yunet, haar = YuNet(options.detector, SETTINGS), Haar(SETTINGS)
    rows = []
    for path in paths[: options.images]:
        image = padded(path)
        ours, theirs = yunet(image), haar(image)
        if len(ours) == 1 and len(theirs) == 1:
            rows.append(box_of_crop(ours, theirs))
    print(f"{len(rows)} faces on which both agree that there is one")
    for name, values in zip(("centre x", "centre y", "side"), np.array(rows).T, strict=True):
        low, middle, high = np.percentile(values, [5, 50, 95])
        print(f"{name:9} {middle:.3f} (5-95 %: {low:.3f}-{high:.3f})")


if __name__ == "__main__":
    main()
