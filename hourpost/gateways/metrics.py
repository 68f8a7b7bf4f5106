"""What Prometheus is told, as objects that the steps count with; each process serves its own."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

REQUESTS = Counter("hourpost_http_requests_total", "HTTP requests by route and status.", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "hourpost_http_request_seconds",
    "Time from the first byte of a request to the last of its answer.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
ACCEPTED_EMAILS = Counter("hourpost_accepted_emails_total", "Emails that were accepted, by door.", ["door"])
