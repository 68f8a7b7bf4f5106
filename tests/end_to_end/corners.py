"""What is seen only once something is opened, made or begun: menus, forms, secrets that are shown once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from playwright.sync_api import Page as Tab

Go = Callable[[Tab, str], None]


@dataclass(frozen=True)
class Corner:
    """A page, as in ``pages.py``, and what is done there before it is looked at."""

    name: str
    path: str
    go: Go
    who: str = "owner"


def _open(selector: str, tab: Tab, path: str) -> None:
    """The first of these that can be seen."""
    tab.goto(path)
    tab.locator(selector).filter(visible=True).first.click()


def _press(words: str, tab: Tab, path: str) -> None:
    tab.goto(path)
    tab.get_by_role("button", name=words).first.click()
    tab.wait_for_load_state()


def _make(words: str, tab: Tab, path: str) -> None:
    """Something with a secret, which is called Shop; its form is folded where there is one already."""
    tab.goto(path)
    button = tab.get_by_role("button", name=words, exact=True)
    if not button.is_visible():
        tab.locator("details.fold > summary").first.click()
    tab.get_by_label("Name", exact=True).last.fill("Shop")
    button.click()
    tab.wait_for_load_state()


def _choose_one(tab: Tab, path: str) -> None:
    tab.goto(path)
    tab.locator(".mail-row input").first.check()
    tab.locator(".mail-many .mail-move summary").click()


CORNERS = (
    Corner("accounts-menu", "/app", partial(_open, ".account-switch > summary, [popovertarget]")),
    Corner("person-menu", "/app", partial(_open, ".bar .drop-end > summary")),
    Corner("email-filters", "/app/emails", partial(_open, "form details > summary")),
    Corner("email-cancel", "/app/emails/{held_email_id}", partial(_open, "details.confirm > summary")),
    Corner("domain-delete", "/app/domains/{domain_id}", partial(_open, ".page details.confirm > summary")),
    Corner("key-made", "/app/keys", partial(_make, "Make a key")),
    Corner("key-revoke", "/app/keys", partial(_open, "td details.confirm > summary")),
    Corner("smtp-made", "/app/smtp", partial(_make, "Make a credential")),
    Corner("app-password-made", "/app/mailboxes/{mailbox_id}", partial(_make, "Make an app password")),
    Corner("mailbox-form", "/app/mailboxes", partial(_open, "details.fold:not([open]) > summary")),
    Corner("webhook-form", "/app/webhooks", partial(_open, "details.fold:not([open]) > summary")),
    Corner("webhook-disable", "/app/webhooks/{webhook_id}", partial(_open, ".page details.confirm > summary")),
    Corner("webhook-event", "/app/webhooks/{webhook_id}", partial(_press, "Send a test event")),
    Corner("team-remove", "/app/team", partial(_open, "td details.confirm > summary")),
    Corner("totp", "/app/you", partial(_press, "Turn on")),
    Corner("mail-chosen", "/mail/f/inbox", _choose_one, "mailbox"),
    Corner("mail-move", "/mail/f/inbox/1", partial(_open, ".mail-one .mail-move summary"), "mailbox"),
    Corner("mail-folders", "/mail", partial(_open, ".mail-own > summary, [popovertarget]"), "mailbox"),
)
