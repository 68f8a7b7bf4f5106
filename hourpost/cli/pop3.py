"""`hourpost pop3`: mailboxes for clients that fetch."""

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
def pop3() -> None:
    """Let people fetch their INBOX by POP3: under TLS (995) and with STLS (110).

    The ports are HOURPOST_POP3S_PORT and HOURPOST_POP3_PORT, the certificate is that of `hourpost smtp`. Start as many
    as you like, on as many machines. SIGTERM ends every session after the command that is under way; what was marked
    as deleted and not confirmed by QUIT stays.
    """
    settings = settings_with_servers()
    certificate = find_certificate(settings)
    refuse_faults(settings, of_ports("pop3", "pop3s"))
    configure_logging(settings, "pop3")
    serve_metrics(settings.host, metrics_port_of(settings, "pop3"))
    begin(settings, "pop3")
    # A door stands above the command line, which therefore calls it by its name
    run = importlib.import_module("api.pop3.entry").run
    run(settings, certificate, lambda: mark_ready(settings.home, "pop3"))
