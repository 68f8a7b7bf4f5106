"""What `hourpost up` says when it is ready: where everything is, and how to send the first email."""

from __future__ import annotations

import shlex
import sys

from rich.console import Console
from rich.table import Table

from hourpost.embedded.first_steps_file import FirstSteps
from hourpost.gateways.relays import parse_relays
from hourpost.settings import Settings


def welcome(console: Console, settings: Settings, steps: FirstSteps, seconds: float) -> None:
    """Print one table, and commands that work when pasted."""
    console.print(_table(settings, steps, seconds))
    console.print("Send an email by HTTP:\n", style="bold")
    console.out(_curl(settings, steps), highlight=False)
    console.print("\nor by SMTP, with swaks:\n", style="bold")
    console.out(_swaks(settings, steps), highlight=False)
    console.print("\nor by SMTP, with Python:\n", style="bold")
    console.out(_smtplib(settings, steps), highlight=False)
    if settings.captured_in:
        console.print(f"\nMail is captured, not delivered: see {settings.captured_in.resolve()}", highlight=False)
        console.print(
            "HOURPOST_RELAYS, a variable or a line in .env, names a relay of yours: see README.", highlight=False
        )
    else:
        console.print("\n`hourpost doctor` tries the relay, and says what to do where it fails.", highlight=False)
    console.print("Ctrl-C stops everything.\n", highlight=False)


def _table(settings: Settings, steps: FirstSteps, seconds: float) -> Table:
    host = settings.host
    table = Table(title=f"Hourpost is ready ({seconds:.1f} s)", show_header=False, title_style="bold")
    table.add_row("Dashboard", f"{settings.public_url}/login")
    table.add_row("REST API", f"{settings.public_url}/v1")
    table.add_row("Documentation", f"{settings.public_url}/docs")
    table.add_row(
        "SMTP submission", f"{host}:{settings.submission_port} STARTTLS, {host}:{settings.submissions_port} TLS"
    )
    table.add_row("SMTP inbound", f"{host}:{settings.smtp_port}")
    table.add_row("IMAP", f"{host}:{settings.imap_port} STARTTLS, {host}:{settings.imaps_port} TLS")
    table.add_row("POP3", f"{host}:{settings.pop3_port} STLS, {host}:{settings.pop3s_port} TLS")
    table.add_row("Relay", _relay(settings))
    table.add_row("Data", str(settings.home.resolve()))
    table.add_section()
    table.add_row("First login", f"{steps.email}   {steps.password}")
    table.add_row("First API key", steps.api_key)
    table.add_row("Test key", steps.test_key)
    table.add_row("SMTP credential", f"{steps.smtp_username}   {steps.smtp_password}")
    table.add_row("Verified domain", steps.domain)
    return table


def _relay(settings: Settings) -> str:
    if settings.captured_in:
        return f"the capture relay: mail is captured in {settings.captured_in}"
    return ", ".join(relay.name for relay in parse_relays(settings.relays.get_secret_value()))


def _curl(settings: Settings, steps: FirstSteps) -> str:
    body = (
        f'{{"from": "Acme <hello@{steps.domain}>", "to": "you@example.net", "subject": "Hello", "text": "It works."}}'
    )
    return (
        f"curl {settings.public_url}/v1/emails \\\n  -H 'Authorization: Bearer {steps.api_key}' \\\n"
        f"  -H 'Content-Type: application/json' \\\n  -d '{body}'"
    )


def _swaks(settings: Settings, steps: FirstSteps) -> str:
    return (
        f"swaks --server {settings.host}:{settings.submission_port} --tls --auth PLAIN \\\n"
        f"  --auth-user {steps.smtp_username} --auth-password {steps.smtp_password} \\\n"
        f"  --from hello@{steps.domain} --to you@example.net --h-Subject 'Hello by SMTP'"
    )


def _smtplib(settings: Settings, steps: FirstSteps) -> str:
    trust = f"cafile={str(settings.own_authority)!r}" if settings.own_authority else ""
    message = (
        f"From: hello@{steps.domain}\\r\\nTo: you@example.net\\r\\nSubject: Hello by SMTP\\r\\n\\r\\nIt works.\\r\\n"
    )
    return (
        f"{shlex.quote(sys.executable)} - <<'END'\n"
        "import smtplib, ssl\n"
        f"with smtplib.SMTP({settings.host!r}, {settings.submission_port}) as door:\n"
        f"    door.starttls(context=ssl.create_default_context({trust}))\n"
        f"    door.login({steps.smtp_username!r}, {steps.smtp_password!r})\n"
        f"    door.sendmail('hello@{steps.domain}', ['you@example.net'],\n"
        f"                  '{message}')\n"
        "END"
    )
