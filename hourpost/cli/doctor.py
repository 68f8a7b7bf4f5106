"""``hourpost doctor``: is everything there that mail needs, and what to do where it is not."""

from __future__ import annotations

import asyncio
from typing import Any

import typer

from hourpost.cli.check import Check, Level
from hourpost.cli.checks import list_checks
from hourpost.cli.failing import fail
from hourpost.cli.output import AsJson, print_object
from hourpost.cli.running import running_settings
from hourpost.errors import HourpostError

app = typer.Typer(add_completion=False)

_MARKS = {
    Level.OK: typer.style("ok     ", fg="green"),
    Level.WARNING: typer.style("warning", fg="yellow"),
    Level.FAILED: typer.style("FAILED ", fg="red", bold=True),
}


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check database, Redis, relays, TLS, DNS and clocks; exits with 1 when something is wrong.

    Example: hourpost doctor --json
    """
    try:
        checks = asyncio.run(list_checks(running_settings()))
    except HourpostError as error:
        fail(error)
    is_well = all(check.level is not Level.FAILED for check in checks)
    if as_json:
        print_object({"object": "doctor", "ok": is_well, "checks": [_shape(check) for check in checks]}, as_json=True)
    else:
        for check in checks:
            _tell(check)
    if not is_well:
        raise typer.Exit(1)


def _tell(check: Check) -> None:
    typer.echo(f"{_MARKS[check.level]}  {check.name:<12}  {check.text}")
    if check.advice:
        typer.echo(f"{'':<23}→ {check.advice}")


def _shape(check: Check) -> dict[str, Any]:
    return {"name": check.name, "status": check.level.value, "text": check.text, "advice": check.advice}
