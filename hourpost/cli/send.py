"""``hourpost send``: emails through the REST API, as any client sends them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hourpost.cli import send_options as options
from hourpost.cli.desk import read_secret
from hourpost.cli.drafting import Draft, Options, decode
from hourpost.cli.failing import fail
from hourpost.cli.output import AsJson, print_object
from hourpost.cli.posting import Poster
from hourpost.embedded.instance import instance_settings
from hourpost.errors import Fault, HourpostError, Refused
from hourpost.rules.addresses import AddressError, parse_address
from hourpost.settings import Settings

app = typer.Typer(add_completion=False)


@app.command()
def send(  # noqa: PLR0913, PLR0917  # one for each option, as Typer wants it
    from_: options.Sender = "",
    to: options.To = None,
    to_each: options.ToEach = None,
    cc: options.Cc = None,
    bcc: options.Bcc = None,
    reply_to: options.ReplyTo = None,
    subject: options.Subject = "",
    text: options.Text = None,
    html: options.Html = None,
    attach: options.Attach = None,
    header: options.Header = None,
    tag: options.Tag = None,
    metadata: options.Metadata = None,
    scheduled_at: options.ScheduledAt = None,
    expires_at: options.ExpiresAt = None,
    on_limit: options.WhenFull = None,
    idempotency_key: options.IdempotencyKey = None,
    key_stdin: options.KeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Send an email, or one to each of many, through the API.

    The API key comes from HOURPOST_API_KEY or standard input, never from the command line, where others can read it.

    Example: hourpost send --from hello@acme.test --to anna@example.net --subject Hi --text Hello < key.txt

    Example: hourpost send --from hello@acme.test --to-each list.txt --subject News --html news.html --tag kind=news
    --scheduled-at 'tomorrow at 9am' --idempotency-key news-7
    """
    said = Options(
        sender=from_,
        subject=subject,
        text=text,
        html=html,
        attach=attach or (),
        cc=cc or (),
        bcc=bcc or (),
        reply_to=reply_to or (),
        headers=header or (),
        tags=tag or (),
        metadata=metadata,
        scheduled_at=scheduled_at,
        expires_at=expires_at,
        on_limit=on_limit,
    )
    _send(said, to or [], to_each, _Way(key_stdin, idempotency_key, as_json))


@dataclass(frozen=True, slots=True)
class _Way:
    """How to go about it."""

    key_stdin: bool
    idempotency_key: str | None
    as_json: bool


def _send(said: Options, to: list[str], to_each: Path | None, way: _Way) -> None:
    """Post it, or say what is in the way. Raises: typer.Exit."""
    try:
        _post(said, to, to_each, way)
    except HourpostError as error:
        fail(error)
    except OSError as error:
        fail(Refused(f"{error.filename}: {error.strerror}"))


def _post(said: Options, to: list[str], to_each: Path | None, way: _Way) -> None:
    """Raises: HourpostError, OSError."""
    settings = instance_settings()
    draft = Draft.read(said)
    recipients, faults = _recipients(to, to_each)
    draft.require(faults)
    with Poster(settings.public_url, _key(settings, way.key_stdin, said.text == "-")) as poster:
        if to_each is None:
            answer = poster.post(draft.to(recipients), way.idempotency_key)
            print_object(answer if way.as_json else _outline(answer), as_json=way.as_json)
        else:
            _send_many(poster, draft, recipients, way)


def _send_many(poster: Poster, draft: Draft, recipients: list[str], way: _Way) -> None:
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
            for number, batch in enumerate(draft.batches(recipients), 1):
                answers += poster.post_batch(batch, f"{way.idempotency_key}-{number}" if way.idempotency_key else None)
                bar.advance(task, len(batch))
    except HourpostError:
        if answers:
            typer.echo(f"accepted: {len(answers)}, up to {recipients[len(answers) - 1]}; then:", err=True)
        raise
    if way.as_json:
        print_object({"object": "list", "has_more": False, "data": answers}, as_json=True)
    else:
        typer.echo(f"{len(answers)} {'email' if len(answers) == 1 else 'emails'} accepted")


def _recipients(to: list[str], file: Path | None) -> tuple[list[str], list[Fault]]:
    """The recipients, and what is wrong with them. Raises: OSError, Refused."""
    if file is None:
        return to, [] if to else [Fault("/to", "give a recipient with --to")]
    if to:
        return to, [Fault("/to", "give --to or --to-each, not both")]
    text = decode(file.read_bytes(), str(file))
    lines = {number: line.strip() for number, line in enumerate(text.splitlines(), 1) if line.strip()}
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
