"""A service that runs, with something in it to look at: emails sent and held, members, an invitation."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from tests.embedded.running import RunningUp, eventually


def first_steps(up: RunningUp) -> dict[str, str]:
    """What `hourpost up` has printed of its first account."""
    found: dict[str, str] = json.loads((up.home / "first-steps.json").read_text())
    return found


def post(up: RunningUp, path: str, body: Any) -> Any:
    """POST to the REST API of the first account."""
    return _ask(up, path, json.dumps(body).encode())


def get(up: RunningUp, path: str) -> Any:
    """GET from the REST API of the first account."""
    return _ask(up, path, None)


def _ask(up: RunningUp, path: str, body: bytes | None) -> Any:
    url = f"http://127.0.0.1:{up.ports['HTTP']}{path}"
    headers = {"Authorization": f"Bearer {first_steps(up)['api_key']}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


LONG_SUBJECT = f"Come in: https://www.example.com/{'a_long_way_' * 70}?who=ada"
MAILBOX, MAILBOX_PASSWORD = "grace@acme.test", "a sentence to keep in mind"


def fill(up: RunningUp) -> dict[str, str]:
    """Put something to look at everywhere; gives what the places of ``pages.py`` stand for."""
    sender = f"Acme <hello@{first_steps(up)['domain']}>"
    mailbox = post(up, "/v1/mailboxes", {"address": MAILBOX, "name": "Grace Hopper", "password": MAILBOX_PASSWORD})
    for subject in ("Lunch on Friday?", "The minutes of Monday", "Invoice 2041"):
        body = {"from": sender, "to": MAILBOX, "subject": subject, "text": f"{subject}\n\nAll the best\nAda"}
        post(up, "/v1/emails", body | {"html": f"<h1>{subject}</h1><img src='https://far.test/pixel.gif'>"})
    eventually(lambda: get(up, f"/v1/mailboxes/{mailbox['id']}/folders/inbox/messages")["data"])
    hook = post(up, "/v1/webhooks", {"endpoint": "https://hooks.example.net/hourpost", "events": ["email.bounced"]})
    event = post(up, f"/v1/webhooks/{hook['id']}/test", {})
    made = up.call("account", "staff", first_steps(up)["email"])
    assert made.returncode == 0, made.stderr
    places = _send_many(up, sender)
    letter = {"to": ["bob@example.net", "carl@example.net"], "subject": "The hour is full", "text": "This waits."}
    post(up, f"/v1/mailboxes/{mailbox['id']}/send", letter)
    places |= {"webhook_id": hook["id"], "event_id": event["id"]}
    return places | {"account_id": _account_of(up), "mailbox_id": mailbox["id"]}


def _account_of(up: RunningUp) -> str:
    found = json.loads(up.call("account", "list", "--json").stdout)
    return str(next(one["id"] for one in found["data"] if one["name"] == "Acme"))


def _send_many(up: RunningUp, sender: str) -> dict[str, str]:
    """More than the hour takes."""
    subjects = ("Your receipt", "Welcome to Acme", "Reset your password", "The news of November")
    ids: list[str] = []
    for batch in range(8):
        emails = [
            {
                "from": sender,
                "to": [f"customer{batch}-{number}@example.net"],
                "subject": subjects[(batch + number) % len(subjects)],
                "html": "<h1>Hello</h1><p>It works.</p>",
                "text": "Hello. It works.",
                "tags": [{"name": "kind", "value": "news"}],
            }
            for number in range(140)
        ]
        if batch == 7:
            emails[-1] |= {"to": [f"{'a' * 64}@{'b' * 40}.example"], "subject": LONG_SUBJECT}
        ids += [one["id"] for one in post(up, "/v1/emails/batch", emails)["data"]]
    domains = get(up, "/v1/domains")["data"]
    return {"email_id": ids[0], "held_email_id": ids[-1], "domain_id": domains[0]["id"]}
