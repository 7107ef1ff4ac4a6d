"""The report tells figures with intervals and verdicts in words, and holds nothing that acts or shows people."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from verify_parts import BusyRunner, FakeRunner, some_crops

from ffe_edge.errors import DataError
from ffe_export.gates import Gates, LatencyGate
from ffe_export.labelled import Labelled
from ffe_export.latency import Plan
from ffe_export.machine import machine, versions
from ffe_export.report import report_of, summary, write_report
from ffe_export.report_charts import bars, forest, histogram
from ffe_export.report_html import page
from ffe_export.report_parts import percent, plain, signed, small
from ffe_export.verification import Contender, Verification
from ffe_export.verify import verify

HOSTILE = "<script>alert('x')</script>&\""
NO_GPU = "built, not run here: no GPU"


def found(
    folder: Path,
    *,
    shift: float = 1e-4,
    gates: Gates | None = None,
    people: bool = True,
    evil: str = "INT8",
    turns: float = 1,
) -> Verification:
    real = some_crops(60, seed=3)
    truth = FakeRunner().read(real).probs.argmax(axis=1)
    labels = tuple(f"{HOSTILE}{k}" for k in range(9))
    subject = (np.arange(60) // 3).astype(np.str_)
    labelled = Labelled(
        folder / HOSTILE.replace("/", ""), real, labels, truth, subject, {f"label {HOSTILE}": 2}, "test"
    )
    (folder / "model.onnx").write_bytes(b"x" * 400)
    (folder / "model.int8.onnx").write_bytes(b"x" * 104)
    contenders = [
        Contender(evil, "int8", BusyRunner("int8", shift=shift, milliseconds=[turns]), folder / "model.int8.onnx"),
        Contender("FP16 engine", "fp16", None, device="gpu", why_not_run=NO_GPU),
        Contender("torch", "fp32", FakeRunner(backend="torch"), is_timed=False),
    ]
    reference = Contender("FP32, ONNX Runtime", "fp32", BusyRunner(milliseconds=[3]), folder / "model.onnx")
    plan = Plan((1, 4), 0.0, least_rounds=20)
    return verify(
        reference,
        contenders,
        golden=some_crops(6),
        real=real,
        labelled=labelled if people else None,
        gates=gates,
        plan=plan,
    )


@pytest.fixture
def report(tmp_path: Path) -> dict[str, Any]:
    sensitivity = {HOSTILE: {"lost": 0.02, "kept": True}, "/conv1": {"lost": 0.01, "kept": False}}
    calibration = {"method": "min-max", "images": 300, "sha256": "ab" * 32}
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    return report_of(found(tmp_path), model="small", calibration=calibration, sensitivity=sensitivity, made_at=at)


def test_the_json_is_json_and_whole(report: dict[str, Any], tmp_path: Path) -> None:
    json_path, html_path = write_report(report, tmp_path / "new")
    assert json.loads(json_path.read_text(encoding="utf-8")) == report
    assert html_path.read_text(encoding="utf-8") == page(json.loads(json_path.read_text(encoding="utf-8")))
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["report.html", "report.json"]


def test_the_json_says_what_was_measured_on_what(report: dict[str, Any]) -> None:
    assert (report["version"], report["model"], report["made_at"]) == (1, "small", "2026-01-02T03:04:05+00:00")
    int8 = report["results"][0]
    assert (int8["file"]["ratio"], int8["file"]["name"]) == (0.26, "model.int8.onnx")
    assert {"value", "low", "high"} == set(int8["accuracy"]["accuracy_lost"]) == set(int8["real"]["top1"])
    assert (int8["accuracy"]["images"], int8["accuracy"]["people"], int8["real"]["images"]) == (60, 20, 60)
    assert [entry["batch"] for entry in report["latency"]] == [1, 4]
    row = report["latency"][0]["rows"][1]
    assert {"name", "calls", "p50_ms", "p95_ms", "p99_ms", "images_per_second", "ratio"} <= set(row)
    assert (row["calls"], row["p99_ms"]) == (20, None)
    labelled = report["crops"]["labelled"]
    assert (labelled["images"], labelled["people"], labelled["split"]) == (60, 20, "test")
    assert sum(labelled["labels"].values()) == 60
    assert len(labelled["sha256"]) == len(report["crops"]["golden"]["sha256"]) == 64
    assert report["calibration"]["images"] == 300
    assert report["sensitivity"][1] == {"layer": "/conv1", "lost": 0.01, "kept": False}
    assert report["gates"]["accuracy"] == {"points": 1.0, "agreement": 0.99, "strict": False}


def test_machine_and_versions_are_told(report: dict[str, Any]) -> None:
    assert report["machine"] == machine()
    assert {"cpu", "cores", "flags", "has_int8_dot_products", "system"} <= set(machine())
    assert {"python", "numpy", "onnxruntime"} <= set(versions())
    assert report["versions"]["numpy"] == np.__version__


class Tags(HTMLParser):
    """Checks that tags close, and keeps what could act or load."""

    EMPTY = frozenset({"meta", "rect", "circle", "path", "line", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self.open.pop() == tag


def test_the_page_is_well_formed_and_nothing_in_it_acts_loads_or_shows_a_picture(report: dict[str, Any]) -> None:
    text, tags = page(report), Tags()
    tags.feed(text)
    assert tags.open == []
    assert tags.seen.isdisjoint({"script", "img", "image", "iframe", "link", "object", "embed", "form", "use", "a"})
    assert tags.attributes.isdisjoint({"src", "href", "xlink:href", "srcset"})
    assert not any(name.startswith("on") for name in tags.attributes)
    assert "data:image" not in text
    assert "url(" not in text
    assert "http" not in text
    assert "nan" not in re.findall(r"\w+", text)


@pytest.mark.parametrize("where", ["model", "name", "notes", "reason"])
def test_hostile_text_is_shown_as_text(tmp_path: Path, where: str) -> None:
    name = HOSTILE if where == "name" else "INT8"
    made = report_of(found(tmp_path, evil=name), model=HOSTILE, notes=[HOSTILE])
    made["results"][0]["verdicts"][0]["reason"] = HOSTILE
    text = page(made)
    assert "<script" not in text
    assert "alert('x')" not in text
    assert "&lt;script&gt;" in text


def test_night_phone_and_paper_are_thought_of(report: dict[str, Any]) -> None:
    text = page(report)
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text
    assert "@media print" in text
    assert 'role="img" aria-label="' in text


def test_verdicts_stand_first_with_colour_word_and_shape(report: dict[str, Any]) -> None:
    text = page(report)
    headline = text.index('<section class="headline')
    assert headline < text.index("<h2>Verdicts</h2>") < text.index("Does it say the same?")
    assert '<div class="chips"><div><b>' in text
    assert 'class="badge none"><svg class="mark"' in text
    assert "not run here" in text
    assert "Built, not run here: no GPU." in text


@pytest.mark.parametrize(
    ("shift", "turns", "words"),
    [
        pytest.param(3.0, 1, ["INT8 is refused on the CPU", "headline bad", "Refused."], id="refused"),
        pytest.param(
            1e-4,
            9,
            ["because that was asked for", "headline warn", "Refused, taken on demand."],
            id="overridden",
        ),
    ],
)
def test_the_headline_says_the_outcome(tmp_path: Path, shift: float, turns: float, words: list[str]) -> None:
    gates = Gates(latency=LatencyGate(allow_slower=True))
    verification = found(tmp_path, shift=shift, gates=gates, turns=turns)
    line = summary(verification)[0]
    assert (line["precision"], line["device"], line["name"]) == ("int8", "cpu", "INT8")
    text = page(report_of(verification, model="small"))
    assert all(word in text for word in words)


def test_numbers_that_nobody_timed_are_not_said_to_serve() -> None:
    numbers = Contender("an engine's numbers", "fp16", FakeRunner("fp16"), is_timed=False)
    plan, real = Plan((1,), 0.0, least_rounds=2), some_crops(40)
    alone = verify(Contender("FP32", "fp32", FakeRunner()), [numbers], golden=some_crops(3), real=real, plan=plan)
    text = page(report_of(alone, model="small"))
    assert "FP16 seems to say the same; it is not proven, and its speed was not measured here" in text
    assert "may serve" not in text


def test_a_layer_has_a_bar_by_the_column_that_layers_are_sorted_by(report: dict[str, Any]) -> None:
    rows = [{"layer": "a", "same": 0.9, "KL": 0.4, "FP32": True}, {"layer": "b", "same": 1.0, "KL": 0.1, "FP32": False}]
    text = page({**report, "sensitivity": rows})
    assert "<th>by KL</th>" in text
    assert re.findall(r'width="([\d.]+)" height="10" rx="2"/></svg></td>', text) == ["90.0", "22.5"]


def test_every_figure_of_the_page_has_its_count_or_its_interval(report: dict[str, Any]) -> None:
    text = page(report)
    assert "60 labelled crops" in text
    assert "95 % intervals by drawing 20 people with all their crops" in text
    assert "60 crops to check with" in text
    assert "<th>rounds</th>" in text
    assert "<small>" in text[text.index("points lost</th>") :]


def test_without_labels_the_page_says_so(tmp_path: Path) -> None:
    text = page(report_of(found(tmp_path, people=False), model="small"))
    assert "no labelled crops were given" in text
    assert "Points of accuracy lost" not in text
    assert "Nothing was calibrated." in text


def test_a_model_alone_has_a_report_too() -> None:
    alone = verify(
        Contender("FP32", "fp32", FakeRunner()), [], golden=some_crops(3), plan=Plan((1,), 0.0, least_rounds=2)
    )
    text = page(report_of(alone, model="small"))
    assert "there is nothing to gate" in text


def test_a_disk_that_refuses_is_told_and_the_old_report_stays(report: dict[str, Any], tmp_path: Path) -> None:
    write_report(report, tmp_path)
    (tmp_path / "report.json.part").mkdir()
    with pytest.raises(DataError, match=r"report\.json: cannot be written .*what was there is untouched"):
        write_report({**report, "model": "new"}, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["model"] == "small"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (small(0.0353), "0.0353"),
        (small(1.26e-6), "1.3e−6"),
        (small(0), "0"),
        (small(None), "–"),
        (signed(-0.001, 2), "+0.00"),
        (signed(-1.5, 1), "−1.5"),
        (percent(0.99996, 1), "> 99.9%"),
        (percent(1.0, 1), "100.0%"),
        (percent(0.996, 1), "99.6%"),
        (plain({"a": True, "b": [1, "x"]}), "a yes, b 1, x"),
        (plain(12345), "12,345"),
    ],
)
def test_figures_are_written_for_people(shown: str, expected: str) -> None:
    assert shown == expected


def test_bars_are_as_long_as_their_figures() -> None:
    rows = [
        {"name": "a", "p50_ms": 10.0, "p95_ms": 20.0},
        {"name": "b<", "p50_ms": 5.0, "p95_ms": None},
    ]
    text = bars(rows, {"a": "fp32", "b<": "int8"})
    widths = [float(width) for width in re.findall(r'class="fill"[^>]*?width="([\d.]+)"', text)]
    assert widths == [170.0, 85.0]
    assert "b&lt;" in text


def test_a_histogram_is_as_high_as_its_counts() -> None:
    text = histogram([0, 4, 2], [0.0, 1e-4, 1e-2, 1.0], 0.5, "title")
    heights = [float(height) for height in re.findall(r'class="fill"[^>]*?height="([\d.]+)"', text)]
    assert heights == [130.0, 65.0]


def test_the_limit_of_the_gate_is_drawn() -> None:
    interval = {"value": 0.5, "low": -0.5, "high": 1.5}
    text = forest([("INT8", "int8", interval)], 1.0, "points")
    assert "limit 1" in text
    assert 'class="limit"' in text
    assert forest([("same", "int8", {"value": 0.0, "low": 0.0, "high": 0.0})], 0.0, "points")
