"""What a run prints and writes down."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.expectations import Finding, Kind

_RESULTS = Path(__file__).resolve().parent / "results"
_STYLES = {"aim": "bold green", "must": "green", "below": "bold red", "lost": "bold red"}


def wide_console() -> Console:
    """A console whose tables keep their lines whole where no terminal says how wide it is."""
    return Console() if sys.stdout.isatty() else Console(width=132)


def print_findings(console: Console, findings: Iterable[Finding], peer: str) -> None:
    """The table: the figure, the peer's in the same run, what must be and what is aimed at."""
    caption = f"{peer}; Python {platform.python_version()}"
    table = Table(title="Hourpost, end to end; 2 KB unless said; nothing lost", caption=caption, title_justify="left")
    for name in ("case", "figure", "peer", "ratio", "must", "aim", "verdict"):
        table.add_column(name, justify="left" if name in ("case", "verdict") else "right")
    for finding in findings:
        wanted = finding.expectation
        verdict = finding.verdict
        table.add_row(
            wanted.title,
            _number(finding.value, wanted.unit),
            _number(sum(finding.peer) / len(finding.peer) if finding.peer else None, wanted.unit),
            _number(finding.ratio, "x") if wanted.kind is Kind.RATIO else "",
            _number(wanted.must, "x" if wanted.kind is Kind.RATIO else wanted.unit),
            _number(wanted.aim, "x" if wanted.kind is Kind.RATIO else wanted.unit),
            f"[{_STYLES.get(verdict, 'dim')}]{verdict}[/]",
        )
    console.print(table)
    for finding in findings:
        for line in finding.faults + finding.notes:
            console.print(f"  [dim]{finding.expectation.name}:[/] {line}", highlight=False)


def write_down(findings: Iterable[Finding], peer: str, seconds: float) -> Path:
    """The same as JSON in ``bench/results/``; gives the file."""
    _RESULTS.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    told = {
        "at": now.isoformat(),
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "peer": peer,
        "seconds_each": seconds,
        "findings": [_told(finding) for finding in findings],
    }
    path = _RESULTS / f"{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(told, indent=1) + "\n")
    return path


def _told(finding: Finding) -> dict[str, object]:
    wanted = asdict(finding.expectation) | {"kind": finding.expectation.kind.value}
    found = {
        name: getattr(finding, name) for name in ("values", "peer", "faults", "notes", "value", "ratio", "verdict")
    }
    return wanted | found


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    if unit in ("x", "s"):
        return f"{value:,.2f} {unit.replace('x', '×')}"
    return f"{value:,.{0 if value >= 100 else 1}f} {unit}"
