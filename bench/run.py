"""``make bench``: drives the real system from outside and prints what it reached, with Postfix beside it.

make bench                                  everything, in under 15 minutes
make bench CASES="single batch"             some cases
python -m bench single smtp --rounds 3      some cases, with more turns of the peer
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.cases import ALONE, FINDS, IN_ROUNDS, LIMIT, ONCE, Bench, Case
from bench.ending import unwind_on_sigterm
from bench.expectations import EXPECTATIONS, Finding
from bench.far_end import FarEnd
from bench.instance import Instance
from bench.letters import Singles
from bench.measure import Stage, fresh_run
from bench.peer import Postfix, is_installed
from bench.prefill import unsign
from bench.report import print_findings, wide_console, write_down

# Of each worker process to the relay, and how many such processes: 200 in all to the one far away.
_BY_MANY_CONNECTIONS = {"rtt50": (100, 2), "slow200": (300, 1)}


def arguments() -> argparse.Namespace:
    """The command line."""
    names = [*ALONE, *IN_ROUNDS, *ONCE]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"some of: {' '.join(names)}")
    parser.add_argument("--rounds", type=int, default=2, help="how often cases with a peer take turns with it")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each load is driven")
    parser.add_argument("--no-peer", action="store_true", help="leave Postfix out")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    given = parser.parse_args()
    given.cases = given.cases or os.environ.get("CASES", "").split() or names
    unknown = set(given.cases) - set(names)
    if unknown:
        parser.error(f"unknown: {' '.join(sorted(unknown))}; there are {' '.join(names)}")
    return given


def main() -> int:
    """Set up, run the cases, report; 1 when mail was lost or a figure is below what it must be."""
    unwind_on_sigterm()
    given, console = arguments(), wide_console()
    folder = Path(tempfile.mkdtemp(prefix="hourpost-bench-"))
    folder.chmod(0o755)  # the servers work as other users
    for name in ("sink", "home", "postfix"):
        (folder / name).mkdir()
    try:
        findings, peer = uvloop.run(_run(given, folder, console))
    finally:
        if given.keep:
            console.print(f"Logs and data are in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print_findings(console, findings, peer)
    console.print(f"Written to {write_down(findings, peer, given.seconds)}")
    return int(any(finding.verdict in ("below", "lost") for finding in findings))


async def _run(given: argparse.Namespace, folder: Path, console: Console) -> tuple[list[Finding], str]:
    columns = (TextColumn("{task.description:40}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with ExitStack() as stack, Progress(*columns, console=console, refresh_per_second=2) as progress:
        bench = await _set_up(given, folder, stack, console)
        steps = _steps(given)
        task = progress.add_task("", total=len(steps))
        for name, case in steps:
            progress.update(task, description=name)
            if name in _BY_MANY_CONNECTIONS:
                await _relay_over_many_connections(bench, *_BY_MANY_CONNECTIONS[name])
            try:
                await case(bench)
            except Exception as error:  # the others are still worth their time
                console.print_exception(max_frames=2)
                for finding in FINDS.get(name, (name,)):
                    bench.findings[finding].faults.append(f"not measured: {error!r}")
            progress.advance(task)
    peer = "Postfix relays with AUTH under TLS to the same sink, 8 sessions in and 8 out"
    return list(bench.findings.values()), peer if bench.peer else "Postfix: not installed here, or left out"


def _steps(given: argparse.Namespace) -> list[tuple[str, Case]]:
    steps = [(name, case) for name, case in ALONE.items() if name in given.cases]
    for number in range(given.rounds):
        chosen = [(name, case) for name, case in IN_ROUNDS.items() if name in given.cases]
        steps += [("Postfix", _new_round), *chosen] if chosen and number else chosen
    return steps + [(name, case) for name, case in ONCE.items() if name in given.cases]


async def _new_round(bench: Bench) -> None:
    bench.peer_rates.clear()


async def _set_up(given: argparse.Namespace, folder: Path, stack: ExitStack, console: Console) -> Bench:
    far_end = FarEnd(folder / "sink")
    far_end.start()
    stack.callback(far_end.stop)
    instance = Instance(folder / "home", far_end.relay_url())
    stack.callback(instance.stop)
    console.print(f"First start: ready after {await asyncio.to_thread(instance.start):.1f} s")
    _, plain = await asyncio.to_thread(instance.enroll, "plain", LIMIT)
    _, signed = await asyncio.to_thread(instance.enroll, "signed", LIMIT)
    await unsign(instance.database_url, "plain.test")
    wanted = [name for case in given.cases for name in FINDS.get(case, (case,))]
    findings = {one.name: Finding(one) for one in EXPECTATIONS if one.name in wanted}
    bench = Bench(instance, far_end, given.seconds, findings, plain, signed)
    if is_installed() and not given.no_peer and set(given.cases) & set(IN_ROUNDS):
        bench.peer = Postfix(folder / "postfix", far_end)
        bench.peer.start()
        stack.callback(bench.peer.stop)
    if set(given.cases) - set(ALONE):
        await _warm_up(bench)
    return bench


async def _warm_up(bench: Bench) -> None:
    stage = Stage(bench.instance, bench.far_end, 2.0)
    for sender in (bench.plain, bench.signed):
        measured = await stage.http(Singles([sender], 2048, fresh_run()))
        if measured.fault:
            raise RuntimeError(f"the warm-up failed: {measured.fault}\n{bench.instance.log_end()}")


async def _relay_over_many_connections(bench: Bench, connections: int, workers: int) -> None:
    await asyncio.to_thread(bench.instance.stop)
    bench.instance.relays = bench.far_end.relay_url(connections)
    bench.instance.settings["WORKERS"] = str(workers)
    await asyncio.to_thread(bench.instance.start)


if __name__ == "__main__":
    sys.exit(main())
