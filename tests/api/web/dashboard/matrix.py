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
    """

    method: str
    path: str
    who: tuple[str, ...] = MEMBERS
    status: int = 200
    form: dict[str, str] = field(default_factory=dict)
    route: str = ""

    @property
    def template(self) -> str:
        return self.route or self.path

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


EVERYBODY = (*MEMBERS, "stranger", "staff", "nobody")
LOGGED_IN = (*MEMBERS, "stranger", "staff")
STAFF = ("staff",)

ROWS = (
    Row("GET", "/", EVERYBODY),
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
    Row("GET", "/app/keys", DEVELOPERS),
    Row("POST", "/app/keys", DEVELOPERS, 200, {"name": "Shop", "scope": "sending"}),
    Row("GET", "/app/smtp", DEVELOPERS),
    Row("POST", "/app/smtp", DEVELOPERS, 200, {"name": "Server"}),
    Row("GET", "/app/suppressions", READERS),
    Row("POST", "/app/suppressions", SENDERS, 303, {"email": "ada@far.test"}),
    Row("GET", "/app/suppressions/export", READERS),
    Row("POST", "/app/suppressions/import", SENDERS, 422),
    Row("GET", "/app/account"),
    Row("POST", "/app/account", MANAGERS, 303, {"name": "Acme again"}),
    Row("POST", "/app/accounts/choose", MEMBERS, 303, {"account": "{account_id}"}),
)
ELSEWHERE = {
    ("GET", "/login"): "test_login.py",
    ("POST", "/login"): "test_login.py",
    ("POST", "/logout"): "test_login.py",
    ("POST", "/app/domains/{domain_id}/delete"): "test_domains.py",
    ("POST", "/app/keys/{credential_id}/revoke"): "test_credentials.py",
    ("POST", "/app/smtp/{credential_id}/revoke"): "test_credentials.py",
    ("POST", "/app/suppressions/remove"): "test_suppressions.py",
}
"""Routes whose answer depends on more than who asks, and where they are tested."""
