"""Every page over a million emails of one account, and the inbox of a full mailbox: how long the server takes."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from statistics import median
from uuid import UUID

import httpx

from bench.instance import Instance
from bench.page_prefill import calm, fill_mailbox, prefill
from hourpost.embedded.instance import read_instance
from hourpost.rules.ids import from_text

EMAILS, WAITING, MESSAGES = 1_000_000, 400_000, 10_000
_TURNS = 7
_PASSWORD = "a sentence to keep in mind"
_PAGES = {
    "overview": "/app",
    "overview of 30 days": "/app?span=30d",
    "emails": "/app/emails",
    "emails, held": "/app/emails?status=held",
    "emails, deferred": "/app/emails?status=deferred",
    "emails, queued": "/app/emails?status=queued",
    "emails, held to one": "/app/emails?status=held&to=c999@d7.example",
    "emails, deferred of a tag": "/app/emails?status=deferred&tag=kind:receipt",
    "emails, canceled, from one": "/app/emails?status=canceled&from=a@page.test",
    "emails, being sent": "/app/emails?status=sending",
    "emails, delivered": "/app/emails?status=delivered",
    "emails, bounced": "/app/emails?status=bounced",
    "emails, to one": "/app/emails?to=c999@d7.example",
    "emails, of a tag": "/app/emails?tag=kind:receipt",
    "emails, of a week ago": "/app/emails?until=7+days+ago",
    "emails, subject not found": "/app/emails?subject=nowhere",
    "emails, subject found": "/app/emails?subject=RECEIPT+9999",
    "emails, none only sent": "/app/emails?status=sent",
    "the hour": "/app/hour",
    "an email": "/app/emails/{email}",
    "an email's source": "/app/emails/{email}?view=source",
    "a domain": "/app/domains/{domain}",
    "domains": "/app/domains",
    "keys": "/app/keys",
    "SMTP credentials": "/app/smtp",
    "suppressions": "/app/suppressions",
    "suppressions, not found": "/app/suppressions?q=nowhere",
    "webhooks": "/app/webhooks",
    "a webhook": "/app/webhooks/{webhook}",
    "a webhook's event": "/app/webhooks/{webhook}/events/{event}",
    "mailboxes": "/app/mailboxes",
    "a mailbox": "/app/mailboxes/{mailbox}",
    "incoming mail": "/app/inbound",
    "plan": "/app/plan",
    "account": "/app/account",
    "team": "/app/team",
    "you": "/app/you",
    "audit": "/app/audit",
    "operator": "/operator",
    "operator's accounts": "/operator/accounts",
    "operator's search": "/operator/accounts?q=nowhere",
    "operator's account": "/operator/accounts/{account}",
    "landing": "/",
    "pricing": "/pricing",
    "help": "/help",
    "inbox": "/mail/f/inbox",
    "inbox, unread": "/mail/f/inbox?show=unseen",
    "inbox, found": "/mail/f/inbox?q=number+77",
    "inbox, not found": "/mail/f/inbox?q=nowhere",
    "inbox, not found anywhere": "/mail/f/inbox?q=nowhere&all=1",
    "inbox, found anywhere": "/mail/f/inbox?q=letter&all=1",
    "a message": "/mail/f/inbox/5000",
    "writing": "/mail/write",
    "an answer": "/mail/write?answers=inbox:5000",
}


async def time_pages(instance: Instance) -> dict[str, float]:
    """Milliseconds from question to answer, the median of several, for every page."""
    steps = json.loads((instance.home / "first-steps.json").read_text())
    places = await asyncio.to_thread(_make_places, instance, steps)
    await prefill(instance.database_url, steps["domain"], EMAILS, WAITING)
    redis_url = str(read_instance(instance.home)["redis_url"])
    await fill_mailbox(instance.database_url, redis_url, _uuid(places["mailbox"]), MESSAGES)
    times = dict(await asyncio.to_thread(lambda: list(_timed(instance.ports["HTTP"], steps, places))))
    await calm(instance.database_url, steps["domain"])
    return times


def _make_places(instance: Instance, steps: dict[str, str]) -> dict[str, str]:
    """A mailbox and a webhook to look at, and an owner who is staff."""
    instance.call("account", "staff", steps["email"])
    account = instance.call("account", "list")["data"][0]["id"]
    headers = {"Authorization": f"Bearer {steps['api_key']}"}
    with httpx.Client(base_url=_base(instance.ports["HTTP"]), headers=headers, trust_env=False) as http:
        new = {"address": f"box@{steps['domain']}", "name": "Box", "password": _PASSWORD}
        mailbox = http.post("/v1/mailboxes", json=new).raise_for_status().json()
        hook = {"endpoint": "https://hooks.example.net/", "events": ["email.delivered"]}
        webhook = http.post("/v1/webhooks", json=hook).raise_for_status().json()
    return {"account": account, "mailbox": mailbox["id"], "address": mailbox["address"], "webhook": webhook["id"]}


def _timed(port: int, steps: dict[str, str], places: dict[str, str]) -> Iterator[tuple[str, float]]:
    headers = {"Origin": _base(port), "Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=_base(port), headers=headers, timeout=60, trust_env=False) as http:
        http.post("/login", data={"email": steps["email"], "password": steps["password"]})
        http.post("/mail/login", data={"email": places["address"], "password": _PASSWORD})
        hook = f"/app/webhooks/{places['webhook']}"
        places = places | {
            "email": _first(http, "/app/emails", "em_"),
            "domain": _first(http, "/app/domains", "dom_"),
            "event": _first(http, hook, "evt_", "/events"),
        }
        for name, template in _PAGES.items():
            yield name, median(_turns(http, template.format(**places)))


def _turns(http: httpx.Client, path: str) -> Iterator[float]:
    for _ in range(_TURNS):
        began_at = time.perf_counter()
        answer = http.get(path)
        yield (time.perf_counter() - began_at) * 1000
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answered {answer.status_code}")


def _base(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _uuid(public_id: str) -> UUID:
    found = from_text(public_id.partition("_")[0], public_id)
    assert found is not None
    return found


def _first(http: httpx.Client, page: str, prefix: str, below: str = "") -> str:
    """The id of the first thing that a list links to."""
    found = re.search(rf'href="{page}{below}/({prefix}\w+)"', http.get(page).text)
    if found is None:
        raise RuntimeError(f"{page} lists nothing")
    return found[1]
