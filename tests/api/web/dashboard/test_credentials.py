"""Keys and SMTP credentials in the dashboard: shown once, then only known."""

from __future__ import annotations

import re

import pytest

from hourpost.database import Database
from tests.api.web.dashboard.people import Cast, Surfer, text_of
from tests.cast import make_key, make_smtp_login


def test_a_key_is_shown_once_and_works(owner: Surfer) -> None:
    answer = owner.post("/app/keys", {"name": "Shop", "scope": "full", "expires_at": "in 90 days"})
    token = re.search(r"<code>(hp_live_[A-Za-z0-9]+)</code>", answer.text)
    assert token
    assert answer.text.count(token[1]) > 3
    api = owner.http.get("/v1/domains", headers={"Authorization": f"Bearer {token[1]}"})
    assert api.status_code == 200
    later = owner.get("/app/keys").text
    assert token[1] not in later
    assert "Shop" in later
    assert "Expires" in later


def test_an_smtp_credential_is_shown_once(owner: Surfer) -> None:
    answer = owner.post("/app/smtp", {"name": "Server"})
    secrets = re.findall(r'<dd><div class="copy"><code>([^<]+)</code>', answer.text)
    assert len(secrets) >= 2
    assert secrets[1] not in owner.get("/app/smtp").text


@pytest.mark.parametrize(
    ("path", "posted"),
    [("/app/keys", "/app/keys"), ("/app/team/invite", "/app/team"), ("/app/you/password", "/app/you")],
)
def test_what_answers_a_form_says_which_page_a_reload_leads_to(owner: Surfer, path: str, posted: str) -> None:
    """Else whoever loads it again makes a second key."""
    assert f'<body data-posted="{posted}">' in owner.post(path, {"name": "Shop"}).text
    assert "data-posted" not in owner.get(posted).text


@pytest.mark.parametrize("path", ["/app/keys", "/app/smtp"])
def test_faults_stand_beside_their_fields(owner: Surfer, path: str) -> None:
    answer = owner.post(path, {"name": "", "expires_at": "whenever"})
    assert answer.status_code == 422
    assert 'id="expires_at-fault"' in answer.text


@pytest.mark.parametrize("path", ["/app/keys", "/app/smtp"])
def test_what_it_sends_is_filed_or_not(owner: Surfer, path: str) -> None:
    assert "Not filed in Sent" not in owner.post(path, {"name": "Shop"}).text
    assert "Not filed in Sent" in owner.post(path, {"name": "Server", "no_copies": "on"}).text
    (copies,) = re.findall(
        rf'action="({path}/[a-z0-9_]+/copies)"><input type="hidden" name="files_sent"', owner.get(path).text
    )
    assert owner.post(copies, {"files_sent": "on"}).status_code == 303
    assert "Not filed in Sent" not in owner.get(path).text
    assert owner.post(copies).status_code == 303
    assert "Not filed in Sent" in owner.get(path).text
    thing = "an API key" if path == "/app/keys" else "an SMTP credential"
    assert text_of(owner.get("/app/audit")).count(f"changed {thing} name: Server") == 2


@pytest.mark.parametrize("path", ["/app/keys", "/app/smtp"])
def test_its_name_and_its_end_are_changed(owner: Surfer, path: str) -> None:
    owner.post(path, {"name": "Shop", "expires_at": "2090-01-01T00:00:00Z"})
    (change,) = re.findall(rf'action="({path}/[a-z0-9_]+/change)"', owner.get(path).text)
    same_end = {"name": "Market", "expires_at": "2090-01-01T00:00:00Z"}
    for form, said in (
        (same_end, "Market ends on 2090-01-01"),
        (same_end | {"expires_at": "2020-01-01T00:00:00Z"}, "in the past"),
        ({"name": " ", "expires_at": "soon"}, "visible characters"),
        ({"name": "Market", "expires_at": "2091-01-01", "time_zone": "Asia/Kolkata"}, "ends on 2090-12-31T18:30:00Z"),
        ({"name": "Market", "expires_at": ""}, "Market does not end"),
        ({"name": "\U0001f469\u200d\U0001f4bb", "expires_at": ""}, "\U0001f469\u200d\U0001f4bb does not end"),
    ):
        assert owner.post(change, form).status_code == 303
        assert said in owner.get(path).text


async def test_what_is_revoked_is_gone_at_once(cast: Cast, owner: Surfer, database: Database) -> None:
    key, login = await make_key(database, cast.account), await make_smtp_login(database, cast.account)
    bearer = {"Authorization": f"Bearer {key.secret}"}
    assert owner.http.get("/v1/domains", headers=bearer).status_code == 200
    for who, status in (("stranger", 404), ("viewer", 403), ("owner", 303)):
        assert cast[who].post(f"/app/keys/{key.credential.public_id}/revoke").status_code == status
        assert cast[who].post(f"/app/smtp/{login.credential.public_id}/revoke").status_code == status
    answer = owner.post(
        f"/app/keys/{key.credential.public_id}/revoke", Referer=f"{owner.http.base_url}/app/keys?after="
    )
    assert answer.status_code == 404  # in the other tab, which keeps its places
    assert '<a href="/app/webhooks">' in answer.text
    assert 'href="/app/keys?after=">Back to where you were' in answer.text
    assert "No keys yet" in owner.get("/app/keys").text
    assert "No credentials yet" in owner.get("/app/smtp").text
