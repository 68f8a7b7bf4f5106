"""Every page over a million emails of one account, and the inbox of a full mailbox: how long the server takes."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from uuid import UUID

import httpx

from bench.instance import Instance
from bench.page_prefill import calm, fill_mailbox, prefill
from bench.paid_pages import time_paid_pages
from bench.web_visit import log_in, time_page, visit
from hourpost.embedded.instance import read_instance
from hourpost.rules.ids import from_text

EMAILS, WAITING, MESSAGES = 1_000_000, 400_000, 10_000
_PASSWORD = "a sentence to keep in mind"
_FOR_ALL = {
    "landing": "/",
    "pricing": "/pricing",
    "help": "/help",
    "help with mail programs": "/help/mail-programs",
    "help with protocols": "/help/imap-or-pop3",
    "help with the hour": "/help/the-hour",
    "log-in": "/login",
    "sign-up": "/signup",
    "sign-up, mailed": "/signup/mailed",
    "sign-up, confirmed": "/signup/confirm?token=of-yesterday",
    "password": "/password",
    "password, new": "/password/new?token=of-yesterday",
    "invitation": "/invitation?token=of-yesterday",
    "new address": "/address?token=of-yesterday",
    "log-in to mail": "/mail/login",
}
_LOGGED_IN = {
    "overview": "/app",
    "overview of 30 days": "/app?span=30d",
    "emails": "/app/emails",
    "emails, held": "/app/emails?status=held",
    "an email, held": "/app/emails/{held}",
    "emails, deferred": "/app/emails?status=deferred",
    "emails, queued": "/app/emails?status=queued",
    "emails, held to one": "/app/emails?status=held&to=c999@d7.example",
    "emails, deferred of a tag": "/app/emails?status=deferred&tag=kind:receipt",
    "emails, canceled, from one": "/app/emails?status=canceled&from=a@{name}",
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
    "log-in again": "/login/again",
    "an account's end": "/app/account/delete",
    "a new account": "/app/accounts/new",
    "inbox": "/mail/f/inbox",
    "inbox, unread": "/mail/f/inbox?show=unseen",
    "inbox, found": "/mail/f/inbox?q=number+77",
    "inbox, not found": "/mail/f/inbox?q=nowhere",
    "inbox, not found anywhere": "/mail/f/inbox?q=nowhere&all=1",
    "inbox, found anywhere": "/mail/f/inbox?q=letter&all=1",
    "a message": "/mail/f/inbox/5000",
    "a conversation": "/mail/f/inbox/5000/conversation",
    "mail settings": "/mail/settings",
    "writing": "/mail/write",
    "an answer": "/mail/write?answers=inbox:5000",
}
PAGES = _FOR_ALL | _LOGGED_IN


async def time_pages(instance: Instance) -> dict[str, float]:
    """Milliseconds from question to answer, the median of several, for every page."""
    steps = json.loads((instance.home / "first-steps.json").read_text())
    places = await asyncio.to_thread(_make_places, instance, steps)
    await prefill(instance.database_url, steps["domain"], EMAILS, WAITING)
    redis_url = str(read_instance(instance.home)["redis_url"])
    await fill_mailbox(instance.database_url, redis_url, _uuid(places["mailbox"]), MESSAGES)
    times = dict(await asyncio.to_thread(lambda: list(_timed(instance.ports["HTTP"], steps, places))))
    times |= await asyncio.to_thread(time_paid_pages, instance, steps["email"], steps["password"])
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
    with visit(port) as nobody:
        for name, path in _FOR_ALL.items():
            yield name, time_page(nobody, path)
    with visit(port) as http:
        log_in(http, steps["email"], steps["password"])
        log_in(http, places["address"], _PASSWORD, "/mail/login")
        hook = f"/app/webhooks/{places['webhook']}"
        places = places | {
            "name": steps["domain"],
            "email": _first(http, "/app/emails", "em_"),
            "held": _first(http, "/app/emails?status=held", "em_"),
            "domain": _first(http, "/app/domains", "dom_"),
            "event": _first(http, hook, "evt_", "/events"),
        }
        for name, template in _LOGGED_IN.items():
            yield name, time_page(http, template.format(**places))


def _base(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _uuid(public_id: str) -> UUID:
    found = from_text(public_id.partition("_")[0], public_id)
    assert found is not None
    return found


def _first(http: httpx.Client, page: str, prefix: str, below: str = "") -> str:
    """The id of the first thing that a list links to."""
    path = page.partition("?")[0]
    found = re.search(rf'href="{path}{below}/({prefix}\w+)"', http.get(page).text)
    if found is None:
        raise RuntimeError(f"{page} lists nothing")
    return found[1]
