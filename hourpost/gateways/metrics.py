"""What Prometheus is told, as objects that the steps count with; each process serves its own."""

from __future__ import annotations

import structlog
from prometheus_client import Counter, Gauge, Histogram, start_http_server

REQUESTS = Counter(
    "hourpost_http_requests_total",
    "HTTP requests by route and status; the routes of REST begin with /v1.",
    ["method", "route", "status"],
)
REQUEST_SECONDS = Histogram(
    "hourpost_http_request_seconds",
    "Time from the first byte of a request to the last of its answer.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
SMTP_SESSIONS = Gauge("hourpost_smtp_sessions", "Open SMTP sessions.")
SMTP_LOGINS = Counter("hourpost_smtp_logins_total", "Logins by SMTP, by the code of the answer.", ["code"])
SMTP_MESSAGES = Counter(
    "hourpost_smtp_messages_total", "Messages that came in whole, by the code of the answer.", ["code"]
)
INBOUND_RECIPIENTS = Counter("hourpost_inbound_recipients_total", "Recipients named at port 25, by answer.", ["answer"])
INBOUND_CHECKS = Counter(
    "hourpost_inbound_checks_total", "What SPF, DKIM and DMARC said of incoming mail.", ["check", "result"]
)
INBOUND_MESSAGES = Counter("hourpost_inbound_messages_total", "Messages that came in from outside, by kind.", ["kind"])
POP3_SESSIONS = Gauge("hourpost_pop3_sessions", "Open POP3 sessions.")
POP3_LOGINS = Counter("hourpost_pop3_logins_total", "Logins by POP3, by what became of them.", ["outcome"])
POP3_MESSAGES = Counter("hourpost_pop3_messages_total", "Messages that POP3 clients retrieved.")
IMAP_SESSIONS = Gauge("hourpost_imap_sessions", "Open IMAP sessions.")
IMAP_LOGINS = Counter("hourpost_imap_logins_total", "Logins by IMAP, by their outcome.", ["outcome"])
IMAP_COMMANDS = Counter("hourpost_imap_commands_total", "IMAP commands that could be read.", ["command"])
IMAP_FOLDERS = Gauge("hourpost_imap_open_folders", "Folders that IMAP sessions have open.")
MAIL_STORED = Counter("hourpost_mailbox_messages_stored_total", "Messages stored in folders, however they came.")
MAIL_COMMIT_SECONDS = Histogram(
    "hourpost_mailbox_commit_seconds",
    "Time to store the messages of one commit in their folders.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
MAIL_DRIFT = Gauge(
    "hourpost_mailbox_drift", "Counters of mailboxes that were wrong last night; anything above 0 is a bug."
)
FEED_UNTOLD = Counter("hourpost_folder_feed_untold_total", "Changes of folders that could not be told by Redis.")
ACCEPTED_EMAILS = Counter(
    "hourpost_accepted_emails_total", "Emails that were accepted, by door and mode.", ["door", "mode"]
)
ACCEPT_EMAILS_A_FLIGHT = Histogram(
    "hourpost_accept_flight_emails",
    "Emails that shared one commit.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
)
ACCEPT_COMMIT_SECONDS = Histogram(
    "hourpost_accept_commit_seconds",
    "Time from a flight's departure to its commit, the hour's answer included.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
HOUR_DELIVERIES = Counter(
    "hourpost_hour_deliveries_total", "Deliveries by state at accept; orders refused.", ["answer"]
)
HOUR_COLD_FILLS = Counter("hourpost_hour_cold_fills_total", "Buckets filled again from PostgreSQL.")
HOUR_UNCOUNTED = Counter("hourpost_hour_uncounted_total", "Flights held because the hour could not be counted.")
RELEASED_DELIVERIES = Counter("hourpost_released_deliveries_total", "Held deliveries that got room in their hour.")
HINTS = Counter("hourpost_hints_total", "Hints to workers, by what became of them.", ["outcome"])
CLAIMED_DELIVERIES = Counter("hourpost_claimed_deliveries_total", "Deliveries leased, by how they were found.", ["by"])
DOT_SECONDS = Histogram(
    "hourpost_dot_marks_seconds",
    "Time to write that final dots go out.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
VERDICT_SECONDS = Histogram(
    "hourpost_verdict_write_seconds",
    "Time to write a batch of verdicts.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
VERDICTS = Counter("hourpost_verdicts_total", "Attempts by relay and the state they led to.", ["relay", "state"])
SEND_SECONDS = Counter("hourpost_send_seconds_total", "Seconds that attempts took, by relay.", ["relay"])
RELAY_TRUSTED = Gauge("hourpost_relay_trusted", "Whether a relay works: 1, or 0 while it is left alone.", ["relay"])
RELAY_REFUSES_LOGIN = Gauge(
    "hourpost_relay_refuses_login", "1 while a relay refuses our user name and password.", ["relay"]
)
RETURNED_DELIVERIES = Counter("hourpost_returned_deliveries_total", "Deliveries put back after their worker was lost.")
OLDEST_WAITING_SECONDS = Gauge(
    "hourpost_oldest_waiting_seconds", "Age of the oldest delivery that waits, by cause; the scheduler's.", ["cause"]
)
CERTIFICATE_ENDS = Gauge(
    "hourpost_certificate_ends_timestamp_seconds",
    "When the certificate of this mail door ends, as Unix time.",
    ["file"],
)
BILLING_ALERTS = Counter("hourpost_billing_alerts_total", "What of billing an operator ought to look at.", ["kind"])
STRIPE_EVENTS = Counter("hourpost_stripe_events_total", "Stripe's webhooks, by what became of them.", ["outcome"])
WEBHOOK_CALLS = Counter("hourpost_webhook_calls_total", "Calls of customers' webhooks, by outcome.", ["outcome"])

log = structlog.get_logger()


def serve_metrics(host: str, port: int) -> None:
    """Answer Prometheus from a thread of its own, where ``port`` is set; a part works without it."""
    if not port:
        return
    try:
        start_http_server(port, addr=host)
    except OSError as error:
        log.warning("metrics are not served", port=port, error=str(error))
