"""Parting: a partial batch goes on without the emails that are refused, and tells of them. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hourpost.errors import HourpostError
from hourpost.flow.placing import Request, refusal_of
from hourpost.rules.hour_tokens import Answer, Taken
from hourpost.rules.submission import Order

Parted = tuple[Order, Request, tuple[Answer, ...]]


def part(order: Order, request: Request, answers: Sequence[Answer], taken: Taken) -> Parted:
    """The order, what it asked and what it was answered, without what the hour refused; all of it where none is left.

    What is refused has taken nothing and waits for nothing.
    """
    gone: dict[int, HourpostError] = {}
    for answer, share in zip(answers, request.shares, strict=True):
        if answer.refusal is not None and (error := refusal_of(order, (answer,), taken)) is not None:
            gone.update(dict.fromkeys(share, error))
    if not gone or len(gone) == len(order.submissions):
        return order, request, tuple(answers)
    places = {old: new for new, old in enumerate(i for i in range(len(order.submissions)) if i not in gone)}
    kept = [number for number, share in enumerate(request.shares) if not gone.keys() & set(share)]
    wants = tuple(request.wants[number] for number in kept)
    shares = tuple(tuple(places[index] for index in request.shares[number]) for number in kept)
    return without(order, gone), Request(wants, shares), tuple(answers[number] for number in kept)


def without(order: Order, gone: Mapping[int, HourpostError]) -> Order:
    """The order without these of its submissions, of which it tells instead."""
    if order.tell is None:
        raise ValueError("an order that is not partial is stored as a whole or not at all")
    told = [order.tell(order.submissions[index], error) for index, error in gone.items()]
    errors = sorted((*order.errors, *told), key=lambda error: int(error["index"]))
    left = tuple(one for index, one in enumerate(order.submissions) if index not in gone)
    return replace(order, submissions=left, errors=tuple(errors))
