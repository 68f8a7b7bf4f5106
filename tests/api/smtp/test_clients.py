"""Clients that others wrote work as they are."""

from __future__ import annotations

import shutil
import smtplib
import subprocess
from email.message import EmailMessage

import aiosmtplib
import pytest

from tests.api.smtp.running import RunningDoor
from tests.fakes.standings import PASSWORD, USERNAME


def new_message() -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Acme <hello@acme.test>"
    message["To"] = "b@example.net"
    message["Subject"] = "Grüße"
    message.set_content("Hello\n.\nthere, with ümlauts\n")
    message.add_alternative("<p>Hello</p>", subtype="html")
    message.add_attachment(b"\0\1\2" * 1000, maintype="application", subtype="octet-stream", filename="a.bin")
    return message


def test_smtplib_over_starttls(door: RunningDoor) -> None:
    with smtplib.SMTP("localhost", door.submission, timeout=10) as smtp:
        smtp.starttls(context=door.tls)
        smtp.login(USERNAME, PASSWORD)
        assert smtp.send_message(new_message()) == {}
        assert smtp.send_message(new_message(), to_addrs=["c@example.net", "d@example.net"]) == {}
    assert [order.submissions[0].recipients for order in door.intake.orders] == [
        ("b@example.net",),
        ("c@example.net", "d@example.net"),
    ]


def test_smtplib_over_tls(door: RunningDoor) -> None:
    with smtplib.SMTP_SSL("localhost", door.submissions, context=door.tls, timeout=10) as smtp:
        smtp.login(USERNAME, PASSWORD)
        assert smtp.noop() == (250, b"2.0.0 ok")
        smtp.send_message(new_message(), mail_options=["SMTPUTF8", "RET=HDRS"], rcpt_options=["NOTIFY=FAILURE"])
    assert door.intake.orders[0].submissions[0].parts["dsn"]["ret"] == "HDRS"


def test_smtplib_hears_why_a_login_fails(door: RunningDoor) -> None:
    with smtplib.SMTP_SSL("localhost", door.submissions, context=door.tls, timeout=10) as smtp:
        with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
            smtp.login(USERNAME, "wrong")
        assert caught.value.smtp_code == 535


def test_smtplib_does_not_log_in_without_tls(door: RunningDoor) -> None:
    with smtplib.SMTP("localhost", door.submission, timeout=10) as smtp, pytest.raises(smtplib.SMTPNotSupportedError):
        smtp.login(USERNAME, PASSWORD)


@pytest.mark.parametrize("use_tls", [True, False])
async def test_aiosmtplib(door: RunningDoor, use_tls: bool) -> None:
    port = door.submissions if use_tls else door.submission
    smtp = aiosmtplib.SMTP(
        hostname="localhost", port=port, use_tls=use_tls, start_tls=not use_tls, tls_context=door.tls, timeout=10
    )
    async with smtp:
        await smtp.login(USERNAME, PASSWORD)
        errors, text = await smtp.send_message(new_message())
    assert errors == {}
    assert text.startswith("2.0.0 queued as em_")


@pytest.mark.skipif(shutil.which("swaks") is None, reason="swaks is not installed")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("way", ["--tls", "--tls-on-connect"])
def test_swaks(door: RunningDoor, way: str, mechanism: str) -> None:
    port = door.submission if way == "--tls" else door.submissions
    command = f"swaks --server localhost:{port} {way} --auth {mechanism} --auth-user {USERNAME} --to b@example.net"
    command += f" --auth-password {PASSWORD} --from hello@acme.test --pipeline --timeout 10"
    done = subprocess.run(command.split(), capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "queued as em_" in done.stdout
    assert len(door.intake.orders) == 1
