"""The `hourpost` command: everything at once, each part by itself, and the operator's desk.

What a command does belongs to the nouns, the flow and the parts; here are its words, its help and its output.
"""

from __future__ import annotations

import importlib
import inspect
import re
from difflib import get_close_matches
from importlib.metadata import version
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from hourpost.cli.failing import fail
from hourpost.errors import HourpostError
from hourpost.settings import EnvFileUnreadable, SecretFileUnusable

# Each command is imported when it is asked for, so that a part starts without the others' libraries.
_COMMANDS = {
    "up": "hourpost.cli.up",
    "web": "hourpost.cli.web",
    "worker": "hourpost.cli.worker",
    "scheduler": "hourpost.cli.scheduler",
    "smtp": "hourpost.cli.smtp",
    "imap": "hourpost.cli.imap",
    "pop3": "hourpost.cli.pop3",
    "migrate": "hourpost.cli.migrate",
    "settings": "hourpost.cli.show_settings",
    "doctor": "hourpost.cli.doctor",
    "health": "hourpost.cli.health",
    "account": "hourpost.cli.account",
    "key": "hourpost.cli.key",
    "smtp-credential": "hourpost.cli.smtp_credential",
    "domain": "hourpost.cli.domain",
    "mailbox": "hourpost.cli.mailbox",
    "webhook": "hourpost.cli.webhook",
    "inbound-route": "hourpost.cli.inbound_route",
    "send": "hourpost.cli.send",
    "queue": "hourpost.cli.queue",
    "limit": "hourpost.cli.limit",
    "stripe": "hourpost.cli.stripe",
}

_EXAMPLE = re.compile(r"(?<=\.)\s+Example: ")


def _set_lines(command: Any) -> None:
    """Let help break where the terminal ends and not where our source does, with each example on a line of its own."""
    paragraphs = _EXAMPLE.sub("\n\nExample: ", inspect.cleandoc(command.help or "")).split("\n\n")
    command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    for below in getattr(command, "commands", {}).values():
        _set_lines(below)


class _LazyGroup(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _COMMANDS:
            return None
        command = typer.main.get_command(importlib.import_module(_COMMANDS[cmd_name]).app)
        command.name = cmd_name
        _set_lines(command)
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is meant; of one that there is not, what may have been meant."""
        if args and args[0] not in _COMMANDS and (near := get_close_matches(args[0], _COMMANDS)):
            ctx.fail(f"No such command '{args[0]}'. Did you mean {' or '.join(near)}?")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; what keeps it from its work is told in a few lines.

        Settings that cannot be are named, all of them, without what was given: it may be secret.
        """
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise
        except HourpostError as error:
            fail(error)
        except (EnvFileUnreadable, SecretFileUnusable) as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from None
        except ValidationError as error:
            if error.title != "Settings":
                raise
            for one in error.errors():
                name = ".".join(str(step) for step in one["loc"]).upper()
                typer.echo(f"error: HOURPOST_{name}: {_in_words(one)}", err=True)
            raise typer.Exit(2) from None


def _in_words(fault: Any) -> str:
    """What pydantic found, without what was given."""
    limits = fault.get("ctx", {})
    words = {
        "int_parsing": "a whole number is wanted",
        "float_parsing": "a number is wanted",
        "bool_parsing": "true or false is wanted",
        "greater_than_equal": f"{limits.get('ge')} or more is wanted",
        "greater_than": f"more than {limits.get('gt', 0):g} is wanted",
        "less_than_equal": f"{limits.get('le')} or less is wanted",
        "string_pattern_mismatch": f"one of {', '.join(str(limits.get('pattern')).strip('^($)').split('|'))} is wanted",
    }
    return words.get(fault["type"], str(fault["msg"]).removeprefix("Value error, "))


main = typer.Typer(
    name="hourpost",
    cls=_LazyGroup,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Hourpost sends email by REST and SMTP, each account held to its plan's hour, and keeps mailboxes.\n\n"
    "Start with `hourpost up`; `hourpost COMMAND --help` explains each command.",
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hourpost {version('hourpost')}")
        raise typer.Exit


@main.callback()
def _main(
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Hourpost sends email by REST and SMTP, each account held to its plan's hour, and keeps mailboxes."""
