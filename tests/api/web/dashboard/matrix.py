"""What each may do: a row for every route of the dashboard. A new page adds its rows here."""

from __future__ import annotations

from dataclasses import dataclass, field

MEMBERS = ("owner", "admin", "developer", "viewer", "billing")
READERS = ("owner", "admin", "developer", "viewer")
SENDERS = ("owner", "admin", "developer")
DEVELOPERS = ("owner", "admin", "developer")
BILLERS = ("owner", "admin", "billing")
MANAGERS = ("owner", "admin")
OWNERS = ("owner",)


@dataclass(frozen=True)
class Row:
    """A route and who may use it: those get ``status``, other members 403, nobody is sent to log in.

    A path with places (``{email_id}``, filled from the cast's ``things``) gives the stranger 404; another one shows the
    stranger their own account. ``EVERYBODY``: a public page. ``route`` is the template where the path is an example.
    ``once``: what it does can be done once only, so of those who may only the first is asked, after everybody else.
    """

    method: str
    path: str
    who: tuple[str, ...] = MEMBERS
    status: int = 200
    form: dict[str, str] = field(default_factory=dict)
    route: str = ""
    once: bool = False

    @property
    def template(self) -> str:
        return self.route or self.path

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


EVERYBODY = (*MEMBERS, "stranger", "staff", "nobody")
NONE = "0" * 26
"""The id of nothing: who may do it finds nothing to do it to, and all others are refused before anybody looks."""
LOGGED_IN = (*MEMBERS, "stranger", "staff")
STAFF = ("staff",)
_EVENT = "/app/webhooks/{webhook_id}/events/{event_id}"
_BOX, _NO_BOX = "/app/mailboxes/{mailbox_id}", f"/app/mailboxes/mbx_{NONE}"

ROWS = (
    Row("GET", "/", EVERYBODY),
    Row("GET", "/pricing", EVERYBODY),
    Row("GET", "/help", EVERYBODY),
    Row("GET", "/help/the-hour", EVERYBODY),
    Row("GET", "/help/mail-programs", EVERYBODY),
    Row("GET", "/help/imap-or-pop3", EVERYBODY),
    Row("GET", "/static/{asset}", EVERYBODY, route="/static/{name}"),
    Row("GET", "/app"),
    Row("GET", "/app/hour"),
    Row("POST", "/app/test-email", SENDERS, 303),
    Row("GET", "/app/emails", READERS),
    Row("GET", "/app/emails/{email_id}", READERS),
    Row("GET", "/app/emails/{email_id}/preview", READERS),
    Row("GET", "/app/emails/{email_id}/source", READERS),
    Row("GET", "/app/emails/{email_id}/attachments/0", READERS, route="/app/emails/{email_id}/attachments/{number}"),
    Row("POST", "/app/emails/{email_id}/again", SENDERS, 303),
    Row("POST", "/app/emails/{email_id}/reschedule", SENDERS, 303, {"scheduled_at": "in 2 hours"}),
    Row("POST", "/app/emails/{email_id}/suppress", SENDERS, 303, {"address": "ada@far.test"}),
    Row("POST", "/app/emails/{email_id}/cancel", SENDERS, 303),
    Row("GET", "/app/domains", READERS),
    Row("POST", "/app/domains", DEVELOPERS, 422, {"name": "no domain"}),
    Row("GET", "/app/domains/{domain_id}", READERS),
    Row("POST", "/app/domains/{domain_id}/verify", DEVELOPERS, 303),
    Row("POST", "/app/domains/{domain_id}/signatures", DEVELOPERS, 303, {"signs_ed25519": "on"}),
    Row("GET", "/app/keys", DEVELOPERS),
    Row("POST", "/app/keys", DEVELOPERS, 200, {"name": "Shop", "scope": "sending"}),
    Row("GET", "/app/smtp", DEVELOPERS),
    Row("POST", "/app/smtp", DEVELOPERS, 200, {"name": "Server"}),
    Row("GET", "/app/suppressions", READERS),
    Row("POST", "/app/suppressions", SENDERS, 303, {"email": "ada@far.test"}),
    Row("GET", "/app/suppressions/export", READERS),
    Row("POST", "/app/suppressions/import", SENDERS, 422),
    Row("GET", "/app/plan"),
    Row("POST", "/app/plan/change", BILLERS, 303, {"to": "path"}),
    Row("GET", "/app/webhooks", DEVELOPERS),
    Row("POST", "/app/webhooks", DEVELOPERS, 422, {"endpoint": "nowhere"}),
    Row("GET", "/app/inbound", DEVELOPERS),
    Row("POST", "/app/inbound", DEVELOPERS, 422, {"pattern": "nowhere"}),
    Row("GET", "/app/webhooks/{webhook_id}", DEVELOPERS),
    Row("POST", "/app/webhooks/{webhook_id}/rotate", DEVELOPERS, 303),
    Row("POST", "/app/webhooks/{webhook_id}/events", DEVELOPERS, 303),
    Row("POST", "/app/webhooks/{webhook_id}/test", DEVELOPERS, 303),
    Row("POST", "/app/webhooks/{webhook_id}/disable", DEVELOPERS, 303),
    Row("POST", "/app/webhooks/{webhook_id}/enable", DEVELOPERS, 303),
    Row("GET", "/app/mailboxes", READERS),
    Row("POST", "/app/mailboxes", DEVELOPERS, 422, {"address": "nobody", "new_password": "long enough, I hope"}),
    Row("GET", "/app/mailboxes/{mailbox_id}", READERS),
    Row("POST", "/app/mailboxes/{mailbox_id}", DEVELOPERS, 303, {"quota": "5"}),
    Row("POST", "/app/mailboxes/{mailbox_id}/password", DEVELOPERS, 303, {"new_password": "long enough, I hope"}),
    Row("POST", "/app/mailboxes/{mailbox_id}/aliases", DEVELOPERS, 303, {"alias": "nobody"}),
    Row("POST", "/app/mailboxes/{mailbox_id}/aliases/remove", DEVELOPERS, 303, {"alias": "nobody"}),
    Row("POST", "/app/mailboxes/{mailbox_id}/catch-all", DEVELOPERS, 303),
    Row("POST", "/app/mailboxes/{mailbox_id}/app-passwords", DEVELOPERS, 422),
    Row("GET", "/operator", STAFF),
    Row("GET", "/operator/accounts", STAFF),
    Row("GET", "/operator/accounts/{account_id}", STAFF),
    Row("POST", "/operator/accounts/{account_id}/suspend", STAFF, 303),
    Row("POST", "/operator/accounts/{account_id}/resume", STAFF, 303),
    Row("GET", "/app/account"),
    Row("POST", "/app/account", MANAGERS, 303, {"name": "Acme again"}),
    Row("POST", "/app/account/lost-answers", MANAGERS, 303, {"policy": "park"}),
    Row("POST", "/app/account/export", OWNERS),
    Row("GET", "/app/account/delete", OWNERS),
    Row("POST", "/app/account/delete", OWNERS, 422, {"name": "not this one"}),
    Row("GET", "/app/accounts/new", LOGGED_IN),
    Row("POST", "/app/accounts/new", LOGGED_IN, 422, {"name": ""}),
    Row("GET", "/app/team"),
    Row("POST", "/app/team/invite", MANAGERS, 422, {"email": "nobody", "role": "viewer"}),
    Row("POST", "/app/team/{viewer_id}/role", MANAGERS, 303, {"role": "viewer"}, "/app/team/{user_id}/role"),
    Row("POST", "/app/team/{extra_id}/remove", MANAGERS, 303, route="/app/team/{user_id}/remove", once=True),
    Row("POST", "/app/team/invitations/{invitation_id}/withdraw", MANAGERS, 303, once=True),
    Row("GET", "/app/audit", MANAGERS),
    Row("GET", "/app/you", LOGGED_IN),
    Row("POST", "/app/you", LOGGED_IN, 303, {"name": "Ada King"}),
    Row("POST", "/app/you/address", LOGGED_IN, 422, {"email": "nowhere"}),
    Row("POST", "/app/you/password", LOGGED_IN, 422),
    Row("POST", "/app/you/sessions/end", LOGGED_IN, 303),
    Row("POST", "/app/you/totp", LOGGED_IN),
    Row("POST", "/app/you/totp/off", LOGGED_IN, 303),
    Row("POST", "/app/you/codes", (), 403),
    Row("POST", "/app/you/passkeys/ask", LOGGED_IN),
    Row("POST", "/app/you/passkeys", LOGGED_IN, 422),
    Row("GET", "/login/again", LOGGED_IN),
    Row("POST", "/login/again", LOGGED_IN, 422),
    Row("POST", "/login/again/ask", LOGGED_IN),
    Row("POST", "/login/again/passkey", LOGGED_IN, 422),
    Row("POST", "/login/ask", EVERYBODY),
    Row("POST", "/login/passkey", EVERYBODY, 422),
    Row("POST", "/app/accounts/choose", MEMBERS, 303, {"account": "{account_id}"}),
    Row("POST", f"/app/domains/dom_{NONE}/delete", DEVELOPERS, 404, route="/app/domains/{domain_id}/delete"),
    Row("POST", f"/app/keys/key_{NONE}/revoke", DEVELOPERS, 404, route="/app/keys/{credential_id}/revoke"),
    Row("POST", f"/app/keys/key_{NONE}/copies", DEVELOPERS, 404, route="/app/keys/{credential_id}/copies"),
    Row("POST", f"/app/keys/key_{NONE}/change", DEVELOPERS, 404, route="/app/keys/{credential_id}/change"),
    Row("POST", f"/app/smtp/smtp_{NONE}/change", DEVELOPERS, 404, route="/app/smtp/{credential_id}/change"),
    Row("POST", f"/app/smtp/smtp_{NONE}/copies", DEVELOPERS, 404, route="/app/smtp/{credential_id}/copies"),
    Row("POST", f"/app/smtp/smtp_{NONE}/revoke", DEVELOPERS, 404, route="/app/smtp/{credential_id}/revoke"),
    Row("POST", "/app/suppressions/remove", SENDERS, 404, {"id": f"sup_{NONE}"}),
    Row("GET", "/app/plan/change", BILLERS, 404),
    Row("GET", "/app/plan/return", BILLERS, 404),
    Row("POST", "/app/plan/checkout", BILLERS, 404, {"to": "path"}),
    Row("POST", "/app/plan/take-back", BILLERS, 404),
    Row("POST", "/app/plan/portal", BILLERS, 404),
    Row("POST", "/app/plan/cancel", BILLERS, 404),
    Row("POST", "/app/plan/resume", BILLERS, 404),
    Row("GET", f"/app/webhooks/whk_{NONE}/events/evt_{NONE}", DEVELOPERS, 404, route=_EVENT),
    Row("POST", f"/app/webhooks/whk_{NONE}/events/evt_{NONE}/replay", DEVELOPERS, 404, route=f"{_EVENT}/replay"),
    Row("POST", f"/app/webhooks/whk_{NONE}/delete", DEVELOPERS, 404, route="/app/webhooks/{webhook_id}/delete"),
    Row("POST", f"/app/inbound/rte_{NONE}/delete", DEVELOPERS, 404, route="/app/inbound/{route_id}/delete"),
    Row("POST", f"{_NO_BOX}/app-passwords/revoke", DEVELOPERS, 404, route=f"{_BOX}/app-passwords/revoke"),
    Row("POST", f"{_NO_BOX}/delete", DEVELOPERS, 404, route=f"{_BOX}/delete"),
    Row("POST", f"{_NO_BOX}/restore", DEVELOPERS, 404, route=f"{_BOX}/restore"),
    Row("POST", f"/app/you/sessions/ses_{NONE}/end", LOGGED_IN, 404, route="/app/you/sessions/{session_id}/end"),
    Row(
        "POST",
        f"/app/you/passkeys/pk_{NONE}/rename",
        LOGGED_IN,
        404,
        {"passkey_name": "Mine"},
        route="/app/you/passkeys/{passkey_id}/rename",
    ),
    Row("POST", f"/app/you/passkeys/pk_{NONE}/remove", LOGGED_IN, 404, route="/app/you/passkeys/{passkey_id}/remove"),
)
ANSWERED_AT_ONCE = {
    "/app/keys",  # a secret that is shown once
    "/app/smtp",
    "/app/you/totp",
    "/app/account/export",  # a file
    "/login/ask",  # JSON for the browser's own dialogue
    "/login/again/ask",
    "/app/you/passkeys/ask",
}
"""Forms that are answered by a page or a file; every other one sends the browser on, so that loading anew asks nothing.

App passwords and recovery codes, whose rows are of other answers, are shown once too.
"""
ELSEWHERE = {
    ("GET", "/mail"): "test_mail.py",
    ("GET", "/mail/login"): "test_mail.py",
    ("POST", "/mail/login"): "test_mail.py",
    ("POST", "/mail/logout"): "test_mail.py",
    ("GET", "/mail/feed"): "test_mail.py",
    ("GET", "/mail/f/{folder}"): "test_mail.py",
    ("GET", "/mail/f/{folder}/{uid}"): "test_mail.py",
    ("GET", "/mail/f/{folder}/{uid}/body"): "test_mail.py",
    ("GET", "/mail/f/{folder}/{uid}/part/{section}"): "test_mail.py",
    ("GET", "/mail/f/{folder}/{uid}/source"): "test_mail.py",
    ("GET", "/mail/f/{folder}/{uid}/conversation"): "test_mail_reading.py",
    ("GET", "/mail/f/{folder}/{uid}/fate"): "test_mail_waiting.py",
    ("GET", "/mail/people"): "test_mail_writing.py",
    ("GET", "/mail/session"): "test_mail_writing.py",
    ("GET", "/mail/settings"): "test_mail_settings.py",
    ("POST", "/mail/settings"): "test_mail_settings.py",
    ("GET", "/mail/hour"): "test_mail_waiting.py",
    ("GET", "/mail/waiting"): "test_mail_waiting.py",
    ("POST", "/mail/sent/{email_id}/cancel"): "test_mail_waiting.py",
    ("POST", "/mail/f/{folder}/act"): "test_mail.py",
    ("POST", "/mail/f/{folder}/empty"): "test_mail.py",
    ("POST", "/mail/f/{folder}/read"): "test_mail.py",
    ("POST", "/mail/folders"): "test_mail.py",
    ("POST", "/mail/f/{folder}/rename"): "test_mail.py",
    ("POST", "/mail/f/{folder}/remove"): "test_mail.py",
    ("GET", "/mail/write"): "test_mail.py",
    ("POST", "/mail/write"): "test_mail.py",
    ("GET", "/signup"): "test_signup.py",
    ("POST", "/signup"): "test_signup.py",
    ("GET", "/signup/mailed"): "test_signup.py",
    ("GET", "/signup/confirm"): "test_signup.py",
    ("POST", "/signup/confirm"): "test_signup.py",
    ("GET", "/password"): "test_password.py",
    ("POST", "/password"): "test_password.py",
    ("GET", "/password/mailed"): "test_password.py",
    ("GET", "/password/new"): "test_password.py",
    ("POST", "/password/new"): "test_password.py",
    ("GET", "/invitation"): "test_team.py",
    ("POST", "/invitation"): "test_team.py",
    ("GET", "/address"): "test_you.py",
    ("POST", "/app/you/delete"): "test_closing.py",
    ("POST", "/address"): "test_you.py",
    ("POST", "/app/you/totp/on"): "test_second_factor.py",
    ("GET", "/login/second"): "test_second_factor.py",
    ("POST", "/login/second"): "test_second_factor.py",
    ("POST", "/login/second/ask"): "test_second_factor.py",
    ("POST", "/login/second/passkey"): "test_second_factor.py",
    ("GET", "/login"): "test_login.py",
    ("POST", "/login"): "test_login.py",
    ("POST", "/logout"): "test_login.py",
    ("POST", "/operator/accounts/{account_id}/view"): "test_operator.py",
    ("POST", "/operator/leave"): "test_operator.py",
    ("POST", "/operator/stripe/{event_id}/retry"): "test_operator.py",
}
"""Routes whose answer depends on more than who asks, and where they are tested."""
