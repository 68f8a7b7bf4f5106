"""`hourpost smtp`: the mail door."""

from __future__ import annotations

import importlib
from pathlib import Path

import typer

from hourpost.cli.beginning import begin
from hourpost.cli.faults import of_certificate, of_home, of_ports, refuse_faults
from hourpost.cli.servers import settings_with_servers
from hourpost.embedded.certificate import find_or_make
from hourpost.embedded.doors import metrics_port_of
from hourpost.embedded.readiness import mark_ready
from hourpost.gateways.metrics import serve_metrics
from hourpost.logging import configure_logging
from hourpost.settings import Settings

app = typer.Typer(add_completion=False)


@app.command()
def smtp() -> None:
    """Take mail by SMTP: submission with STARTTLS (587) and under TLS (465), and mail for mailboxes (25).

    The ports are HOURPOST_SUBMISSION_PORT, HOURPOST_SUBMISSIONS_PORT and HOURPOST_SMTP_PORT. The certificate is that
    of HOURPOST_TLS_CERTIFICATE and HOURPOST_TLS_KEY, or a self-signed one in HOURPOST_HOME. Start as many as you
    like, on as many machines. SIGTERM sends idle sessions away and lets messages end first.
    """
    settings = settings_with_servers()
    certificate = find_certificate(settings)
    refuse_faults(settings, of_ports("smtp", "submission", "submissions"))
    configure_logging(settings, "smtp")
    serve_metrics(settings.host, metrics_port_of(settings, "smtp"))
    begin(settings, "smtp")
    # A door stands above the command line, which therefore calls it by its name
    run = importlib.import_module("api.smtp.entry").run
    run(settings, certificate, lambda: mark_ready(settings.home, "smtp"))


def find_certificate(settings: Settings) -> tuple[Path, Path]:
    """The PEM chain and key of the mail doors; made where none is configured. Raises: typer.BadParameter."""
    refuse_faults(settings, of_certificate)
    if settings.tls_certificate is None or settings.tls_key is None:
        try:
            made = find_or_make(settings.home / "tls", [settings.hostname, "localhost", "127.0.0.1"])
        except OSError:
            refuse_faults(settings, of_home)
            raise
        return made.chain, made.key
    return settings.tls_certificate, settings.tls_key
