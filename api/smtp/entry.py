"""Where the SMTP process begins: what opens its ports, on the real parts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from api.listening.serving import serve
from api.smtp.door import Door
from api.smtp.inbound import Inbound
from api.smtp.limits import Limits
from api.smtp.server import Listener, SmtpServer
from api.smtp.submit import Submitting
from hourpost.assembly import Parts, build_keeper
from hourpost.flow.leaving import Repeatable
from hourpost.flow.receive import Receiver
from hourpost.gateways.authentication import Authenticates, MailAuthenticator, NameServers
from hourpost.gateways.tls import RenewedTls
from hourpost.mailboxes.submitters import Submitters
from hourpost.settings import Settings


def run(settings: Settings, certificate: tuple[Path, Path], ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``ready`` is called when all ports listen.

    ``certificate`` is the PEM chain and its key. Raises: OSError for a port that is taken, ServiceUnavailable.
    """

    def build(parts: Parts, stack: AsyncExitStack) -> SmtpServer:
        authenticator = MailAuthenticator(NameServers(settings.dns_servers))
        stack.callback(authenticator.close)
        return build_server(settings, parts, authenticator, certificate)

    serve(settings, "hourpost smtp", Limits().connections, build, ready)


def build_server(
    settings: Settings, parts: Parts, authenticator: Authenticates, certificate: tuple[Path, Path]
) -> SmtpServer:
    """The three ports of the settings on the running loop, not listening yet. Raises: OSError."""
    seconds = asyncio.get_running_loop().time
    tls = RenewedTls(*certificate)
    door = Door(settings.hostname, tls.context, seconds, throttle=parts.throttle)
    intake = Repeatable(parts.intake, parts.hour, parts.database)
    submitting = Submitting(Submitters(parts.standings, parts.logins), intake, parts.clock, settings.hostname)
    keeper = build_keeper(parts.database, parts.hour, parts.mail, parts.hints.ring)
    receiver = Receiver(keeper, authenticator, parts.clock, settings.hostname, settings.postmaster)
    return SmtpServer(
        door,
        [
            Listener(settings.host, settings.smtp_port, role=Inbound(receiver)),
            Listener(settings.host, settings.submission_port, role=submitting),
            Listener(settings.host, settings.submissions_port, role=submitting, implicit_tls=True),
        ],
        proxies=settings.mail_proxy_networks,
        tls=tls,
    )
