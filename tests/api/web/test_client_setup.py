"""How mail programs set themselves up, by the documents and by DNS."""

from __future__ import annotations

import plistlib
from xml.etree import ElementTree

import httpx
import pytest

from hourpost.domains.mail_servers import list_mail_records, mail_servers
from hourpost.settings import Settings
from tests.api.web.conftest import Customer

OUTLOOK = "{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}"


@pytest.mark.parametrize("path", ["/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml"])
def test_thunderbird_is_given_the_secure_ports_first(nobody: httpx.Client, path: str) -> None:
    answer = nobody.get(path, params={"emailaddress": "ada@acme.test"})
    provider = ElementTree.fromstring(answer.content)[0]
    servers = [
        (one.tag, one.get("type"), one.findtext("port"), one.findtext("socketType")) for one in provider if len(one)
    ]
    assert servers == [
        ("incomingServer", "imap", "2993", "SSL"),
        ("incomingServer", "imap", "2143", "STARTTLS"),
        ("incomingServer", "pop3", "2995", "SSL"),
        ("incomingServer", "pop3", "2110", "STARTTLS"),
        ("outgoingServer", "smtp", "2465", "SSL"),
        ("outgoingServer", "smtp", "2587", "STARTTLS"),
    ]
    assert {one.findtext("username") for one in provider if len(one)} == {"ada@acme.test"}
    assert {one.findtext("hostname") for one in provider if len(one)} == {"post.example"}
    assert provider.findtext("domain") == "acme.test"


def test_thunderbird_fills_in_the_address_that_was_not_told(nobody: httpx.Client) -> None:
    assert "<username>%EMAILADDRESS%</username>" in nobody.get("/mail/config-v1.1.xml").text
    bad = nobody.get("/mail/config-v1.1.xml", params={"emailaddress": "<x>@acme.test"})
    assert (bad.status_code, bad.json()["errors"][0]["pointer"]) == (422, "/emailaddress")


@pytest.mark.parametrize(
    "path", ["/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml", "/AUTODISCOVER/AutoDiscover.XML"]
)
def test_outlook_is_answered_in_every_case(nobody: httpx.Client, path: str) -> None:
    asked = "<Autodiscover><Request><EMailAddress>ada@acme.test</EMailAddress></Request></Autodiscover>"
    answer = nobody.post(path, content=asked, headers={"Content-Type": "text/xml"})
    protocols = ElementTree.fromstring(answer.content).iter(f"{OUTLOOK}Protocol")
    found = [
        tuple(one.findtext(OUTLOOK + name) for name in ("Type", "Server", "Port", "SSL", "LoginName"))
        for one in protocols
    ]
    assert found == [
        ("IMAP", "post.example", "2993", "on", "ada@acme.test"),
        ("POP3", "post.example", "2995", "on", "ada@acme.test"),
        ("SMTP", "post.example", "2465", "on", "ada@acme.test"),
    ]


@pytest.mark.parametrize(
    "asked", [b"", b"<x/>", b"<EMailAddress>no</EMailAddress>", b"\xff" * 100_000, b"<EMailAddress>" * 9000]
)
def test_outlook_is_told_what_it_did_not_ask(nobody: httpx.Client, asked: bytes) -> None:
    answer = nobody.post("/autodiscover/autodiscover.xml", content=asked)
    assert answer.status_code == 200
    assert "<ErrorCode>600</ErrorCode>" in answer.text


def test_an_entity_in_the_question_is_read_by_nobody(nobody: httpx.Client) -> None:
    asked = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><EMailAddress>&a;@acme.test</EMailAddress>'
    answer = nobody.post("/autodiscover/autodiscover.xml", content=asked)
    assert "root:" not in answer.text
    ElementTree.fromstring(answer.content)


def test_apple_is_given_a_profile(nobody: httpx.Client) -> None:
    answer = nobody.get("/mail/apple.mobileconfig", params={"emailaddress": "ada@acme.test"})
    assert answer.headers["content-type"] == "application/x-apple-aspen-config"
    profile = plistlib.loads(answer.content)
    (account,) = profile["PayloadContent"]
    assert (account["EmailAddress"], account["IncomingMailServerPortNumber"]) == ("ada@acme.test", 2993)
    assert account["OutgoingMailServerPortNumber"] == 2465
    assert "IncomingPassword" not in account


def test_the_records_of_a_domain_lead_mail_and_programs_to_us(owner: Customer) -> None:
    domain = owner.http.get(f"/v1/domains/{owner.domain.public_id}").json()
    records = {(one["type"], one["name"]): (one["value"], one.get("priority")) for one in domain["records"]}
    name = owner.domain.name
    assert records["MX", name] == ("post.example", 10)
    assert records["SRV", f"_imaps._tcp.{name}"] == ("1 2993 post.example", 0)
    assert records["SRV", f"_submissions._tcp.{name}"] == ("1 2465 post.example", 0)
    assert records["SRV", f"_submission._tcp.{name}"] == ("1 2587 post.example", 10)
    assert domain["capabilities"]["receiving"] == "enabled"


def test_on_a_real_machine_the_usual_ports_are_told() -> None:
    settings = Settings(_env_file=None, hostname="mail.example", base_url="https://app.example")
    servers = mail_servers(settings)
    assert (servers.host, servers.imaps, servers.pop3s, servers.submissions, servers.submission) == (
        "mail.example",
        993,
        995,
        465,
        587,
    )
    values = {record.name: record.value for record in list_mail_records("acme.test", servers)}
    assert values["_autodiscover._tcp.acme.test"] == "0 443 app.example"
    assert values["autoconfig.acme.test"] == "app.example"


def test_where_the_web_part_has_a_port_of_its_own_no_name_alone_leads_there() -> None:
    settings = Settings(_env_file=None, hostname="mail.example", base_url="https://app.example:8443")
    names = [record.name for record in list_mail_records("acme.test", mail_servers(settings))]
    assert "autoconfig.acme.test" not in names
