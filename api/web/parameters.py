"""The parameters in a query: what a route does not know, or is told twice, is named with all else that is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi._compat import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_params_to_args
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.requests import Request

from api.web.faults import pointer_to
from hourpost.errors import Fault, ValidationFailed


async def known_parameters(request: Request) -> None:
    """Refuse names that the route does not know or that stand twice, unless it reads a body.

    None takes a list, and of two values one would be dropped in silence. Raises: RequestValidationError.
    """
    route = request.scope["route"]
    if not request.scope["query_string"] or "requestBody" in (route.openapi_extra or ()):
        return
    dependants = tuple(_all_of(route.dependant))
    known = _names_of(dependants)
    counts = Counter(name for name, _ in request.query_params.multi_items())
    unknown = [name for name in counts if name not in known]
    twice = [name for name, count in counts.items() if count > 1 and name in known]
    if not unknown and not twice:
        return
    errors = [
        error for one in dependants for error in request_params_to_args(one.query_params, request.query_params)[1]
    ]
    words = "is not a parameter here" + (f"; there are {', '.join(sorted(known))}" if known else "")
    said = [*((name, words) for name in unknown), *((name, "stands twice; it takes one value") for name in twice)]
    raise RequestValidationError(
        [*errors, *({"loc": ("query", name), "type": "value", "msg": msg} for name, msg in said)]
    )


@contextmanager
def beside_the_query(request: Request) -> Iterator[None]:
    """Read a body; its faults are named together with all that the query holds, as routes with a body know none of it.

    Clients that were written for others, at the root, may ask for more. Raises: ValidationFailed.
    """
    strange = faults_of_query(request)
    try:
        yield
    except ValidationFailed as error:
        if not strange:
            raise
        raise ValidationFailed([*error.faults, *strange]) from None
    if strange:
        raise ValidationFailed(strange)


def faults_of_query(request: Request) -> list[Fault]:
    """Everything in the query of a route with a body, which knows no parameters; at the root more may be asked for."""
    if not request.scope["query_string"] or not request.scope["path"].startswith("/v1/"):
        return []
    names = dict.fromkeys(request.query_params.keys())
    return [Fault(pointer_to((name,)), f"`{name}` is not a parameter here") for name in names]


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
