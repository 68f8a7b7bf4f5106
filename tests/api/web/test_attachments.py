"""What is attached to sent and received emails: listed, and fetched by links without a key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
import resend

from api.web.download_links import LIFETIME, DownloadLinks
from hourpost.credentials.changes import NewCredential
from hourpost.database import Database
from hourpost.errors import Forbidden
from hourpost.flow.receive import Receiver
from hourpost.gateways.encryption import Cipher
from tests.api.web.arriving import arrive, make_route
from tests.api.web.conftest import Customer, client_of
from tests.api.web.running import RunningWeb
from tests.cast import make_key

PNG = b"\x89PNG\r\n"
PAGE = "<script>alert(1)</script>"
FILES = [
    {"filename": "Rechnung ü.html", "content": "PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==", "content_type": "text/html"},
    {"filename": "logo.png", "content": list(PNG), "content_id": "logo"},
]
LETTER = (
    b"From: Ada <ada@far.example>\r\nTo: Support <support@acme.test>\r\nCc: Bob <bob@far.example>, c@far.example\r\n"
    b"Reply-To: ada@elsewhere.example\r\nSubject: help\r\nMessage-ID: <1@far.example>\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b'--b\r\nContent-Type: text/html\r\n\r\n<img src="cid:shot@far"> <img src="cid:other">\r\n'
    b'--b\r\nContent-Type: image/png; name="s.png"\r\nContent-ID: <shot@far>\r\nContent-Disposition: inline\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\niVBORw==\r\n--b--\r\n"
)
NOW = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def client(web: RunningWeb, owner: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resend, "api_url", web.url)
    monkeypatch.setattr(resend, "api_key", owner.key)


def fetch(nobody: httpx.Client, url: str) -> httpx.Response:
    """By the address that a client is told, on the port where the tests have it."""
    assert url.startswith("https://post.example/v1/downloads/")
    return nobody.get(url.removeprefix("https://post.example"))


def test_what_was_sent_is_listed_and_fetched_without_a_key(owner: Customer, nobody: httpx.Client) -> None:
    html = '<img src="cid:logo">'
    sent = owner.send(attachments=FILES, html=html, scheduled_at="in 1 hour").json()["id"]
    logo, page = resend.Emails.Attachments.list(sent)["data"]
    assert (page["filename"], page["content_type"], page["size"]) == ("Rechnung ü.html", "text/html", len(PAGE))
    assert (logo["content_id"], logo["content_disposition"], logo["size"]) == ("logo", "inline", len(PNG))
    got = fetch(nobody, page["download_url"])
    assert (got.text, got.headers["content-type"]) == (PAGE, "application/octet-stream")
    assert got.headers["content-disposition"].startswith("attachment; ")
    assert "Rechnung%20%C3%BC.html" in got.headers["content-disposition"]
    assert (got.headers["x-content-type-options"], got.headers["cache-control"]) == ("nosniff", "private, no-store")
    assert "sandbox" in got.headers["content-security-policy"]
    one = resend.Emails.Attachments.get(sent, logo["id"])
    assert (one["object"], fetch(nobody, one["download_url"]).content) == ("attachment", PNG)
    shown = owner.http.get(f"/v1/emails/{sent}").json()["attachments"]
    assert [(item["id"], item["size_bytes"]) for item in shown] == [(logo["id"], len(PNG)), (page["id"], len(PAGE))]


def test_attachments_have_pages(owner: Customer) -> None:
    sent = owner.send(attachments=FILES * 2, scheduled_at="in 1 hour").json()["id"]
    names = [one["id"] for one in resend.Emails.Attachments.list(sent)["data"]]
    assert len(names) == 4
    for asked, found, has_more in (
        ({"limit": 3}, names[:3], True),
        ({"limit": 3, "after": names[2]}, names[3:], False),
        ({"limit": 2, "before": names[3]}, names[1:3], True),
    ):
        page = resend.Emails.Attachments.list(sent, asked)
        assert ([one["id"] for one in page["data"]], page["has_more"]) == (found, has_more)
    wrong = owner.http.get(f"/v1/emails/{sent}/attachments", params={"after": "99", "before": "1"}).json()
    assert {one["pointer"] for one in wrong["errors"]} == {"/after", "/before"}


async def test_mail_that_came_in_is_read_as_resends_clients_read_it(
    receiver: Receiver, owner: Customer, nobody: httpx.Client
) -> None:
    route = make_route(owner)
    await arrive(receiver, route["pattern"], LETTER)
    (listed,) = resend.Emails.Receiving.list({"limit": 5})["data"]
    assert (listed["from"], listed["to"]) == ("Ada <ada@far.example>", ["Support <support@acme.test>"])
    assert (listed["cc"], listed["reply_to"]) == (["Bob <bob@far.example>", "c@far.example"], ["ada@elsewhere.example"])
    assert [one["filename"] for one in listed["attachments"]] == ["s.png"]
    read: dict[str, Any] = dict(resend.Emails.Receiving.get(listed["id"]))
    assert (read["received_for"], read["headers"]["message-id"]) == ([route["pattern"]], "<1@far.example>")
    assert read["html"].strip() == '<img src="data:image/png;base64,iVBORw=="> <img src="cid:other">'
    assert "cid:shot@far" in str(resend.Emails.Receiving.get(listed["id"], {"html_format": "cid"})["html"])
    assert fetch(nobody, read["raw"]["download_url"]).content.endswith(LETTER)
    (attached,) = resend.Emails.Receiving.Attachments.list(listed["id"])["data"]
    one = resend.Emails.Receiving.Attachments.get(listed["id"], attached["id"])
    assert fetch(nobody, one["download_url"]).content == b"\x89PNG"


async def test_strangers_and_keys_of_others_get_no_links(
    receiver: Receiver, owner: Customer, stranger: Customer, database: Database, web: RunningWeb
) -> None:
    sent = owner.send(attachments=FILES, scheduled_at="in 1 hour").json()["id"]
    await arrive(receiver, make_route(owner)["pattern"], LETTER)
    received = owner.http.get("/emails/receiving").json()["data"][0]["id"]
    sending = (await make_key(database, owner.account, NewCredential("s", scope="sending"))).secret
    with client_of(web, sending) as other:
        for client in (stranger.http, other):
            assert client.get(f"/v1/emails/{sent}/attachments/2").status_code == 404
    for place in ("", "/attachments", "/attachments/2"):
        assert stranger.http.get(f"/v1/emails/receiving/{received}{place}").status_code == 404
    assert owner.http.get(f"/v1/emails/{sent}/attachments/9").status_code == 404


def test_a_link_opens_its_own_file_alone(owner: Customer, nobody: httpx.Client) -> None:
    sent, other = (owner.send(attachments=FILES, scheduled_at="in 1 hour").json()["id"] for _ in range(2))
    url = resend.Emails.Attachments.list(sent)["data"][0]["download_url"].removeprefix("https://post.example")
    assert nobody.get(url).status_code == 200
    place = url.partition("?")[0]
    for wrong in (
        url.replace(sent, other),
        url.replace(place, place[:-1] + "3"),
        url[:-1] + ("A" if url[-1] != "A" else "B"),
        url[:-20],
        f"{place}?token=ü",
        f"{place}?token=",
    ):
        answer = nobody.get(wrong)
        assert (answer.status_code, answer.json()["name"]) == (403, "invalid_access"), wrong
    assert nobody.get(place).status_code == 422


def test_a_link_ends_after_an_hour() -> None:
    links = DownloadLinks(Cipher("a secret of the tests, long enough"), "https://post.example")
    account = uuid4()
    link = links.to(account, "em_1", "2", NOW)
    token = link["download_url"].partition("token=")[2]
    assert link["expires_at"] == NOW + LIFETIME
    assert links.open(token, "em_1", "2", NOW + LIFETIME - timedelta(seconds=1)) == account
    with pytest.raises(Forbidden, match="ended"):
        links.open(token, "em_1", "2", NOW + LIFETIME)
