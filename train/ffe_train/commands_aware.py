"""`ffe-edge train aware`: settings in, a tuned stage out, and what came of it in a line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from ffe_train.commands import steps_shown
from ffe_train.prepared import open_prepared
from ffe_train.quantization_aware import Told, quantization_aware
from ffe_train.quantization_aware_data import aware_recipe
from ffe_train.quantization_aware_tuning import Epoch


def aware_stage(
    stage: Path,
    sets: Path,
    out: Path,
    *,
    fresh: bool,
    threads: int,
    device: str,
    console: Console,
    **settings: Any,
) -> None:
    """Tune one network, or give back what came of it before; ``settings`` are those of ``Aware``."""
    recipe = aware_recipe(**settings)

    def say(epoch: Epoch) -> None:
        text = f"  epoch {epoch.number}/{recipe.epochs}: loss {epoch.loss:.5f}, {epoch.images_per_second:.0f} images/s"
        console.print(text, highlight=False)

    with steps_shown(console) as on_step:
        result = quantization_aware(
            recipe,
            stage,
            [open_prepared(sets / name) for name in recipe.data],
            out,
            device=device,
            threads=threads,
            fresh=fresh,
            told=Told(say, on_step),
        )
    console.print(f"{result.folder}: {in_words(result.record['metrics'])}", highlight=False)


def in_words(metrics: Mapping[str, Any]) -> str:
    """Agreement before and after, each with its interval, and whether the tuning was worth it."""
    before, after = (metrics["intervals"][f"agreement_{when}"] for when in ("before", "after"))
    figures = " -> ".join(f"{one['value']:.4f} ({one['low']:.4f}-{one['high']:.4f})" for one in (before, after))
    told = [f"agreement with FP32 on {metrics['measured']} faces of people not learned from: {figures}"]
    if after["value"] <= before["value"]:
        told.append("no better: export the stage that it came from")
    return "; ".join([*told, *([metrics["warning"]] if "warning" in metrics else [])])
