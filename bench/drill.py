"""``make drill``: 20,000 emails from two accounts while one part after the other is killed with ``kill -9``.

python -m bench.drill           the whole drill
python -m bench.drill --short   1,500 emails, under a minute
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from uuid import UUID

import asyncpg
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.drill_client import Client, units
from bench.drill_faults import FAULTS, SHORTAGES, Scene
from bench.drill_inbound import MAILBOXES, Visitors
from bench.drill_judge import Judgement, busiest_hour, count_waiting, judge
from bench.drill_reader import PASSWORD, Reader
from bench.ending import unwind_on_sigterm
from bench.far_end import FarEnd
from bench.inbound_load import add_mailboxes
from bench.instance import Instance
from bench.letters import Sender
from bench.measure import fresh_run
from bench.prefill import add_accounts
from hourpost.rules.ids import to_text

AMPLE = 10_000_000
_SMALL_SHARE = 0.3
_INBOUND_SHARE = 0.2  # so many come in by port 25 beside them
# A temporary answer waits for minutes and a lost one for ten; the drill is about what happens, not about the wait.
_HURRY = "UPDATE deliveries SET due_at = now() WHERE account_id = ANY($1) AND state = 'deferred' AND due_at > now()"


@dataclass(frozen=True, slots=True)
class Plan:
    """How long the drill is. ``small_limit`` is the hour of the account that sends more than that."""

    emails: int = 20_000
    rate: float = 220.0
    fault_every_seconds: float = 5.0
    cycles: int = 2
    small_limit: int = 2_500
    patience_seconds: float = 180.0
    has_shortages: bool = True


SHORT = Plan(
    emails=1_500,
    rate=75.0,
    fault_every_seconds=2.0,
    cycles=1,
    small_limit=200,
    patience_seconds=120.0,
    has_shortages=False,
)


@dataclass(slots=True)
class Drill:
    """One drill in ``folder``."""

    plan: Plan
    folder: Path
    progress: Callable[[int], None] = lambda _: None
    told: list[tuple[str, str]] = field(default_factory=list)  # faults, and what was done

    async def run(self) -> Judgement:
        """Start everything, send and break, wait for the end, compare. Raises: RuntimeError."""
        with ExitStack() as stack:
            (self.folder / "sink").mkdir()
            far_end = FarEnd(self.folder / "sink", is_journaling=True)
            far_end.start()
            stack.callback(far_end.stop)
            await far_end.ask("delay 20")  # so that at any moment some deliveries are in the middle of DATA
            settings = {"LEASE_SECONDS": "6", "SWEEP_SECONDS": "2"}
            (self.folder / "home").mkdir()
            instance = Instance(self.folder / "home", far_end.relay_url(), settings)
            stack.callback(instance.stop)
            await asyncio.to_thread(instance.start)
            return await self._send_and_break(Scene(instance, far_end))

    async def _send_and_break(self, scene: Scene) -> Judgement:
        url = scene.instance.database_url
        ample, small = (await add_accounts(url, 1, AMPLE))[0], (await add_accounts(url, 1, self.plan.small_limit))[0]
        accounts = [await _account_of(url, sender) for sender in (ample, small)]
        ends_at = time.monotonic() + self.plan.emails / self.plan.rate + self.plan.patience_seconds
        ports = scene.instance.ports
        client = Client(ports["HTTP"], ports["SUBMISSIONS"], self.plan.rate, ends_at)
        wanted = units([(ample, 1 - _SMALL_SHARE), (small, _SMALL_SHARE)], self.plan.emails, fresh_run())
        boxes = await add_mailboxes(url, ample.address.partition("@")[2], MAILBOXES, PASSWORD)
        reader = Reader(ports["IMAPS"], boxes[0])
        count, rate = int(self.plan.emails * _INBOUND_SHARE), self.plan.rate * _INBOUND_SHARE
        visitors = Visitors(ports["SMTP"], url, boxes, count, rate, ends_at)
        with reader:
            async with asyncio.TaskGroup() as group:
                group.create_task(client.run(wanted, self.progress))
                group.create_task(visitors.run())
                group.create_task(self._break(scene))
        busiest = await _patiently(lambda: busiest_hour(url, accounts[1]))
        await self._raise_limit(scene, accounts)
        await self._wait_for_the_end(url, accounts)
        judgement = await judge(url, accounts, client.ledger, scene.far_end.journal)
        await visitors.judge(judgement)
        judgement.uid_faults += judgement.blame("seen by IMAP", len(reader.faults), example=reader.faults[:1])
        self.told.append(("IMAP client", f"{len(reader.seen)} messages seen, logged in {reader.log_ins} times"))
        judgement.over_the_hour = max(0, busiest - self.plan.small_limit)
        self.told.append(("small account", f"{busiest} released within the hour, {self.plan.small_limit} allowed"))
        self.told.append(("client", f"{client.ledger.repeats} submissions repeated"))
        judgement.examples += client.ledger.refusals[:5]
        return judgement

    async def _break(self, scene: Scene) -> None:
        for name, act in FAULTS * self.plan.cycles + (SHORTAGES if self.plan.has_shortages else ()):
            await asyncio.sleep(self.plan.fault_every_seconds)
            self.told.append((name, await act(scene)))

    async def _raise_limit(self, scene: Scene, accounts: list[UUID]) -> None:
        words = ("account", "plan", "--account", to_text("acc", accounts[1]), "--set", "skilled", "--limit", str(AMPLE))
        await asyncio.to_thread(scene.instance.call, *words)

    async def _wait_for_the_end(self, url: str, accounts: list[UUID]) -> None:
        ends_at = time.monotonic() + self.plan.patience_seconds
        while time.monotonic() < ends_at:
            with suppress(OSError, asyncpg.PostgresError):
                connection = await asyncpg.connect(url)
                await connection.execute(_HURRY, accounts)
                await connection.close()
                if not await count_waiting(url, accounts):
                    return
            await asyncio.sleep(0.5)


async def _account_of(url: str, sender: Sender) -> UUID:
    connection = await asyncpg.connect(url)
    try:
        domain = sender.address.partition("@")[2]
        account: UUID = await connection.fetchval("SELECT account_id FROM domains WHERE name = $1", domain)
    finally:
        await connection.close()
    return account


async def _patiently(ask: Callable[[], Awaitable[int]]) -> int:
    """Ask until PostgreSQL, which may have been killed a moment ago, answers. Raises: OSError, PostgresError."""
    for _ in range(60):
        with suppress(OSError, asyncpg.PostgresError):
            return await ask()
        await asyncio.sleep(0.25)
    return await ask()


def run_drill(plan: Plan, folder: Path, progress: Callable[[int], None] = lambda _: None) -> tuple[Judgement, Drill]:
    """One drill in a fresh ``folder`` that other users may enter; also gives what was done."""
    drill = Drill(plan, folder, progress)
    return uvloop.run(drill.run()), drill


def main() -> int:
    """Run, print; 1 when anything happened that must not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="1,500 emails, under a minute")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    unwind_on_sigterm()
    given, console = parser.parse_args(), Console()
    plan = SHORT if given.short else Plan()
    folder = Path(tempfile.mkdtemp(prefix="hourpost-drill-"))
    folder.chmod(0o755)  # the servers work as other users
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console, refresh_per_second=2) as progress:
            task = progress.add_task("emails submitted", total=plan.emails)
            judgement, drill = run_drill(plan, folder, lambda emails: progress.advance(task, emails))
    finally:
        if given.keep:
            console.print(f"Logs and data are in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    _print(console, judgement, drill)
    return int(not judgement.is_clean)


def _print(console: Console, judgement: Judgement, drill: Drill) -> None:
    faults = Table(title="What was done", title_justify="left")
    faults.add_column("fault")
    faults.add_column("what")
    for name, what in drill.told:
        faults.add_row(name, what)
    table = Table(title="What came of it", title_justify="left")
    table.add_column("emails")
    table.add_column("count", justify="right")
    table.add_column("allowed")
    free = ("accepted", "delivered", "refused", "twice_in_data", "came_in")
    for name, count in asdict(judgement).items():
        if name != "examples":
            style = "" if name in free or not count else "bold red"
            table.add_row(name.replace("_", " "), f"[{style}]{count:,}[/]" if style else f"{count:,}", _ALLOWED[name])
    console.print(faults, table)
    for example in judgement.examples:
        console.print(f"  {example}", highlight=False)
    console.print("[bold green]clean[/]" if judgement.is_clean else "[bold red]not clean[/]")


_ALLOWED = {
    "accepted": "202 or 250 was seen",
    "delivered": "at the sink",
    "refused": "bounced by a permanent answer of the sink",
    "twice_in_data": "in DATA at a kill: the answer was lost",
    "came_in": "by port 25, 250 was seen",
    **dict.fromkeys(("lost", "stuck", "given_up", "ghosts", "altered", "accepted_twice", "twice"), "none"),
    **dict.fromkeys(("over_the_hour", "unstored", "uid_faults"), "none"),
}


if __name__ == "__main__":
    sys.exit(main())
