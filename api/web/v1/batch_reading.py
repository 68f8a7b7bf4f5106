"""A batch: an array of emails, or an object with defaults, emails and a mode."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import starmap
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from api.web.bodies import Extra, parse_json
from api.web.errors import MAX_FAULTS, faults_of, status_of
from api.web.faults import faults_in
from api.web.v1.email_reading import read_email
from hourpost.aside import aside
from hourpost.errors import (
    Fault,
    Forbidden,
    HourpostError,
    MessageTooLarge,
    Refused,
    ValidationFailed,
    in_short,
)
from hourpost.rules.submission import MAX_BATCH, Standing, Submission

_BREATH = 16  # emails, which take a millisecond


class BatchFields(BaseModel):
    """Many emails with what they have in common."""

    model_config = ConfigDict(extra="forbid", title="Batch")

    defaults: dict[str, Any] = Field({}, description="Fields that each email has unless it says otherwise.")
    emails: list[Any]
    mode: Literal["strict", "partial"] | None = Field(
        None, description="`strict` stores all or none, `partial` those without faults."
    )


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be stored, and of a partial batch what is not."""

    submissions: tuple[Submission, ...]
    is_partial: bool
    errors: tuple[dict[str, Any], ...] = ()


_BATCH = TypeAdapter(BatchFields)


async def read_batch(raw: bytes, standing: Standing, now: datetime, *, extra: Extra, validation: str = "") -> Batch:
    """The submissions of a batch; ``validation`` is the header ``x-batch-validation`` (strict or permissive).

    Raises: ValidationFailed with all faults of all emails, or what else is wrong with the first faulty one.
    """
    opened = await aside(len(raw), lambda: _open(parse_json(raw), extra))
    start, emails = opened.start, opened.emails
    is_partial = (opened.mode or validation) in ("partial", "permissive")
    if len(emails) > MAX_BATCH or (opened.faults and not emails):
        raise ValidationFailed(list(opened.faults))
    read = partial(_read_one, standing=standing, now=now, extra=extra)
    placed = [(f"{start}/{index}", email) for index, email in enumerate(emails)]
    found: list[Submission | Refused] = []
    for first in range(0, len(placed), _BREATH):
        some = placed[first : first + _BREATH]
        found += await aside(sum(_size_of(email) for _, email in some), partial(list, starmap(read, some)))
        await asyncio.sleep(0)  # a thousand emails take long enough for others to wait
    submissions = [one for one in found if isinstance(one, Submission)]
    refused = [(index, one) for index, one in enumerate(found) if isinstance(one, Refused)]
    if opened.faults:
        raise ValidationFailed(
            [*opened.faults, *(fault for _, error in refused for fault in faults_of(error))][:MAX_FAULTS]
        )
    if refused and (not is_partial or not submissions):
        raise _together(refused)
    return Batch(tuple(submissions), is_partial, tuple(_told(index, error) for index, error in refused))


def _size_of(email: Any) -> int:
    """How much there is to read in an email as it came, near enough."""
    if not isinstance(email, dict):
        return 0
    files = email.get("attachments")
    files = files if isinstance(files, list) else ()
    inside = [value for one in files if isinstance(one, dict) for value in one.values()] if files else ()
    return sum(len(value) for value in (*email.values(), *inside) if isinstance(value, str))


def _read_one(start: str, email: Any, standing: Standing, now: datetime, extra: Extra) -> Submission | Refused:
    try:
        return read_email(email, standing, now, extra=extra, start=start)
    except Refused as error:
        return error


@dataclass(frozen=True, slots=True)
class _Opened:
    """The pointer of the list, the emails with their defaults, the mode, and what is wrong around the emails."""

    start: str
    emails: list[Any]
    mode: str | None
    faults: tuple[Fault, ...]


def _open(body: Any, extra: Extra) -> _Opened:
    if isinstance(body, list):
        return _Opened("", body, None, tuple(_faults_of_number("", body)))
    mode, faults = None, []
    try:
        mode = _BATCH.validate_python(body, extra=extra).mode
    except ValidationError as error:
        faults = faults_in(error, body)
    found = body if isinstance(body, dict) else {}
    emails, defaults = found.get("emails"), found.get("defaults")
    if not isinstance(emails, list):
        return _Opened("/emails", [], mode, tuple(faults))
    faults += _faults_of_number("/emails", emails)
    if defaults and isinstance(defaults, dict):
        emails = [defaults | email if isinstance(email, dict) else email for email in emails]
    return _Opened("/emails", emails, mode, tuple(faults))


def _faults_of_number(start: str, emails: list[Any]) -> list[Fault]:
    if 1 <= len(emails) <= MAX_BATCH:
        return []
    return [Fault(start, f"a batch has 1 to {MAX_BATCH} emails, this one has {len(emails)}")]


def _together(refused: list[tuple[int, Refused]]) -> Refused:
    """One error for all that was refused; its message, which is all that many clients show, says of which emails."""
    first = refused[0][1]
    faults = [fault for _, error in refused for fault in faults_of(error)]
    message = in_short([f"emails[{index}]: {fault.detail}" for index, error in refused for fault in faults_of(error)])
    if any(error.name != first.name for _, error in refused) or isinstance(first, ValidationFailed):
        return ValidationFailed(faults[:MAX_FAULTS], message)
    if isinstance(first, Forbidden):
        return Forbidden(first.name, message, faults=faults[:MAX_FAULTS])
    return MessageTooLarge(message, faults=faults[:MAX_FAULTS])


def told(one: Submission, error: HourpostError) -> dict[str, Any]:
    """What ``errors`` says of an email that was read well and is refused."""
    return _told(int(one.place.rpartition("/")[2]), error)


def _told(index: int, error: HourpostError) -> dict[str, Any]:
    told: dict[str, Any] = {
        "index": index,
        "statusCode": status_of(error),
        "name": error.name,
        "message": error.message,
    }
    faults = faults_of(error)
    if faults:
        told["errors"] = [{"pointer": fault.pointer, "detail": fault.detail} for fault in faults]
    return told
