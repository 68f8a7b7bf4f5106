"""Objects as commands print them: snake_case, public ids, no secrets but the one just made."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hourpost.accounts.queries import Account
from hourpost.credentials.changes import Issued
from hourpost.credentials.queries import Credential, Kind
from hourpost.domains.queries import PREFIX as DOMAIN
from hourpost.domains.queries import Domain
from hourpost.domains.records import list_records
from hourpost.mailboxes.app_passwords import AppPassword
from hourpost.mailboxes.queries import Mailbox
from hourpost.rules.ids import to_text


def account_shape(account: Account) -> dict[str, Any]:
    """An account."""
    return {
        "object": "account",
        "id": account.public_id,
        "name": account.name,
        "email": account.email,
        "plan": account.plan,
        "limit": account.limit,
        "own_limit": account.own_limit,
        "unknown_policy": account.unknown_policy,
        "signs_ed25519": account.signs_ed25519,
        "suspended_at": account.suspended_at,
        "lapsed_at": account.lapsed_at,
        "deleted_at": account.closed_at,
        "created_at": account.created_at,
    }


def credential_shape(credential: Credential) -> dict[str, Any]:
    """An API key or an SMTP credential without its secret."""
    shape: dict[str, Any] = {
        "object": "api_key" if credential.kind is Kind.API_KEY else "smtp_credential",
        "id": credential.public_id,
        "name": credential.name,
    }
    if credential.username is not None:
        shape["username"] = credential.username
    return shape | {
        "hint": f"{credential.hint}…",
        "scope": credential.scope.value,
        "test": credential.test,
        "files_sent": credential.files_sent,
        "domain_id": None if credential.domain_id is None else to_text(DOMAIN, credential.domain_id),
        "expires_at": credential.expires_at,
        "last_used_at": credential.last_used_at,
        "created_at": credential.created_at,
    }


def issued_shape(issued: Issued) -> dict[str, Any]:
    """A new credential with its secret: ``token`` of a key, ``password`` of an SMTP credential."""
    name = "token" if issued.credential.kind is Kind.API_KEY else "password"
    shape = credential_shape(issued.credential)
    del shape["hint"], shape["last_used_at"]
    return shape | {name: issued.secret}


def domain_shape(domain: Domain) -> dict[str, Any]:
    """A domain with the records to publish."""
    return {
        "object": "domain",
        "id": domain.public_id,
        "name": domain.name,
        "status": domain.status.value,
        "signs": domain.signs,
        "records": [record.to_dict() for record in list_records(domain)],
        "verified_at": domain.verified_at,
        "last_checked_at": domain.last_checked_at,
        "created_at": domain.created_at,
    }


def mailbox_shape(mailbox: Mailbox) -> dict[str, Any]:
    """A mailbox."""
    return {
        "object": "mailbox",
        "id": mailbox.public_id,
        "address": mailbox.address,
        "name": mailbox.name,
        "aliases": list(mailbox.aliases),
        "catch_all": list(mailbox.catch_all),
        "quota_bytes": mailbox.quota_bytes,
        "used_bytes": mailbox.used_bytes,
        "forward_to": list(mailbox.forward_to),
        "keeps_forwarded": mailbox.keeps_forwarded,
        "files_sent": mailbox.files_sent,
        "signature": mailbox.signature,
        "auto_reply": asdict(mailbox.auto_reply) if mailbox.auto_reply else None,
        "deleted_at": mailbox.deleted_at,
        "created_at": mailbox.created_at,
    }


def app_password_shape(app_password: AppPassword) -> dict[str, Any]:
    """An app password without its secret."""
    return {
        "object": "app_password",
        "id": app_password.public_id,
        "name": app_password.name,
        "hint": f"{app_password.hint}…",
        "scopes": list(app_password.scopes),
        "last_used_at": app_password.last_used_at,
        "created_at": app_password.created_at,
    }
