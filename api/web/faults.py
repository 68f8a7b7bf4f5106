"""From pydantic's errors to faults with JSON pointers (RFC 6901), in words for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from hourpost.errors import Fault, ValidationFailed

MOST_NAMED = 100
"""How many faults of one kind are named one by one: of the others nobody reads, and each takes its time."""
_MOST_COUNTED = 1000

_WORDS = {
    "missing": "is required",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "string_pattern_mismatch": "may hold letters, digits, _ and - only, 1 to 256 of them",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large a number",
    "date_from_datetime_parsing": "must be a day such as 2026-12-01",
    "date_parsing": "must be a day such as 2026-12-01",
    "datetime_parsing": "must be a moment such as 2026-12-01T09:00:00Z",
    "datetime_from_date_parsing": "must be a moment such as 2026-12-01T09:00:00Z",
    "timezone_aware": "must have a time zone, as 2026-12-01T09:00:00Z has",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "string_too_long": "must have {max_length} characters or fewer",
    "string_too_short": "must have {min_length} characters or more",
    "too_long": "must have {max_length} items or fewer",
    "too_short": "must have {min_length} items or more",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
}
_ONE_OF = {"string_type": "a string", "list_type": "a list", "dict_type": "an object", "int_type": "a whole number"}


class FieldError(ValueError):
    """Several things wrong inside one field: where, seen from the field (``/0`` or nothing), and what."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(detail for _, detail in faults))
        self.faults = faults


def faults_in(error: ValidationError, body: Any, *, start: str = "") -> list[Fault]:
    """Every fault of ``body``, one for a place; ``start`` is the pointer of ``body`` in the whole document.

    Of more than a thousand, in one of many bodies of more than a hundred, only how many there are.
    """
    if error.error_count() > (MOST_NAMED if start else _MOST_COUNTED):
        return [Fault(start, f"{_whole(start)} has {error.error_count():,} faults, too many to name them")]
    found: dict[str, list[dict[str, Any]]] = {}
    for one in error.errors(include_url=False, include_input=False):
        found.setdefault(_pointer(one["loc"], one["type"], body), []).append(dict(one))
    return [
        fault
        for pointer, errors in found.items()
        if not (_is_branch(errors) and any(other.startswith(pointer + "/") for other in found))
        for fault in _faults_at(start, pointer, errors)
    ]


def faults_in_query(errors: Iterable[Mapping[str, Any]]) -> list[Fault]:
    """Every fault of the parameters of an address, as FastAPI found them; each names its parameter."""
    found: dict[str, Fault] = {}
    for one in errors:
        place = one["loc"][1:] or one["loc"]
        detail = _detail(".".join(map(str, place)), one, whole="the query")
        found.setdefault(pointer_to(place), Fault(pointer_to(place), detail, one["type"] == "missing"))
    return list(found.values())


def naming(fault: Fault) -> Fault:
    """The same in words that name the field, for those that were found where nobody knew how it is called there."""
    name = _name_of(fault.pointer)
    says_so = "`" in fault.detail or fault.detail.startswith(("header ", f"{name} ", f"the {name} "))
    return fault if says_so or not name else replace(fault, detail=f"`{name}`: {fault.detail}")


def check_all(*checks: Callable[[], object]) -> None:
    """Run every check. Raises: ValidationFailed, with the faults of all of them."""
    faults: list[Fault] = []
    for check in checks:
        try:
            check()
        except ValidationFailed as error:
            faults += error.faults
    if faults:
        raise ValidationFailed(faults)


def fields_of(faults: Iterable[Fault], *, start: str = "") -> set[str]:
    """The names of the outermost fields that have faults."""
    return {fault.pointer[len(start) :].split("/")[1] for fault in faults if "/" in fault.pointer[len(start) :]}


def pointer_to(place: Sequence[str | int]) -> str:
    """The JSON pointer of a place."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in place)


def _pointer(place: tuple[str | int, ...], kind: str, body: Any) -> str:
    """pydantic mixes the names of a union's branches into the place; only what is in the body is a step, or lacks."""
    steps: list[str | int] = []
    here = body
    for index, step in enumerate(place):
        if _holds(here, step):
            here = here[step]
            steps.append(step)
        elif index == len(place) - 1 and (kind == "missing" or (kind == "value_error" and isinstance(here, dict))):
            steps.append(step)
    return pointer_to(steps)


def _holds(value: Any, step: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(step, int) and step < len(value)
    return isinstance(value, dict) and step in value


def _is_branch(errors: list[dict[str, Any]]) -> bool:
    """Whether all that is wrong is the kind of value, as for each branch of a union that was not meant."""
    return all(one["type"] in _ONE_OF for one in errors)


def _faults_at(start: str, pointer: str, errors: list[dict[str, Any]]) -> list[Fault]:
    name = _name_of(pointer)
    if len(errors) > 1 and _is_branch(errors):
        words = " or ".join(dict.fromkeys(_ONE_OF[one["type"]] for one in errors))
        return [Fault(start + pointer, f"`{name}` must be {words}")]
    faults: dict[tuple[str, str], Fault] = {}
    for one in errors:
        cause = one.get("ctx", {}).get("error")
        if isinstance(cause, FieldError):
            for inner, detail in cause.faults:
                faults[inner, detail] = Fault(start + pointer + inner, _named(name, inner, detail))
            continue
        detail = _detail(name, one, whole=_whole(start))
        faults["", detail] = Fault(start + pointer, detail, one["type"] == "missing")
    return list(faults.values())


def _whole(start: str) -> str:
    return "the email" if start else "the body"


def _name_of(pointer: str) -> str:
    return pointer[1:].replace("/", ".").replace("~1", "/").replace("~0", "~")


def _named(name: str, inner: str, detail: str) -> str:
    """What is wrong inside a field, with the field or the item of it, unless it says so itself as headers do."""
    place = name + inner.replace("/", ".") if inner[1:].isdecimal() else name
    return _joined(place, detail) if place and not detail.startswith("header ") else detail


def _detail(name: str, one: Mapping[str, Any], *, whole: str) -> str:
    if one["type"] == "extra_forbidden":
        return f"`{name}` is not a field that is known here"
    words = _words_of(one)
    words = words[0].lower() + words[1:] if words else "is not valid"
    if not name:
        return f"{whole} {words}"
    return _joined(name, words)


def _joined(name: str, words: str) -> str:
    return f"`{name}` {words}" if words.startswith(("is ", "must ", "may ", "has ", "holds ")) else f"`{name}`: {words}"


def _words_of(one: Mapping[str, Any]) -> str:
    known = {name: str(value).replace("'", "`") for name, value in one.get("ctx", {}).items()}
    words = _WORDS.get(one["type"], "").format_map(known) or str(one["msg"]).removeprefix("Value error, ")
    return words.replace(" 1 items", " 1 item")
