"""The fake Stripe says nothing that the real one could not say: the stripe package's own types are the measure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar, get_args, get_origin

import pytest
import stripe
from stripe._object_classes import get_object_class

from tests.billing.conftest import Shop
from tests.fakes.stripe_state import Thing


def faults_of(thing: Any, kind: Any = None, place: str = "") -> Iterator[str]:
    """Fields that the package does not know at that place, words that it does not allow there, and what is missing."""
    if isinstance(thing, list):
        for one in thing:
            yield from faults_of(one, kind, place)
    elif isinstance(thing, dict) and thing.get("object") == "list":
        yield from (f"a list has no {name}" for name in ("url", "has_more") if name not in thing)
        yield from faults_of(thing["data"])
    elif isinstance(thing, dict):
        if isinstance(thing.get("object"), str):
            kind, place = get_object_class("V1", thing["object"]), thing["object"]
        if kind is not None:  # else metadata, and what else may hold anything
            yield from _faults_of_fields(thing, kind, place)


def _faults_of_fields(thing: Thing, kind: Any, place: str) -> Iterator[str]:
    if not thing.get("deleted"):
        yield from (f"{place}.{name} is missing" for name in _always_there(kind) if name not in thing)
    for name, value in thing.items():
        told = str(kind.__annotations__.get(name, ""))
        if not told:
            yield f"{place}.{name} is no field"
        words = [word for text in re.findall(r"Literal\[(.*?)\]", told, re.S) for word in re.findall(r"[\w.]+", text)]
        if words and isinstance(value, str) and value not in words:
            yield f"{place}.{name} is never {value}"
        yield from faults_of(value, _inner(kind, told), f"{place}.{name}")


def _always_there(kind: Any) -> Iterator[str]:
    """What is neither null nor absent in any answer: the package calls all else optional."""
    for name, told in kind.__annotations__.items():
        if get_origin(told) is not ClassVar and type(None) not in get_args(told) and name != "OBJECT_NAME":
            yield name


def _inner(kind: Any, told: str) -> Any:
    """The class of a field's value, where it is declared within the class that has the field."""
    found = [getattr(kind, word, None) for word in re.findall(r"[A-Z]\w+", told)]
    return next((one for one in found if isinstance(one, type)), None)


@pytest.fixture
def said(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> list[Thing]:
    """Every answer of the fake."""
    answers: list[Thing] = []
    given = shop.fake._try

    def listen(*question: Any) -> tuple[int, Thing]:
        status, answer = given(*question)
        if status == 200:
            answers.append(answer)
        return status, answer

    monkeypatch.setattr(shop.fake, "_try", listen)
    return answers


async def test_every_field_of_its_answers_and_webhooks_is_one_of_stripes(shop: Shop, said: list[Thing]) -> None:
    await shop.stripe.put_product("normal", "Normal", "1500 an hour", 14600)
    account = await shop.subscriber("normal")
    await shop.till.portal(account.id)
    move = await shop.till.preview(account.id, "skilled")
    assert move.preview is not None
    shop.fake.state.cards[(await shop.customer(account)).id] = "authenticate"
    await shop.till.change(account.id, "skilled", move.preview.at)
    await shop.till.take_back(account.id)
    await shop.till.change(account.id, "skilled", shop.clock.now())
    shop.pass_time(days=1)
    await shop.till.change(account.id, "path", shop.clock.now())
    await shop.till.cancel(account.id)
    await shop.till.resume(account.id)
    invoice = shop.fake.state.all("invoice", status="paid")[0]
    shop.fake.state.refund(invoice, 100)
    shop.fake.state.dispute(invoice)
    shop.pass_time(days=31)
    await shop.till.close(account.id)
    assert {one["object"] for one in said} >= {"checkout.session", "subscription_schedule", "invoice", "list"}
    found = sorted({*faults_of(said + shop.fake.events)})
    assert not found, "\n".join(found)


def test_what_is_read_of_a_subscription_stands_where_this_version_has_it() -> None:
    assert "current_period_end" not in stripe.Subscription.__annotations__
    assert "current_period_end" in stripe.SubscriptionItem.__annotations__
