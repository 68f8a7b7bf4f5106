"""Bodies whose faults are of several kinds: of a faulty one the rest is looked at too, so that all is told at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from api.web.bodies import Extra, extra_for, faults_of_keys, parse_json, read_small_body
from api.web.faults import faults_in, fields_of
from api.web.parameters import faults_of_query
from hourpost.errors import Fault, Forbidden, ValidationFailed

M = TypeVar("M", bound=BaseModel)

_BLANKS: tuple[Any, ...] = ("", [], [1])


class Draft(Generic[M]):
    """The fields of a body as far as they are right; a faulty one is blank, and what is found there is not told."""

    def __init__(self, fields: M, faults: Sequence[Fault] = (), others: Sequence[Fault] = ()) -> None:
        """``others`` are faults that are none of a field's."""
        self.fields = fields
        self._faults = [*faults, *others]
        self._faulty = fields_of(faults)
        self._refusals: list[Forbidden] = []

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Keep what is found wrong inside, and go on behind it."""
        try:
            yield
        except ValidationFailed as error:
            self.note(error.faults)
        except Forbidden as error:
            faults = self._told(error.faults)
            if faults or not self._faulty:
                self._faults += faults
                self._refusals.append(error)

    def is_right(self, name: str) -> bool:
        """Whether nothing was wrong with the field of this name as it came."""
        return name not in self._faulty

    def note(self, faults: Iterable[Fault]) -> None:
        """Keep what is wrong."""
        self._faults += self._told(faults)

    def end(self) -> M:
        """The fields, of which nothing is wrong. Raises: ValidationFailed; Forbidden where that alone was found."""
        refused = {id(fault) for error in self._refusals for fault in error.faults}
        if self._refusals and all(id(fault) in refused for fault in self._faults):
            raise self._refusals[0]
        if self._faults:
            raise ValidationFailed(self._faults)
        return self.fields

    def _told(self, faults: Iterable[Fault]) -> list[Fault]:
        """Of these faults those that say something new: one for a place, and none of what is blank."""
        known = {fault.pointer for fault in self._faults}
        new: dict[str, Fault] = {}
        for fault in faults:
            if fault.pointer not in known and not fields_of([fault]) & self._faulty:
                new.setdefault(fault.pointer, fault)
        return list(new.values())


async def read_draft(request: Request, model: type[M]) -> Draft[M]:
    """The body as far as ``model`` has it. Raises: ValidationFailed where it is no JSON object; MessageTooLarge."""
    raw = await read_small_body(request)
    strange = faults_of_query(request)
    try:
        body = parse_json(raw)
    except ValidationFailed as error:
        raise ValidationFailed([*error.faults, *strange]) from None
    if not isinstance(body, dict):
        raise ValidationFailed([Fault("", "the body must be an object"), *strange])
    return to_draft_of(model, body, extra_for(request), [*faults_of_keys(raw), *strange])


def to_draft_of(model: type[M], body: dict[str, Any], extra: Extra, others: Sequence[Fault] = ()) -> Draft[M]:
    """A parsed body as far as ``model`` has it; ``others`` are faults that were found beside it."""
    try:
        return Draft(model.model_validate(body, extra=extra), (), others)
    except ValidationError as error:
        faults = faults_in(error, body)
    return Draft(_construct(model, body, fields_of(faults)), faults, others)


def _construct(model: type[M], body: dict[str, Any], faulty: set[str]) -> M:
    made = model.model_construct()
    for name, field in model.model_fields.items():
        if name in body and name not in faulty:
            _assign(made, name, body[name])
        elif field.is_required():
            any(_assign(made, name, blank) for blank in _BLANKS)
    return made


def _assign(made: BaseModel, name: str, value: Any) -> bool:
    try:
        made.__pydantic_validator__.validate_assignment(made, name, value)
    except ValidationError:
        return False
    return True
