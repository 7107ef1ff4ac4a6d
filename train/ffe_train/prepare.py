"""Pictures -> a prepared set: read, detect, align once; what is refused is counted and listed.

A run that was killed goes on where it was: every shard is written whole, with a note of what it holds.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, TypeAlias

from ffe_edge.errors import DataError
from ffe_edge.types import FaceDetector, ImageArray
from ffe_train.cropping import UNREADABLE, Cropper, Item, Refusal, looks_swapped
from ffe_train.files import write_atomically
from ffe_train.in_order import in_order
from ffe_train.manifest import Row, check_rows, write_manifest
from ffe_train.parts import Part, Seen, drop_notes, load_part, make_part, note_seen
from ffe_train.prepared import Pair, read_about, rows_digest, write_set
from ffe_train.shards import SHARD_ROWS, sha256_of
from ffe_train.target_set import check_once

__all__ = ["Item", "Prepared", "Progress", "prepare"]

Progress: TypeAlias = Callable[[Iterable[Any], str, int], Iterable[Any]]
"""Gives the things back one by one and shows how many of the total were taken; the words say what they are."""
Done: TypeAlias = Sequence[tuple[Sequence[Item], Part]]
"""What was given, and what came of it, part by part."""
FIRST_FEW: Final = 5
WORTH_PROCESSES: Final = 500
"""Pictures from which on it pays to start processes."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What came of a preparation."""

    folder: Path
    name: str
    count: int
    """Crops."""
    refused: Mapping[str, int]
    """How many pictures by reason; ``refused.csv`` lists them."""
    reused: int
    """Pictures that an earlier run had done."""
    pairs: int
    digest: str


def prepare(
    items: Iterable[Item],
    folder: Path,
    *,
    name: str,
    detector: FaceDetector | None,
    progress: Progress = lambda things, _words, _total: things,
    skip_bad: bool = False,
    workers: int = 1,
    check_colours: bool = True,
    shard_rows: int = SHARD_ROWS,
    pairs: Sequence[Pair] = (),
) -> Prepared:
    """Align every picture and write the prepared set.

    Args:
        items: the pictures; in the same order when a run is taken up again.
        folder: of the set; what an earlier, unfinished run left there is used.
        name: of the set, for recipes.
        detector: finds the faces of rows without landmarks.
        progress: shows how far it is.
        skip_bad: leave pictures out that cannot be read, instead of stopping at the end.
        workers: threads that read and align; processes, where no face has to be found.
        check_colours: refuse a set in which skin is blue.
        shard_rows: pictures of a shard, which is also what a killed run loses at most.
        pairs: pairs for verification, by path; those of refused pictures are left out.

    Raises:
        DataError: a subject stands in two splits, a picture is given twice, pictures cannot be read, red and blue look
            swapped, the folder belongs to other pictures, or the disk is full.
        DetectorError: the detector broke.
    """
    listed = _checked(items, detector, name)
    chunks = [listed[start : start + shard_rows] for start in range(0, len(listed), shard_rows)]
    found_by = "" if detector is None else detector.name
    keys = [rows_digest(f"{found_by} {len(chunk)}", (item.row for item in chunk)) for chunk in chunks]
    whole = sha256_of(map(str.encode, [name, *keys, repr([tuple(pair) for pair in pairs])]))
    if (folder / "set.json").is_file():
        return _finished(folder, whole, len(listed))
    is_detected = any(item.row.landmarks is None for item in listed)
    apart = workers if is_detected or len(listed) >= WORTH_PROCESSES else 1
    job = _Job(folder, Cropper(detector if is_detected else None), skip_bad, check_colours, apart)
    done = job.run(chunks, keys, progress(listed, f"prepare {name}", len(listed)))
    _write_refused(folder, done)
    if not skip_bad:
        _stop_at_unreadable(folder, done, len(listed))
    more = {"detector": found_by, "items": whole, "refused": _reasons(done)}
    return _finish(folder, name, done, pairs, more, job.reused)


class _Job:
    """One run over all chunks; a chunk's part is made, or taken from an earlier run."""

    def __init__(self, folder: Path, cropper: Cropper, skip_bad: bool, check_colours: bool, workers: int) -> None:
        self._folder, self._cropper, self._workers = folder, cropper, workers
        self._skip_bad, self._check_colours = skip_bad, check_colours
        self.reused = 0

    def run(self, chunks: Sequence[Sequence[Item]], keys: Sequence[str], items: Iterable[Item]) -> Done:
        seen: Seen = {}
        done: list[tuple[Sequence[Item], Part]] = []
        ahead = iter(items)
        for number, (chunk, key) in enumerate(zip(chunks, keys, strict=True)):
            part = self._earlier(number, chunk, key, seen)
            coming = islice(ahead, len(chunk))
            if part is None:
                part = make_part(self._folder, number, key, chunk, self._outcomes(coming), seen)
            else:
                self.reused += len(list(coming))
            done.append((chunk, part))
            if self._check_colours:
                _check_colours(self._folder, done)
        return done

    def _earlier(self, number: int, chunk: Sequence[Item], key: str, seen: Seen) -> Part | None:
        part = load_part(self._folder, number, key)
        if part is None or (part.unreadable and not self._skip_bad) or not note_seen(part, chunk, seen):
            return None
        return part

    def _pool(self) -> Executor:
        """Processes where nothing is to be detected: what draws or decodes pictures holds the interpreter's lock."""
        if self._cropper.detects:
            return ThreadPoolExecutor(self._workers)
        return ProcessPoolExecutor(self._workers, mp_context=get_context("spawn"))

    def _outcomes(self, items: Iterator[Item]) -> Iterator[ImageArray | Refusal]:
        if self._workers <= 1:
            yield from map(self._cropper, items)
            return
        yield from in_order(self._pool(), 4 * self._workers + 1, self._cropper, items)


def _checked(items: Iterable[Item], detector: FaceDetector | None, name: str) -> tuple[Item, ...]:
    listed = tuple(items)
    if not listed:
        raise DataError("the source holds no picture; see train/DATA.md for what its folder must look like")
    check_rows((item.row for item in listed), None)
    check_once((item.row for item in listed), name)
    if detector is None and (bare := [item.row.path for item in listed if item.row.landmarks is None]):
        raise DataError(f"{bare[0]}: has no landmarks, so its face must be found; give a face detector")
    return listed


def _check_colours(folder: Path, done: Done) -> None:
    coloured, blue = sum(part.coloured for _, part in done), sum(part.blue for _, part in done)
    if looks_swapped(coloured, blue):
        raise DataError(
            f"{folder}: in {blue} of {coloured} faces skin is more blue than red, so red and blue look swapped; "
            "store the pictures as ordinary RGB files, or take them as they are with --allow-odd-colours"
        )


def _stop_at_unreadable(folder: Path, done: Done, total: int) -> None:
    bad = [(row.path, detail) for row, reason, detail in _refusals(done) if reason == UNREADABLE]
    if bad:
        few = "; ".join(detail if path in detail else f"{path}: {detail}" for path, detail in bad[:FIRST_FEW])
        more = f"; and {len(bad) - FIRST_FEW} more in {folder / 'refused.csv'}" if len(bad) > FIRST_FEW else ""
        raise DataError(
            f"{len(bad)} of {total} pictures cannot be read: {few}{more}. Mend them, or leave them out with "
            "--skip-bad; what is done is kept"
        )


def _finish(
    folder: Path, name: str, done: Done, pairs: Sequence[Pair], more: Mapping[str, Any], reused: int
) -> Prepared:
    rows = [chunk[at].row for chunk, part in done for at in part.kept]
    if not rows:
        raise DataError(f"{folder}: every picture was refused ({dict(more['refused'])}); refused.csv says why")
    rows = [replace(row, xyxy=None, landmarks=None) for row in rows]
    write_manifest(rows, folder / "manifest.csv")
    count = _write_pairs(folder, rows, pairs)
    sha256 = (one for _, part in done for one in part.sha256)
    shards = [len(part.kept) for _, part in done]
    digest = write_set(folder, name, shards, sha256, rows, {**more, "pairs": count})
    drop_notes(folder)
    return Prepared(folder, name, len(rows), more["refused"], reused, count, digest)


def _finished(folder: Path, whole: str, total: int) -> Prepared:
    about = read_about(folder)
    if about.get("items") != whole:
        raise DataError(
            f"{folder}: holds the finished set {about['name']} of other pictures or settings; delete the folder or "
            "choose another one"
        )
    drop_notes(folder)
    return Prepared(
        folder, about["name"], sum(about["shards"]), about["refused"], total, about["pairs"], about["digest"]
    )


def _refusals(done: Done) -> Iterator[tuple[Row, str, str]]:
    for chunk, part in done:
        for at, reason, detail in part.refused:
            yield chunk[at].row, reason, detail


def _reasons(done: Done) -> dict[str, int]:
    return dict(Counter(reason for _, reason, _ in _refusals(done)))


def _write_refused(folder: Path, done: Done) -> None:
    lines = [(row.path, reason, row.subject, detail) for row, reason, detail in _refusals(done)]
    _write_csv(folder / "refused.csv", ("path", "reason", "subject", "detail"), lines)


def _write_pairs(folder: Path, rows: Sequence[Row], pairs: Sequence[Pair]) -> int:
    if not pairs:
        return 0
    at = {row.path: position for position, row in enumerate(rows)}
    lines = [(at[a], at[b], int(same)) for a, b, same in pairs if a in at and b in at]
    _write_csv(folder / "pairs.csv", ("a", "b", "same"), lines)
    return len(lines)


def _write_csv(path: Path, names: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(lines)
    write_atomically(path, text.getvalue().encode())
