"""`hourpost settings`: every setting, its default and its present value."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from rich.console import Console
from rich.table import Column, Table

from hourpost.cli.output import PIPE_WIDTH
from hourpost.settings import Settings, is_secret, list_unknown_variables, load_settings

app = typer.Typer(add_completion=False)


@app.command("settings")
def show(as_json: Annotated[bool, typer.Option("--json", help="Print an object.")] = False) -> None:
    """List every setting: its environment variable, its default, its value now, what it means.

    Secrets show as ****. Values come from the environment, else from the file `.env`; a secret may also be the content
    of a file, without its last line end, that the variable with _FILE behind its name names.
    """
    settings = load_settings()
    for unknown in list_unknown_variables():
        typer.echo(f"warning: {unknown}", err=True)
    rows = [
        (
            f"HOURPOST_{name.upper()}",
            _text(field.get_default()),
            _text(getattr(settings, name)),
            _meaning(name, field),
        )
        for name, field in Settings.model_fields.items()
    ]
    if as_json:
        keys = ("variable", "default", "value", "meaning")
        typer.echo(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=1))
        return
    table = Table(Column("Variable", no_wrap=True), "Default", "Now", "Meaning")
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)


def _meaning(name: str, field: FieldInfo) -> str:
    words = field.description or ""
    return f"{words} Or in the file that HOURPOST_{name.upper()}_FILE names." if is_secret(field) else words


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return "****" if value.get_secret_value() else ""
    return "" if value is None else str(value)
