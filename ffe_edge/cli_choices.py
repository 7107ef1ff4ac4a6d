"""Words that an option of `ffe-edge train …` takes; typer refuses any other and names these."""

from __future__ import annotations

from enum import Enum


class Device(str, Enum):
    """Where tensors are."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Architecture(str, Enum):
    """Networks that public weights exist of."""

    RESNET18 = "resnet18"
    RESNET50 = "resnet50"
    FACE_RESNET18 = "face-resnet18"
    FACE_RESNET50 = "face-resnet50"


class Flavour(str, Enum):
    """The two public code bases of a Face-ResNet."""

    ADAFACE = "adaface"
    INSIGHTFACE = "insightface"


class WeightKind(str, Enum):
    """Where public weights come from."""

    AUTO = "auto"
    ADAFACE = "adaface"
    CVLFACE = "cvlface"
    INSIGHTFACE = "insightface"
    TORCHVISION = "torchvision"


class Scheduler(str, Enum):
    """Clusters that a grid writes a script for."""

    SLURM = "slurm"
    AGE = "age"
