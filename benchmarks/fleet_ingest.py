"""CPU time that a message of a fleet costs the store, by checkout: `python fleet_ingest.py --code before after`.

Each round runs every checkout in turn, in a process of its own: a store that knows 1,000 nodes, each with somebody
in view, then batches as the writer gets them: of many nodes, 70 % events, 10 % minutes, 20 % healths. CPU time is our
process's own, so that other programs on the machine change it little.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

KINDS = ("event", "summary", "health")
WEIGHTS = (7, 1, 2)
TOKYO = ZoneInfo("Asia/Tokyo")


def cost(nodes: int, batches: int, size: int) -> float:
    """CPU milliseconds a message."""
    from fleet_nodes import FleetNode, Sent  # noqa: PLC0415  # of the checkout that is measured

    from ffe_edge.dashboard.arrivals import Arrival, read_arrival  # noqa: PLC0415
    from ffe_edge.dashboard.database import Database  # noqa: PLC0415
    from ffe_edge.dashboard.ingest import ingest  # noqa: PLC0415
    from ffe_edge.dashboard.sequence_book import SequenceBook  # noqa: PLC0415
    from ffe_edge.messages import Health  # noqa: PLC0415

    chance, book = random.Random(1), SequenceBook()
    fleet = [FleetNode(f"ffe/v1/home-{number % 50:02}/edge-{number:04}", Sent(), chance) for number in range(nodes)]

    def told(node: FleetNode, kind: str) -> Arrival:
        now_ms = time.time_ns() // 1_000_000
        if kind == "health":
            status = read_arrival("ffe/v1", f"{node.name}/health", b'{"fps": {}, "outbox_entries": 0}', now_ms)
            return Arrival(status.place, Health(fps={}, outbox_entries=0), now_ms)
        (node.tell_event if kind == "event" else node.tell_summary)()
        message = node.take()
        return read_arrival("ffe/v1", message.topic, message.payload, now_ms)

    def store(database: Database, arrivals: list[Arrival]) -> None:
        with database.writing() as connection:
            done = ingest(connection, arrivals, TOKYO)
            drafts = book.drafted(arrivals, done.new)
            book.store(connection, drafts)
        book.take(drafts)

    with tempfile.TemporaryDirectory() as folder, closing(Database(f"sqlite:///{folder}/fleet.sqlite")) as database:
        database.migrate()
        for at in range(0, nodes, 250):
            store(database, [told(node, "event") for node in fleet[at : at + 250]])
        prepared = [
            [told(chance.choice(fleet), chance.choices(KINDS, WEIGHTS)[0]) for _ in range(size)] for _ in range(batches)
        ]
        began = time.process_time()
        for batch in prepared:
            store(database, batch)
        return (time.process_time() - began) / (batches * size) * 1000


def asked(code: Path, chosen: argparse.Namespace, size: int) -> float:
    """The cost by the code of a checkout."""
    command = [sys.executable, __file__, "--one", "--nodes", str(chosen.nodes), "--batches", str(chosen.batches),
               "--sizes", str(size)]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": f"{code}"}
    return float(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--code", type=Path, nargs="+", default=[Path(__file__).resolve().parents[1]])
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 60], help="messages of a batch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", action="store_true", help="measure here, and print a number")
    chosen = parser.parse_args()
    if chosen.one:
        print(cost(chosen.nodes, chosen.batches, chosen.sizes[0]))
        return
    found: dict[int, dict[str, list[float]]] = {}
    for size in chosen.sizes:
        by_code = found[size] = {str(code): [] for code in chosen.code}
        for _ in range(chosen.rounds):
            for code in chosen.code:
                by_code[str(code)].append(asked(code.resolve(), chosen, size))
    figures = {
        size: {code: [round(value, 3) for value in (statistics.median(all_of), min(all_of), max(all_of))]
               for code, all_of in by_code.items()}
        for size, by_code in found.items()
    }  # fmt: skip
    print(json.dumps({"CPU milliseconds a message [median, least, most], by batch": figures}, indent=1))


if __name__ == "__main__":
    main()
