"""The options of `hourpost send`, each with its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hourpost.rules.labels import MAX_TAGS
from hourpost.rules.submission import MAX_RECIPIENTS, OnLimit

_WHO, _WHAT, _LABELS, _WHEN = "Who", "What", "Labels and headers", "When"
_MOMENT = "ISO 8601 with a time zone, or 'in 2 hours', 'tomorrow at 9am' (UTC)"

Sender = Annotated[
    str, typer.Option("--from", metavar="ADDRESS", help="The sender, of a verified domain.", rich_help_panel=_WHO)
]
To = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ADDRESS",
        help=f"A recipient; may be repeated: all of them in one email, {MAX_RECIPIENTS} at most with --cc and --bcc.",
        rich_help_panel=_WHO,
    ),
]
ToEach = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Recipients, one in a line: an email of its own for each.", rich_help_panel=_WHO),
]
Cc = Annotated[
    list[str] | None,
    typer.Option(metavar="ADDRESS", help="Who gets a copy, as all can see; may be repeated.", rich_help_panel=_WHO),
]
Bcc = Annotated[
    list[str] | None,
    typer.Option(metavar="ADDRESS", help="Who gets a copy that nobody sees; may be repeated.", rich_help_panel=_WHO),
]
ReplyTo = Annotated[
    list[str] | None,
    typer.Option(metavar="ADDRESS", help="Where answers are to go; may be repeated.", rich_help_panel=_WHO),
]
Subject = Annotated[str, typer.Option(help="The subject.", rich_help_panel=_WHAT)]
Text = Annotated[str | None, typer.Option(help="The text; - reads it from standard input.", rich_help_panel=_WHAT)]
Html = Annotated[Path | None, typer.Option(metavar="FILE", help="The HTML part.", rich_help_panel=_WHAT)]
Attach = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="An attachment; may be repeated.", rich_help_panel=_WHAT),
]
Header = Annotated[
    list[str] | None,
    typer.Option(
        metavar="'NAME: VALUE'",
        help="A header of your own, such as 'X-Entity: 7'; may be repeated.",
        rich_help_panel=_LABELS,
    ),
]
Tag = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help=f"A label to find it by, which events carry too; may be repeated, {MAX_TAGS} at most.",
        rich_help_panel=_LABELS,
    ),
]
Metadata = Annotated[
    str | None,
    typer.Option(
        metavar="JSON", help="Yours, kept and given back, never sent: '{\"order\": 7}'.", rich_help_panel=_LABELS
    ),
]
ScheduledAt = Annotated[
    str | None,
    typer.Option(metavar="MOMENT", help=f"Send it then and not before: {_MOMENT}.", rich_help_panel=_WHEN),
]
ExpiresAt = Annotated[
    str | None,
    typer.Option(metavar="MOMENT", help="What has not left by then never does.", rich_help_panel=_WHEN),
]
WhenFull = Annotated[
    OnLimit | None,
    typer.Option(
        "--on-limit",
        help="Where the hour is full: queue holds it until there is room (the default), reject refuses it.",
        rich_help_panel=_WHEN,
    ),
]
IdempotencyKey = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        help="Repeat the command with the same key within 24 hours, and nothing is sent twice; without one each run"
        " has its own.",
        rich_help_panel=_WHEN,
    ),
]
KeyStdin = Annotated[bool, typer.Option("--key-stdin", help="Read the API key from standard input.")]
