"""What commands print: an object or a table for people, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hourpost.pages import MAX_LIMIT, Cursor, Page

PIPE_WIDTH = 1000  # nothing is folded that another program reads

T = TypeVar("T")
Shape = Mapping[str, Any]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
OfAccount = Annotated[str, typer.Option("--account", metavar="ACCOUNT", help="Its id (acc_…), name or email address.")]


def print_object(shape: Shape, *, as_json: bool) -> None:
    """One object: a line for each field that has a value, or JSON."""
    if as_json:
        _print_json(shape)
        return
    width = max((len(name) for name in shape), default=0)
    for name, value in shape.items():
        if name != "object" and value is not None and _fits_a_line(value):
            typer.echo(f"{name.replace('_', ' '):<{width}}  {_cell(value)}")


def print_list(shapes: Sequence[Shape], columns: Sequence[str], *, as_json: bool, empty: str) -> None:
    """Many objects: a table of ``columns``, or JSON with everything; ``empty`` is what to do when there are none."""
    if as_json:
        _print_json({"object": "list", "has_more": False, "data": list(shapes)})
    elif not shapes:
        typer.echo(empty, err=True)
    else:
        print_table(shapes, columns)


def print_table(shapes: Sequence[Shape], columns: Sequence[str]) -> None:
    """A table that a person reads; wide values are folded and never cut."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for shape in shapes:
        table.add_row(*(Text(_cell(shape.get(column))) for column in columns))
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)


async def read_all(read: Callable[[Cursor], Awaitable[Page[T]]], key: Callable[[T], UUID]) -> list[T]:
    """Every page of a list, one after the other."""
    page = await read(Cursor(MAX_LIMIT))
    found = page.data
    while page.has_more:
        page = await read(Cursor(MAX_LIMIT, after=key(found[-1])))
        found += page.data
    return found


def _fits_a_line(value: object) -> bool:
    """Whether a person reads it in one: lists of words do, of objects they do not, and an empty one says nothing."""
    return not isinstance(value, list) or (value != [] and all(isinstance(one, str) for one in value))


def _print_json(shape: Shape) -> None:
    typer.echo(orjson.dumps(shape, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return str(value)
