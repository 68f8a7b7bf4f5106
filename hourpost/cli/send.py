"""``hourpost send``: emails through the REST API, as any client sends them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hourpost.cli.desk import fail, read_secret
from hourpost.cli.output import AsJson, print_object
from hourpost.cli.posting import Draft, Poster
from hourpost.embedded.instance import instance_settings
from hourpost.errors import Fault, HourpostError, Refused
from hourpost.rules.addresses import AddressError, parse_address
from hourpost.settings import Settings

app = typer.Typer(add_completion=False)


@app.command()
def send(  # noqa: PLR0913, PLR0917  # one for each option, as Typer wants it
    to: Annotated[
        list[str] | None, typer.Option(help="A recipient; may be repeated: all of them in one email.")
    ] = None,
    to_each: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Recipients, one in a line: an email of its own for each.")
    ] = None,
    from_: Annotated[str, typer.Option("--from", help="The sender, of a verified domain.")] = "",
    subject: Annotated[str, typer.Option(help="The subject.")] = "",
    text: Annotated[str | None, typer.Option(help="The text; - reads it from standard input.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="The HTML part.")] = None,
    attach: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="An attachment; may be repeated.")] = None,
    key_stdin: Annotated[bool, typer.Option("--key-stdin", help="Read the API key from standard input.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send an email, or one to each of many, through the API.

    The API key comes from HOURPOST_API_KEY or standard input, never from the command line, where others can read it.

    Example: hourpost send --from hello@acme.test --to anna@example.net --subject Hi --text Hello < key.txt
    """
    try:
        settings = instance_settings()
        draft = Draft.read(from_, subject, text, html, attach or [])
        recipients, faults = _recipients(to or [], to_each)
        draft.require(faults)
        with Poster(settings.public_url, _key(settings, key_stdin, text == "-")) as poster:
            if to_each is None:
                answer = poster.post(draft.to(recipients))
                print_object(answer if as_json else _outline(answer), as_json=as_json)
            else:
                _send_many(poster, draft, recipients, as_json)
    except HourpostError as error:
        fail(error)
    except OSError as error:
        fail(Refused(f"{error.filename}: {error.strerror}"))


def _send_many(poster: Poster, draft: Draft, recipients: list[str], as_json: bool) -> None:
    """In batches, with a bar on standard error where a person looks."""
    answers: list[dict[str, Any]] = []
    bar = Progress(
        TextColumn("sending"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )
    try:
        with bar:
            task = bar.add_task("sending", total=len(recipients))
            for batch in draft.batches(recipients):
                answers += poster.post_batch(batch)
                bar.advance(task, len(batch))
    except HourpostError:
        if answers:
            typer.echo(f"accepted: {len(answers)}, up to {recipients[len(answers) - 1]}; then:", err=True)
        raise
    if as_json:
        print_object({"object": "list", "has_more": False, "data": answers}, as_json=True)
    else:
        typer.echo(f"{len(answers)} emails accepted")


def _recipients(to: list[str], file: Path | None) -> tuple[list[str], list[Fault]]:
    """The recipients, and what is wrong with them. Raises: OSError."""
    if file is None:
        return to, [] if to else [Fault("/to", "give a recipient with --to")]
    if to:
        return to, [Fault("/to", "give --to or --to-each, not both")]
    lines = {number: line.strip() for number, line in enumerate(file.read_text().splitlines(), 1) if line.strip()}
    if not lines:
        return [], [Fault("/to-each", f"{file} has no recipients")]
    return list(lines.values()), [fault for number, line in lines.items() for fault in _faults_of(file, number, line)]


def _faults_of(file: Path, number: int, line: str) -> list[Fault]:
    """Before anything is posted, as what comes in batches would be sent up to the one with the fault."""
    try:
        parse_address(line)
    except AddressError as error:
        return [Fault("", f"{file}, line {number}: {error}")]
    return []


def _key(settings: Settings, key_stdin: bool, is_stdin_taken: bool) -> str:
    if settings.api_key is not None and not key_stdin:
        return settings.api_key.get_secret_value()
    if is_stdin_taken:
        raise Refused("standard input holds the text; put the API key into HOURPOST_API_KEY")
    try:
        return read_secret("API key")
    except Refused as nothing:
        raise Refused("no API key: put it into HOURPOST_API_KEY, or hand it over on standard input") from nothing


def _outline(answer: dict[str, Any]) -> dict[str, Any]:
    """What a person wants to know of the answer."""
    pacing = answer.get("pacing") or {}
    told = {name: answer.get(name) for name in ("id", "status", "message_id")}
    return told | {"held_by": pacing.get("held_by"), "leaves_at": pacing.get("estimated_send_at")}
