"""A fleet on one machine: how many nodes, and how many events a second, until something ends.

`python benchmarks/fleet.py` connects nodes that do not exist (MQTT 5, each with its own connection, birth, will, health
every 30 s, a summary a minute and events of people who change) to one mosquitto and one `ffe-edge dashboard` on the
loopback: first more and more nodes, then more and more events of all of them, then all lines are cut and come back at
once; `--pages` are open all the while. Every event's id is looked for in the store. It stops by itself: after the step
in which the 95th percentile of the time from an event to the store is over `--limit-seconds`, or at the ramp's end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import socket
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import fleet_pages
import fleet_servers as servers
import numpy as np
from fleet_nodes import Fleet, now_ms
from fleet_report import Step, ended_by, table
from fleet_store import Watch

ROOT: Final = Path(__file__).resolve().parents[1]
JOIN_SECONDS: Final = 120.0
"""Waited at most for the births of new nodes: what joining costs is no part of the step."""


class Trial:
    """One broker, one dashboard, one database, one fleet, some pages."""

    def __init__(
        self, fleet: Fleet, watch: Watch, dashboard: servers.Dashboard, programs: Sequence[servers.Program],
        pages: fleet_pages.Pages,
    ):  # fmt: skip
        self.fleet, self.watch, self.dashboard, self.programs, self.pages = fleet, watch, dashboard, programs, pages

    async def step(self, nodes: int, events_per_minute: float, seconds: float, drain_seconds: float) -> Step:
        """So many nodes, each with so many events a minute, for so long; then wait until all is stored."""
        joining = time.monotonic()
        await self.fleet.grow(nodes)
        while await asyncio.to_thread(self.watch.joined) < nodes and time.monotonic() - joining < JOIN_SECONDS:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        join_seconds = time.monotonic() - joining
        await self._settled(drain_seconds)
        first, told, began = now_ms(), len(self.fleet.sent.events), time.monotonic()
        acknowledged, batches = self.fleet.sent.acknowledged, self.dashboard.figures()["batches_total"]
        before, heard = self._usage(), self.pages.heard()
        await self.fleet.run(seconds, events_per_minute)
        spent = time.monotonic() - began
        after, now_batches = self._usage(), self.dashboard.figures()["batches_total"]
        shown = {name: count if name == "open" else (count - heard[name]) for name, count in self.pages.heard().items()}
        taken = self.fleet.sent.acknowledged - acknowledged
        stored_in_time = len(self.watch.stored) - told
        is_stored = await self._settled(drain_seconds)
        ids = list(self.fleet.sent.events)[told:]
        delays = [self.watch.stored[one] - self.fleet.sent.events[one] for one in ids if one in self.watch.stored]
        if is_stored:
            self.watch.forget_before(first)
        p50, p95 = (float(np.percentile(delays, share)) if delays else float("nan") for share in (50, 95))
        return Step(
            nodes=nodes, events_per_minute=events_per_minute, seconds=round(spent, 1),
            events_sent_a_second=len(ids) / spent, events_stored_a_second=stored_in_time / spent,
            messages_a_second=taken / spent, delay_p50_seconds=p50, delay_p95_seconds=p95,
            cpu={name: (after[name].cpu_seconds - before[name].cpu_seconds) / spent for name in after},
            memory_mib={name: after[name].memory_mib for name in after},
            files={name: after[name].files for name in after},
            batches_a_second=(now_batches - batches) / spent,
            generator_late_seconds=self.fleet.late_seconds, join_seconds=join_seconds, pages=shown,
            is_stored=is_stored, **self._losses(),
        )  # fmt: skip

    async def storm(self, drain_seconds: float) -> dict[str, Any]:
        """All lines are cut; when every node is told as lost, all come back at the same moment."""
        before, nodes = self._usage(), len(self.fleet.nodes)
        self.fleet.vanish()
        lost = await self._seconds_until("lost", nodes, drain_seconds)
        accepted = await self.fleet.come_back(no_longer_than=120.0)
        online = await self._seconds_until("online", nodes, drain_seconds)
        await self._settled(drain_seconds)
        after = self._usage()
        return {
            "nodes": nodes,
            "seconds until all were lost in the store": round(lost, 2),
            "seconds until the broker had accepted all": round(accepted, 2),
            "seconds more until all were online in the store": round(online, 2),
            "states in the store at the end": await asyncio.to_thread(self.watch.states),
            "CPU seconds": {name: round(after[name].cpu_seconds - before[name].cpu_seconds, 2) for name in after},
        } | self._losses()

    async def _seconds_until(self, state: str, nodes: int, no_longer_than: float) -> float:
        """Until the store says of so many nodes that they are this."""
        began = time.monotonic()
        while (await asyncio.to_thread(self.watch.states)).get(state, 0) < nodes:
            if time.monotonic() - began > no_longer_than:
                return float("inf")
            await asyncio.sleep(0.1)
        return time.monotonic() - began

    def _usage(self) -> dict[str, servers.Usage]:
        own = resource.getrusage(resource.RUSAGE_SELF)
        generator = servers.Usage(own.ru_utime + own.ru_stime, own.ru_maxrss / 1024, len(self.fleet.nodes))
        return {one.name: one.usage() for one in self.programs} | {"generator": generator}

    def _losses(self) -> dict[str, int]:
        """Counted over the whole trial."""
        sent, stored = self.fleet.sent, self.watch.stored
        kept = self.watch.summaries()
        return {
            "events_sent": len(sent.events),
            "events_stored": self.watch.events(),
            "events_missing": len(sent.events.keys() - stored.keys()),
            "events_strange": len(stored.keys() - sent.events.keys()),
            "summaries_sent": len(sent.summaries),
            "summaries_missing": len(sent.summaries - kept),
            "repeated": int(self.dashboard.result("known")),
            "refused": int(self.dashboard.result("refused")) + sent.refused,
        }

    async def _settled(self, no_longer_than: float) -> bool:
        """Wait until the broker has everything, and the store has it; whether it has."""
        deadline = time.monotonic() + no_longer_than
        has_all = await self.fleet.sent_all(no_longer_than)
        sent = self.fleet.sent
        while time.monotonic() < deadline:
            if not sent.events.keys() - self.watch.stored.keys():
                missing = await asyncio.to_thread(lambda: sent.summaries - self.watch.summaries())
                if not missing:
                    return has_all
            await asyncio.sleep(0.25)
        return False


def ramp(chosen: argparse.Namespace) -> list[tuple[int, float]]:
    """Nodes, and events a minute of each."""
    growing = [(nodes, chosen.events_per_minute) for nodes in chosen.nodes]
    faster = [(chosen.nodes[-1], chosen.events_per_minute * factor) for factor in chosen.faster]
    return growing + faster


async def measured(chosen: argparse.Namespace, database: str, code: Path) -> dict[str, Any]:
    """All steps on one kind of database."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ffe-fleet-")))
        port = _free_port()
        programs = [stack.enter_context(servers.broker(folder, port, chosen.autosave))]
        url = f"sqlite:///{folder / 'dashboard.sqlite'}"
        if database == "postgresql":
            url, server = stack.enter_context(servers.postgresql())
            programs.append(server)
        dashboard = stack.enter_context(servers.dashboard(folder, port, url, code))
        programs.append(dashboard.program)
        watch = stack.enter_context(Watch(url))
        pages = stack.enter_context(fleet_pages.opened(dashboard.url, dashboard.one_time_password, chosen.pages))
        if pages.child is not None:
            programs.append(servers.Program("pages", pages.child.pid))
        fleet = Fleet(port, chosen.sites)
        trial = Trial(fleet, watch, dashboard, programs, pages)
        steps: list[Step] = []
        for nodes, events_per_minute in ramp(chosen):
            steps.append(await trial.step(nodes, events_per_minute, chosen.seconds, chosen.drain_seconds))
            print(table([steps[-1]], with_head=len(steps) == 1), flush=True)
            if ended_by(steps[-1], chosen.limit_seconds):
                break
        storm = await trial.storm(chosen.drain_seconds) if chosen.storm else None
        fleet.leave()
    reason = ended_by(steps[-1], chosen.limit_seconds) or "nothing ended: the ramp did"
    return {"database": database, "autosave": chosen.autosave, "ends": reason, "storm": storm,
            "steps": [step.figures() for step in steps]}  # fmt: skip


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, nargs="+", default=[100, 250, 500, 1000], help="steps of the ramp")
    parser.add_argument("--events-per-minute", type=float, default=6.0, help="of each node")
    parser.add_argument("--faster", type=float, nargs="*", default=[2, 4, 8, 16, 32], help="factors, at the last step")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each step")
    parser.add_argument("--drain-seconds", type=float, default=60.0, help="waited at most for what is not stored yet")
    parser.add_argument("--limit-seconds", type=float, default=5.0, help="p95 from event to store at which it ends")
    parser.add_argument("--sites", type=int, default=50, help="homes that the nodes belong to")
    parser.add_argument("--database", nargs="+", choices=("sqlite", "postgresql"), default=["sqlite", "postgresql"])
    parser.add_argument("--autosave", choices=tuple(servers.AUTOSAVE), default="seconds", help="when the broker saves")
    parser.add_argument("--code", type=Path, nargs="+", default=[ROOT], help="checkouts of the dashboard, in turns")
    parser.add_argument("--pages", type=int, default=0, help="floors that are open in somebody's browser")
    parser.add_argument("--no-storm", dest="storm", action="store_false", help="do not cut all lines")
    parser.add_argument("--json", type=Path, help="write all figures here, too")
    parser.add_argument("--quick", action="store_true", help="50 nodes, 15 seconds, SQLite: whether it works")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.nodes, chosen.faster, chosen.seconds, chosen.sites = [50], [], 15.0, 5
        chosen.events_per_minute, chosen.database = 12.0, ["sqlite"]
    return chosen


def main() -> None:
    """Print a table, a line on where it ends, and one JSON object."""
    chosen = _arguments()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = max(chosen.nodes) + 200
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise SystemExit(f"{needed} files must be open at once and {hard} may be: raise `ulimit -Hn`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    found = []
    for database in chosen.database:
        for code in chosen.code:
            result = asyncio.run(measured(chosen, database, code.resolve()))
            found.append(result | {"code": code.name})
            if chosen.json is not None:
                chosen.json.write_text(json.dumps(found, indent=1) + "\n")
            print(
                f"\n{database}: {result['ends']}\nreconnect of all at once: {json.dumps(result['storm'])}\n", flush=True
            )
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
