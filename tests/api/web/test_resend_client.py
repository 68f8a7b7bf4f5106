"""The official client of Resend, unmodified, with only its base address changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import resend
from resend.exceptions import (
    InvalidApiKeyError,
    MissingApiKeyError,
    MissingRequiredFieldsError,
    RateLimitError,
    ResendError,
    ValidationError,
)

from tests.api.web.conftest import Customer
from tests.api.web.running import RunningWeb


@pytest.fixture(autouse=True)
def client(web: RunningWeb, owner: Customer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(resend, "api_url", web.url)
    monkeypatch.setattr(resend, "api_key", owner.key)
    return


def test_an_email_is_sent_read_listed_and_canceled(owner: Customer) -> None:
    sent = resend.Emails.send(
        {
            **owner.email(html="<p>Hi</p>", scheduled_at="in 1 hour", reply_to="help@acme.test"),  # type: ignore[typeddict-item]
            "attachments": [{"filename": "a.txt", "content": list(b"hello")}],
            "tags": [{"name": "kind", "value": "receipt"}],
        }
    )
    got = resend.Emails.get(sent["id"])
    assert (got["subject"], got["last_event"], got["to"]) == ("Hello", "scheduled", ["ada@example.net"])
    assert [one["id"] for one in resend.Emails.list({"limit": 10})["data"]] == [sent["id"]]
    moved = resend.Emails.update({"id": sent["id"], "scheduled_at": "in 90 days"})
    assert (moved["object"], moved["id"]) == ("email", sent["id"])
    assert resend.Emails.cancel(sent["id"])["id"] == sent["id"]
    assert resend.Emails.get(sent["id"])["last_event"] == "canceled"


def test_an_idempotency_key_gives_the_same_email(owner: Customer) -> None:
    first, again = (resend.Emails.send(owner.email(), {"idempotency_key": "k"}) for _ in range(2))  # type: ignore[arg-type]
    assert first["id"] == again["id"]


def test_a_batch_is_strict_or_permissive(owner: Customer) -> None:
    good, bad = owner.email(), owner.email(to="bob")
    assert len(resend.Batch.send([good, good])["data"]) == 2  # type: ignore[list-item]
    with pytest.raises(ValidationError):
        resend.Batch.send([good, bad])  # type: ignore[list-item]
    mixed = resend.Batch.send([good, bad], {"batch_validation": "permissive"})  # type: ignore[list-item]
    assert (len(mixed["data"]), mixed["errors"][0]["index"]) == (1, 1)


def test_domains_are_created_verified_listed_and_removed(owner: Customer) -> None:
    name = f"new-{owner.domain.name}"
    made = resend.Domains.create({"name": name, "region": "eu-west-1"})
    assert {record["record"] for record in made["records"] or ()} >= {"Ownership", "DKIM"}
    assert resend.Domains.verify(made["id"])["id"] == made["id"]
    assert resend.Domains.get(made["id"])["status"] == "verified"
    assert resend.Domains.update({"id": made["id"], "open_tracking": True})["id"] == made["id"]
    assert made["id"] in [one["id"] for one in resend.Domains.list()["data"]]
    assert resend.Domains.remove(made["id"])["deleted"] is True


def test_keys_are_created_used_renamed_listed_and_removed(owner: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    made = resend.ApiKeys.create({"name": "shop", "permission": "sending_access", "domain_id": owner.domain.public_id})
    assert made["token"].startswith("hp_live_")
    monkeypatch.setattr(resend, "api_key", made["token"])
    resend.Emails.send(owner.email())  # type: ignore[arg-type]
    monkeypatch.setattr(resend, "api_key", owner.key)
    assert resend.ApiKeys.update({"id": made["id"], "name": "shop 2"})["id"] == made["id"]
    shown = {one["id"]: one for one in resend.ApiKeys.list()["data"]}[made["id"]]
    assert (shown["name"], "token" in shown, "last_used_at" in shown) == ("shop 2", False, True)
    assert resend.ApiKeys.remove(made["id"])["id"] == made["id"]


def test_suppressions_are_found_by_id_and_by_address() -> None:
    address = "a+b@example.net"
    made = resend.Suppressions.add({"email": address})
    assert resend.Suppressions.get(address)["id"] == made["id"]
    assert resend.Suppressions.get(made["id"])["origin"] == "manual"
    assert [one["email"] for one in resend.Suppressions.list({"origin": "manual"})["data"]] == [address]
    assert resend.Suppressions.remove(address)["deleted"] is True
    added = resend.Suppressions.Batch.add({"emails": ["x@example.net", "y@example.net"]})
    removed = resend.Suppressions.Batch.remove({"ids": [one["id"] for one in added["data"]]})
    assert len(removed["data"]) == 2


def test_what_is_suppressed_is_not_sent_to(owner: Customer) -> None:
    resend.Suppressions.add({"email": "ADA@example.net"})
    sent = resend.Emails.send(owner.email())  # type: ignore[arg-type]
    assert resend.Emails.get(sent["id"])["last_event"] == "suppressed"


def test_errors_have_their_own_classes(owner: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError):
        resend.Emails.send(owner.email(to="bob"))  # type: ignore[arg-type]
    with pytest.raises(MissingRequiredFieldsError):
        resend.Emails.send(owner.email(subject=None))  # type: ignore[arg-type]
    with pytest.raises(ResendError) as found:
        resend.Emails.get("em_nope")
    assert found.value.code == 404
    resend.Batch.send([owner.email() for _ in range(1000)])  # type: ignore[misc]
    with pytest.raises(RateLimitError):
        resend.Emails.send(owner.email(on_limit="reject"))  # type: ignore[arg-type]
    monkeypatch.setattr(resend, "api_key", "hp_live_nope")
    with pytest.raises(InvalidApiKeyError):
        resend.Emails.list()
    monkeypatch.setattr(resend, "api_key", "")
    with pytest.raises((MissingApiKeyError, ResendError)):
        resend.Emails.list()


def test_bodies_where_none_is_expected_are_ignored(owner: Customer) -> None:
    email = owner.send(scheduled_at="in 1 hour").json()["id"]
    for method, path in (
        ("GET", f"/emails/{email}"),
        ("POST", f"/emails/{email}/cancel"),
        ("POST", f"/domains/{owner.domain.public_id}/verify"),
        ("DELETE", f"/domains/{owner.domain.public_id}"),
    ):
        for content in (b"", b"{}", b"nonsense"):
            headers = {"Content-Type": "application/json"}
            answer = owner.http.request(method, path, content=content, headers=headers)
            assert answer.status_code in (200, 404), (method, path, content)
            assert answer.headers["content-type"] == "application/json"
