"""Mail that comes in by a route of a customer's."""

from __future__ import annotations

from typing import Any

from hourpost.flow.receive import Envelope, Receiver
from tests.api.web.conftest import Customer
from tests.inbound.house import HOP


def make_route(owner: Customer, **fields: Any) -> dict[str, Any]:
    body = {"pattern": f"Support@{owner.domain.name}", "url": "https://acme.example/inbound"} | fields
    answer = owner.http.post("/v1/inbound/routes", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def arrive(receiver: Receiver, recipient: str, letter: bytes) -> None:
    """Let it come in by port 25's own way."""
    found = await receiver.find(recipient)
    assert found is not None
    await receiver.receive(Envelope(HOP, "ada@far.example", (found,)), letter)
