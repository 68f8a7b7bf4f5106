"""All that the official client of Resend can ask for: what is served is named here, and the rest says that it is not.

README names what is not offered. A newer client that can do more fails here until somebody has decided about it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest
import resend
from resend.exceptions import ResendError

from tests.api.web.conftest import Customer
from tests.api.web.running import RunningWeb

SERVED = {
    "ApiKeys": {"create", "list", "remove", "update"},
    "Batch": {"send"},
    "Domains": {"create", "get", "list", "remove", "update", "verify"},
    "Emails": {"cancel", "get", "list", "send", "update"},
    "EmailAttachments": {"get", "list"},
    "Emails.Attachments": {"get", "list"},
    "Emails.Receiving": {"get", "list"},
    "Emails.Receiving.Attachments": {"get", "list"},
    "EmailsReceiving": {"get", "list"},
    "EmailsReceiving.Attachments": {"get", "list"},
    "Suppressions": {"add", "get", "list", "remove"},
    "SuppressionsBatch": {"add", "remove"},
    "Usage": {"get"},
    "Webhooks": {
        *("create", "get", "get_event", "list", "list_event_attempts", "list_events", "remove", "replay_event"),
        *("rotate_signing_secret", "update", "verify"),
    },
}
NOT_OFFERED = {
    *("Audiences", "Automations", "Broadcasts", "ContactImports", "ContactProperties", "ContactSegments", "Contacts"),
    *("ContactsTopics", "DomainClaims", "Events", "InboxAgent", "InboxDrafts", "InboxLabels", "InboxThreadEmails"),
    *("InboxThreadLabels", "InboxThreads", "Inboxes", "Logs", "OAuthGrants", "Segments", "Templates", "Topics"),
}
EMAIL = "em_06b1n4i2s7vt9a8q3c5e0g2k4o"


def found_in(owner: type, name: str) -> Iterator[tuple[str, str]]:
    """Each method that asks for something, by the name of its class."""
    for inner, value in vars(owner).items():
        if isinstance(value, classmethod | staticmethod) and not inner.startswith("_") and not inner.endswith("_async"):
            yield name, inner
        elif inspect.isclass(value) and value.__module__.startswith("resend."):
            yield from found_in(value, f"{name}.{inner}")


def test_nothing_that_the_client_can_do_is_undecided() -> None:
    asked = {
        place
        for name, owner in vars(resend).items()
        if inspect.isclass(owner) and owner.__module__.startswith("resend.")
        for place in found_in(owner, name)
    }
    offered = {(name, method) for name, methods in SERVED.items() for method in methods}
    assert offered <= asked
    left = {place for place in asked - offered if place[0].partition(".")[0] not in NOT_OFFERED}
    assert left == {("Emails", "metrics"), ("Emails", "share")}


def test_what_is_not_offered_says_so(web: RunningWeb, owner: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resend, "api_url", web.url)
    monkeypatch.setattr(resend, "api_key", owner.key)
    for ask in (
        resend.Templates.list,
        lambda: resend.Contacts.create({"email": "ada@example.net"}),
        resend.Broadcasts.list,
        resend.Inboxes.list,
        resend.Logs.list,
        lambda: resend.Emails.share(EMAIL),
        resend.Emails.metrics,
        lambda: resend.DomainClaims.create({"name": "acme.test"}),
    ):
        with pytest.raises(ResendError) as refused:
            ask()
        assert refused.value.code in (404, 405)
    assert resend.Usage.get()["limit"] == 1000  # type: ignore[typeddict-item]  # the hour, in our own words
