"""Every page that is looked at: pictured by `make screenshots`, searched for faults by axe-core."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """A page as somebody sees it: ``owner`` of the first account, who is staff too; ``newcomer``, who has nothing yet;
    ``mailbox``, who reads mail in the browser; ``nobody``, who is not logged in.

    ``path`` may hold places that ``scene.py`` and ``people.py`` fill, such as ``{email_id}``.
    """

    name: str
    path: str
    who: str = "owner"


WHO = ("nobody", "owner", "newcomer", "mailbox")

PAGES = (
    Page("landing", "/", "nobody"),
    Page("pricing", "/pricing?emails=10000", "nobody"),
    Page("help", "/help", "nobody"),
    Page("help-hour", "/help/the-hour", "nobody"),
    Page("help-mail-programs", "/help/mail-programs", "nobody"),
    Page("help-protocols", "/help/imap-or-pop3", "nobody"),
    Page("login", "/login", "nobody"),
    Page("signup", "/signup", "nobody"),
    Page("mailed", "/signup/mailed", "nobody"),
    Page("password", "/password", "nobody"),
    Page("password-mailed", "/password/mailed", "nobody"),
    Page("confirm", "/signup/confirm?token={sign_up_token}", "nobody"),
    Page("new-password", "/password/new?token={reset_token}", "nobody"),
    Page("invitation", "/invitation?token={invitation_token}", "nobody"),
    Page("worthless-link", "/invitation?token=of-yesterday", "nobody"),
    Page("new-address", "/address?token={address_token}", "nobody"),
    Page("overview", "/app"),
    Page("emails", "/app/emails"),
    Page("emails-nothing", "/app/emails?to=nobody@example.net&status=bounced"),
    Page("emails-refused", "/app/emails?to=nobody&since=whenever"),
    Page("email", "/app/emails/{email_id}"),
    Page("email-held", "/app/emails/{held_email_id}"),
    Page("suppressions", "/app/suppressions"),
    Page("domains", "/app/domains"),
    Page("domain", "/app/domains/{domain_id}"),
    Page("keys", "/app/keys"),
    Page("smtp", "/app/smtp"),
    Page("webhooks", "/app/webhooks"),
    Page("inbound", "/app/inbound"),
    Page("mailboxes", "/app/mailboxes"),
    Page("mailbox", "/app/mailboxes/{mailbox_id}"),
    Page("plan", "/app/plan"),
    Page("plan-change", "/app/plan/change?to=skilled"),
    Page("prove", "/login/again"),
    Page("webhook", "/app/webhooks/{webhook_id}"),
    Page("webhook-call", "/app/webhooks/{webhook_id}/events/{event_id}"),
    Page("operator", "/operator"),
    Page("operator-accounts", "/operator/accounts"),
    Page("operator-account", "/operator/accounts/{account_id}"),
    Page("account-delete", "/app/account/delete"),
    Page("account-new", "/app/accounts/new"),
    Page("account", "/app/account"),
    Page("team", "/app/team"),
    Page("audit", "/app/audit"),
    Page("you", "/app/you"),
    Page("new-overview", "/app", "newcomer"),
    Page("new-emails", "/app/emails", "newcomer"),
    Page("new-domains", "/app/domains", "newcomer"),
    Page("new-domain", "/app/domains/{new_domain_id}", "newcomer"),
    Page("new-keys", "/app/keys", "newcomer"),
    Page("new-webhooks", "/app/webhooks", "newcomer"),
    Page("new-mailboxes", "/app/mailboxes", "newcomer"),
    Page("new-plan", "/app/plan", "newcomer"),
    Page("mail-login", "/mail/login", "nobody"),
    Page("mail", "/mail", "mailbox"),
    Page("mail-message", "/mail/f/inbox/1", "mailbox"),
    Page("mail-conversation", "/mail/f/inbox/1/conversation", "mailbox"),
    Page("mail-found", "/mail/f/inbox?q=the&all=1", "mailbox"),
    Page("mail-nothing", "/mail/f/junk", "mailbox"),
    Page("mail-sent", "/mail/f/sent", "mailbox"),
    Page("mail-sent-letter", "/mail/f/sent/1", "mailbox"),
    Page("mail-answer", "/mail/write?answers=inbox:1", "mailbox"),
    Page("mail-write", "/mail/write", "mailbox"),
    Page("mail-settings", "/mail/settings", "mailbox"),
    Page("not-found", "/app/nothing"),
)
