"""What mail programs ask for to set themselves up. It is the same for every address, so it tells nobody who exists."""

from __future__ import annotations

import plistlib
from uuid import NAMESPACE_URL, uuid5
from xml.sax.saxutils import escape

from hourpost.domains.mail_servers import MailServers

_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_RESPONSE = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
_OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"


def thunderbird_config(address: str | None, servers: MailServers) -> str:
    """Thunderbird's autoconfig 1.1, in the order in which it is to choose; without an address it fills in its own."""
    user = escape(address) if address else "%EMAILADDRESS%"
    domain = escape(address.rpartition("@")[2]) if address else "%EMAILDOMAIN%"

    def server(tag: str, kind: str, port: int, socket: str) -> str:
        return (
            f'    <{tag} type="{kind}">\n      <hostname>{escape(servers.host)}</hostname>\n      <port>{port}</port>\n'
            f"      <socketType>{socket}</socketType>\n      <authentication>password-cleartext</authentication>\n"
            f"      <username>{user}</username>\n    </{tag}>\n"
        )

    return (
        f'{_XML}<clientConfig version="1.1">\n  <emailProvider id="{escape(servers.host)}">\n'
        f"    <domain>{domain}</domain>\n    <displayName>{domain}</displayName>\n"
        f"    <displayShortName>{domain}</displayShortName>\n"
        + server("incomingServer", "imap", servers.imaps, "SSL")
        + server("incomingServer", "imap", servers.imap, "STARTTLS")
        + server("incomingServer", "pop3", servers.pop3s, "SSL")
        + server("incomingServer", "pop3", servers.pop3, "STARTTLS")
        + server("outgoingServer", "smtp", servers.submissions, "SSL")
        + server("outgoingServer", "smtp", servers.submission, "STARTTLS")
        + "  </emailProvider>\n</clientConfig>\n"
    )


def outlook_config(address: str, servers: MailServers) -> str:
    """Outlook's autodiscover (MS-OXDSCLI, the POX form), TLS ports only."""

    def protocol(kind: str, port: int, more: str = "") -> str:
        return (
            f"      <Protocol>\n        <Type>{kind}</Type>\n        <Server>{escape(servers.host)}</Server>\n"
            f"        <Port>{port}</Port>\n        <LoginName>{escape(address)}</LoginName>\n"
            "        <DomainRequired>off</DomainRequired>\n        <SPA>off</SPA>\n        <SSL>on</SSL>\n"
            f"        <AuthRequired>on</AuthRequired>\n{more}      </Protocol>\n"
        )

    smtp = (
        "        <Encryption>SSL</Encryption>\n        <UsePOPAuth>on</UsePOPAuth>\n        <SMTPLast>off</SMTPLast>\n"
    )
    return (
        f'{_XML}<Autodiscover xmlns="{_RESPONSE}">\n  <Response xmlns="{_OUTLOOK}">\n    <Account>\n'
        "      <AccountType>email</AccountType>\n      <Action>settings</Action>\n"
        + protocol("IMAP", servers.imaps)
        + protocol("POP3", servers.pop3s)
        + protocol("SMTP", servers.submissions, smtp)
        + "    </Account>\n  </Response>\n</Autodiscover>\n"
    )


def outlook_refusal() -> str:
    """The answer to a question without an address."""
    return (
        f'{_XML}<Autodiscover xmlns="{_RESPONSE}">\n  <Response>\n    <Error Time="00:00:00.0000000" Id="1">\n'
        "      <ErrorCode>600</ErrorCode>\n      <Message>Invalid Request</Message>\n      <DebugData />\n"
        "    </Error>\n  </Response>\n</Autodiscover>\n"
    )


def apple_profile(address: str, servers: MailServers) -> bytes:
    """A profile for iPhone, iPad and Mac: it asks for the password, and can be taken off again."""
    account = {
        "PayloadType": "com.apple.mail.managed",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"mail.{address}",
        "PayloadUUID": str(uuid5(NAMESPACE_URL, f"mail:{servers.host}:{address}")),
        "PayloadDisplayName": address,
        "EmailAccountType": "EmailTypeIMAP",
        "EmailAccountDescription": address,
        "EmailAccountName": address,
        "EmailAddress": address,
        "IncomingMailServerAuthentication": "EmailAuthPassword",
        "IncomingMailServerHostName": servers.host,
        "IncomingMailServerPortNumber": servers.imaps,
        "IncomingMailServerUseSSL": True,
        "IncomingMailServerUsername": address,
        "OutgoingMailServerAuthentication": "EmailAuthPassword",
        "OutgoingMailServerHostName": servers.host,
        "OutgoingMailServerPortNumber": servers.submissions,
        "OutgoingMailServerUseSSL": True,
        "OutgoingMailServerUsername": address,
        "OutgoingPasswordSameAsIncomingPassword": True,
    }
    profile = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"profile.{address}",
        "PayloadUUID": str(uuid5(NAMESPACE_URL, f"profile:{servers.host}:{address}")),
        "PayloadDisplayName": f"Mail for {address}",
        "PayloadDescription": f"Reads and sends mail as {address} at {servers.host}.",
        "PayloadRemovalDisallowed": False,
        "PayloadContent": [account],
    }
    return plistlib.dumps(profile)
