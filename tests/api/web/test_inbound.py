"""Routes of incoming mail and what came by them, over HTTP."""

from __future__ import annotations

from hourpost.flow.receive import Receiver
from tests.api.web.arriving import arrive, make_route
from tests.api.web.conftest import Customer

LETTER = (
    b'From: Ada <ada@far.example>\r\nSubject: help\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b"--b\r\n\r\nIt does not work.\r\n"
    b'--b\r\nContent-Type: image/png; name="s.png"\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw==\r\n--b--\r\n'
)


async def test_mail_that_comes_by_a_route_is_listed_and_read(receiver: Receiver, owner: Customer, stranger: Customer):
    route = make_route(owner)
    assert route["signing_secret"].startswith("whsec_")
    assert route["pattern"] == f"support@{owner.domain.name}"
    await arrive(receiver, route["pattern"], LETTER)
    (one,) = owner.http.get("/v1/inbound", params={"to": route["pattern"]}).json()["data"]
    assert (one["from"], one["subject"], one["route_id"]) == ("Ada <ada@far.example>", "help", route["id"])
    read = owner.http.get(f"/v1/inbound/{one['id']}").json()
    assert read["text"] == "It does not work."
    (attachment,) = read["attachments"]
    got = owner.http.get(f"/v1/inbound/{one['id']}/attachments/{attachment['id']}")
    assert (got.content, got.headers["content-type"]) == (b"\x89PNG", "application/octet-stream")
    assert owner.http.get(f"/v1/inbound/{one['id']}/attachments/9").status_code == 404
    raw = owner.http.get(f"/v1/inbound/{one['id']}/raw")
    assert raw.content.endswith(LETTER)
    assert stranger.http.get(f"/v1/inbound/{one['id']}").status_code == 404
    assert owner.http.get("/v1/inbound", params={"to": "other@x.test"}).json()["data"] == []


def test_routes_are_listed_and_ended(owner: Customer, stranger: Customer):
    route = make_route(owner)
    assert [one["id"] for one in owner.http.get("/v1/inbound/routes").json()["data"]] == [route["id"]]
    assert stranger.http.delete(f"/v1/inbound/routes/{route['id']}").status_code == 404
    assert owner.http.get(f"/v1/inbound/routes/{route['id']}").json()["url"] == route["url"]
    assert owner.http.delete(f"/v1/inbound/routes/{route['id']}").json()["deleted"] is True
    assert owner.http.get(f"/v1/inbound/routes/{route['id']}").status_code == 404


def test_a_route_for_a_domain_of_others_is_refused(owner: Customer, stranger: Customer):
    body = {"pattern": f"*@{stranger.domain.name}", "url": "https://acme.example/inbound"}
    answer = owner.http.post("/v1/inbound/routes", json=body)
    assert (answer.status_code, answer.json()["name"]) == (403, "domain_not_verified")
