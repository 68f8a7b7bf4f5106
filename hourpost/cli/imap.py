"""`hourpost imap`: the mailboxes' door."""

from __future__ import annotations

import importlib

import typer

from hourpost.cli.beginning import begin
from hourpost.cli.faults import of_ports, refuse_faults
from hourpost.cli.servers import settings_with_servers
from hourpost.cli.smtp import find_certificate
from hourpost.embedded.doors import metrics_port_of
from hourpost.embedded.readiness import mark_ready
from hourpost.gateways.metrics import serve_metrics
from hourpost.logging import configure_logging

app = typer.Typer(add_completion=False)


@app.command()
def imap() -> None:
    """Let people read their mailboxes by IMAP: under TLS (993) and with STARTTLS (143).

    The ports are HOURPOST_IMAPS_PORT and HOURPOST_IMAP_PORT, the certificate is that of `hourpost smtp`. Start as many
    as you like, on as many machines: each serves every mailbox. SIGTERM sends everybody away with BYE, after the
    command that is under way.
    """
    settings = settings_with_servers()
    certificate = find_certificate(settings)
    refuse_faults(settings, of_ports("imap", "imaps"))
    configure_logging(settings, "imap")
    serve_metrics(settings.host, metrics_port_of(settings, "imap"))
    begin(settings, "imap")
    # A door stands above the command line, which therefore calls it by its name
    run = importlib.import_module("api.imap.entry").run
    run(settings, certificate, lambda: mark_ready(settings.home, "imap"))
