"""How a command ends that cannot do its work: in a few lines on standard error, never in a traceback."""

from __future__ import annotations

from typing import NoReturn

import typer

from hourpost.errors import HourpostError, ValidationFailed


def fail(error: HourpostError) -> NoReturn:
    """Tell every fault in a line of its own, and exit with 1."""
    if isinstance(error, ValidationFailed):
        for fault in error.faults:
            name = fault.pointer.strip("/")
            typer.echo(f"error: {name}: {fault.detail}" if name else f"error: {fault.detail}", err=True)
    else:
        typer.echo(f"error: {error.message}", err=True)
        if error.cause:
            typer.echo(f"       {error.cause}", err=True)
    raise typer.Exit(1)
