"""All pages: which modules they come from, and which paths are theirs and not the REST API's."""

from __future__ import annotations

from fastapi import APIRouter

from api.web.dashboard import (
    account,
    accounts,
    audit_log,
    closing,
    credentials,
    domains,
    email_content,
    emails,
    help,
    hour,
    inbound,
    invitation,
    landing,
    login,
    mailboxes,
    operator,
    overview,
    password,
    plan,
    pricing,
    second_factor,
    signup,
    statics,
    suppressions,
    team,
    webhooks,
    you,
    you_factors,
)
from api.web.dashboard.mail import acts, box, conversation, entrance, feed, people, settings, waiting, writing

PAGES = frozenset(
    {
        "",
        "address",
        "app",
        "help",
        "invitation",
        "login",
        "logout",
        "mail",
        "operator",
        "password",
        "pricing",
        "signup",
        "static",
    }
)
"""First segments of the paths that the dashboard answers; every other is the REST API's."""

ROUTERS: tuple[APIRouter, ...] = (
    landing.router,
    pricing.router,
    help.router,
    login.router,
    second_factor.router,
    signup.router,
    password.router,
    invitation.router,
    overview.router,
    emails.router,
    email_content.router,
    domains.router,
    credentials.router,
    suppressions.router,
    webhooks.router,
    inbound.router,
    mailboxes.router,
    operator.router,
    hour.router,
    plan.router,
    account.router,
    accounts.router,
    closing.router,
    team.router,
    audit_log.router,
    you.router,
    you_factors.router,
    entrance.router,
    feed.router,
    people.router,
    settings.router,
    waiting.router,
    writing.router,
    acts.router,
    conversation.router,
    box.router,
    statics.router,
)


_FOR_MAIL_PROGRAMS = ("/mail/config-v1.1.xml", "/mail/apple.mobileconfig")


def is_page(path: str) -> bool:
    """Whether the dashboard answers this path. What mail programs ask for has fixed places, one of them below /mail."""
    if path in _FOR_MAIL_PROGRAMS or path.startswith("//"):  # of a client whose base address ends with a slash
        return False
    return path[1:].partition("/")[0] in PAGES
