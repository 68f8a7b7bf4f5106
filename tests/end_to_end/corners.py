"""What is seen only once something is opened, made or begun: menus, forms, secrets that are shown once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from playwright.sync_api import Page as Tab

from tests.end_to_end.people import CAREFUL, PASSWORD

Go = Callable[[Tab, str], None]


@dataclass(frozen=True)
class Corner:
    """A page, as in ``pages.py``, and what is done there before it is looked at; ``reaches``: another page by that."""

    name: str
    path: str
    go: Go
    who: str = "owner"
    reaches: str = ""


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
    tab.get_by_label("Name", exact=True).filter(visible=True).last.fill("Shop")
    button.click()
    tab.wait_for_load_state()


def _refuse(button: str, wrong: dict[str, str], tab: Tab, path: str) -> None:
    """A form that is sent with what cannot be, so that it comes back."""
    tab.goto(path)
    fold = tab.locator("details.fold:not([open]) > summary").first
    if fold.is_visible():
        fold.click()
    for label, value in wrong.items():
        tab.get_by_label(label, exact=True).first.fill(value)
    tab.get_by_role("button", name=button, exact=True).click()
    tab.locator(".fault:visible, .note-bad").first.wait_for()


def _log_in_half(tab: Tab, path: str) -> None:
    tab.goto(path)
    tab.get_by_label("Email address").fill(CAREFUL)
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Log in", exact=True).click()
    tab.wait_for_url("**/login/second**")


def _choose_one(tab: Tab, path: str) -> None:
    tab.goto(path)
    tab.locator(".mail-row input").first.check()
    tab.locator(".mail-many .mail-move summary").click()


_NOBODY = {"Email address": "nobody@example.net", "Password": "a sentence that is wrong"}
_SIGN_UP = {"Your name": "Ada", "Company or project": "Acme", "Email address": "ada@example.net", "Password": "short"}

CORNERS = (
    Corner("login-refused", "/login", partial(_refuse, "Log in", _NOBODY), "nobody"),
    Corner("signup-refused", "/signup", partial(_refuse, "Sign up", _SIGN_UP), "nobody"),
    Corner("domain-refused", "/app/domains", partial(_refuse, "Add", {"Domain": "not a domain"}), "newcomer"),
    Corner("new-accounts-menu", "/app", partial(_open, ".account-switch > summary, [popovertarget]"), "newcomer"),
    Corner("accounts-menu", "/app", partial(_open, ".account-switch > summary, [popovertarget]")),
    Corner("person-menu", "/app", partial(_open, ".bar .drop-end > summary")),
    Corner("email-filters", "/app/emails", partial(_open, "form details > summary")),
    Corner("email-cancel", "/app/emails/{held_email_id}", partial(_open, "details.confirm > summary")),
    Corner("domain-delete", "/app/domains/{domain_id}", partial(_open, ".page details.confirm > summary")),
    Corner("key-made", "/app/keys", partial(_make, "Make a key")),
    Corner("key-change", "/app/keys", partial(_open, "td details.confirm > summary:has-text('Change')")),
    Corner("key-revoke", "/app/keys", partial(_open, "td details.confirm > summary:has-text('Revoke')")),
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
    Corner("second-factor", "/login", _log_in_half, "nobody", reaches="/login/second"),
)
