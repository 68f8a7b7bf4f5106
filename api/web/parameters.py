"""The parameters in a query: those that a route does not know are named, together with whatever else is wrong there."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi._compat import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_params_to_args
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.requests import Request


async def known_parameters(request: Request) -> None:
    """Refuse names that the route does not know. Raises: RequestValidationError."""
    if not request.scope["query_string"]:
        return
    dependants = tuple(_all_of(request.scope["route"].dependant))
    known = _names_of(dependants)
    unknown = [name for name in dict.fromkeys(request.query_params.keys()) if name not in known]
    if not unknown:
        return
    errors = [
        error for one in dependants for error in request_params_to_args(one.query_params, request.query_params)[1]
    ]
    words = "is not a parameter here" + (f"; there are {', '.join(sorted(known))}" if known else "")
    raise RequestValidationError([*errors, *({"loc": ("query", name), "msg": words} for name in unknown)])


def _all_of(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for one in dependant.dependencies:
        yield from _all_of(one)


def _names_of(dependants: tuple[Dependant, ...]) -> frozenset[str]:
    return frozenset(name for one in dependants for field in one.query_params for name in _names_in(field))


def _names_in(field: ModelField) -> list[str]:
    """A parameter's name; of a model, whose fields are parameters each, all of theirs."""
    model = field.field_info.annotation
    if isinstance(model, type) and issubclass(model, BaseModel):
        return [known.alias or name for name, known in model.model_fields.items()]
    return [field.alias]
