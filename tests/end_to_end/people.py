"""People of the first account: who pays its plan, who was invited, and the links that were mailed."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pyotp

from tests.embedded.running import RunningUp, eventually
from tests.end_to_end.scene import first_steps
from tests.fakes.stripe_server import KEY, SECRET, FakeStripe, run_fake_stripe

PASSWORD = "a sentence to keep in mind"
NEWCOMER, CAREFUL = "mary@example.net", "ada@example.net"
"""Who has only just signed up, and who has a second factor."""


@contextmanager
def run_shop(home: Path) -> Iterator[tuple[RunningUp, FakeStripe]]:
    """A service with a Stripe of its own, which calls its webhooks; it is started and not waited for."""
    with run_fake_stripe() as stripe:
        keys = {"SECRET_KEY": KEY, "WEBHOOK_SECRET": SECRET, "API_URL": stripe.base}
        up = RunningUp(home, **{f"HOURPOST_STRIPE_{name}": value for name, value in keys.items()})
        stripe.webhook_url = f"http://127.0.0.1:{up.ports['HTTP']}/stripe/webhooks"
        try:
            yield up, stripe
        finally:
            up.end()


def bring_people(up: RunningUp, stripe: FakeStripe) -> dict[str, str]:
    """As their browsers do it; gives what the places of ``pages.py`` stand for."""
    url = f"http://127.0.0.1:{up.ports['HTTP']}"
    steps = first_steps(up)
    with httpx.Client(base_url=url, headers={"Origin": url}, timeout=60) as owner:
        _post(owner, "/login", email=steps["email"], password=steps["password"])
        checkout = _post(owner, "/app/plan/checkout", to="path", nonce="once").headers["location"]
        assert owner.get(stripe.pay(checkout)).status_code == 303
        for address, role in (("ada@example.net", "developer"), ("grace@example.net", "billing")):
            _post(owner, "/app/team/invite", email=address, role=role)
        _post(owner, "/app/you/address", email="founder@example.net")
    with httpx.Client(base_url=url, headers={"Origin": url}, timeout=60) as nobody:
        _post(nobody, "/invitation", token=token_to(up, CAREFUL), name="Ada Lovelace", password=PASSWORD)
        new = {"name": "Alan Turing", "email": "alan@example.net", "account_name": "Bombe Ltd", "password": PASSWORD}
        _post(nobody, "/signup", **new)
        _post(nobody, "/password", email=steps["email"])
    with httpx.Client(base_url=url, headers={"Origin": url}, timeout=60) as newcomer:
        domain = _add_domain(newcomer, up)
    with httpx.Client(base_url=url, headers={"Origin": url}, timeout=60) as careful:
        _turn_codes_on(careful)
    return {
        "new_domain_id": domain,
        "address_token": token_to(up, "founder@example.net"),
        "sign_up_token": token_to(up, "alan@example.net"),
        "invitation_token": token_to(up, "grace@example.net"),
        "reset_token": token_to(up, steps["email"]),
    }


def _turn_codes_on(client: httpx.Client) -> None:
    _post(client, "/login", email=CAREFUL, password=PASSWORD)
    page = client.post("/app/you/totp").text
    token, secret = re.search(r'name="token" value="([^"]+)"', page), re.search(r"<code>([A-Z2-7]{32})</code>", page)
    assert token is not None
    assert secret is not None
    client.post("/app/you/totp/on", data={"token": token[1], "code": pyotp.TOTP(secret[1]).now()}).raise_for_status()


def _add_domain(client: httpx.Client, up: RunningUp) -> str:
    """A newcomer with long names and a domain that is not verified; gives the domain's id."""
    sign_up(client, up, NEWCOMER, "The Society for the Recovery of Persons Apparently Drowned")
    added = _post(client, "/app/domains", name="post.society-for-the-recovery-of-persons-apparently-drowned.example")
    return added.headers["location"].rpartition("/")[2]


def sign_up(client: httpx.Client, up: RunningUp, address: str, company: str) -> None:
    """Somebody with an account of their own, who is logged in."""
    new = {"name": "Mary Wollstonecraft Godwin", "email": address, "account_name": company, "password": PASSWORD}
    _post(client, "/signup", **new)
    _post(client, "/signup/confirm", token=token_to(up, address))
    _post(client, "/login", email=address, password=PASSWORD)


def token_to(up: RunningUp, address: str) -> str:
    """The token of the link in the newest mail to somebody."""
    eventually(lambda: letters_to(up, address))
    found = re.search(r"https?://\S+token=(\S+)", letters_to(up, address)[-1])
    assert found is not None
    return found.group(1)


def letters_to(up: RunningUp, address: str) -> list[str]:
    """The texts of all mail that was captured for somebody, the oldest first."""
    mails = [mail for mail in up.captured() if f"X-Envelope-To: {address}\r\n".encode() in mail]
    bodies = [email.message_from_bytes(mail, policy=email.policy.default).get_body(("plain",)) for mail in mails]
    return [str(body.get_content()) for body in bodies if body is not None]


def _post(client: httpx.Client, path: str, **form: str) -> httpx.Response:
    answer = client.post(path, data=form)
    assert answer.status_code == 303, answer.text
    return answer
