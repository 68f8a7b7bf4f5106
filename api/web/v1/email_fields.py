"""What `POST /emails` takes: the fields, each checked by itself, so that all faults are found at once."""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from functools import lru_cache
from typing import Annotated, Any, NamedTuple, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from api.web.faults import MOST_NAMED, FieldError
from hourpost.rules.addresses import Address, AddressError, parse_address
from hourpost.rules.header_text import find_unsafe
from hourpost.rules.headers import (
    CONTROL_HEADERS,
    MAX_CUSTOM_HEADERS,
    MOST_FAULTS,
    HeaderFault,
    check_headers,
    show_name,
)
from hourpost.rules.labels import (
    MAX_METADATA_BYTES,
    MAX_TAG_LENGTH,
    MAX_TAGS,
    TAG_NAME,
    check_metadata,
    check_tag_value,
)
from hourpost.rules.mime import Attachment, check_attachment
from hourpost.rules.submission import MAX_RECIPIENTS, OnLimit

_PIECE = 1024 * 1024  # whole groups of base64

MAX_SUBJECT = 2000
MAX_ATTACHMENTS = 1000
_MOST_ADDRESSES = _MOST_HEADERS = 1000  # more are counted and not looked at

_NAMELESS = "attachment"
# They turn letters around, so that a program's name reads like a picture's; marks alone (U+200E) do not
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


@lru_cache(maxsize=16_384)
def _to_mailbox(value: str) -> Address:
    """Remembered, because a customer sends from few addresses and often."""
    return parse_address(value)


def _to_mailboxes(value: Any, to_strings: ValidatorFunctionWrapHandler) -> tuple[Address, ...]:
    """Each as an address; of a list of which something is no string the rest is looked at too."""
    if isinstance(value, list) and len(value) > _MOST_ADDRESSES:
        raise ValueError(f"holds {len(value):,} addresses, and an email goes to {MAX_RECIPIENTS} at most")
    try:
        value = to_strings(value)
    except ValidationError:
        if not isinstance(value, list):
            raise
    if value is None or value == "":  # as clients write that have nothing to fill in
        return ()
    return (parse_address(value),) if isinstance(value, str) else _to_each(value)


def _to_each(values: list[Any]) -> tuple[Address, ...]:
    found, faults = [], []
    for index, text in enumerate(values):
        if not isinstance(text, str):
            faults.append((f"/{index}", "must be a string"))
            continue
        try:
            found.append(parse_address(text))
        except AddressError as error:
            faults.append((f"/{index}", str(error)))
        if len(faults) >= MOST_NAMED and index + 1 < len(values):
            faults.append(("", f"has {len(values) - index - 1} more, which were not looked at"))
            break
    if faults:
        raise FieldError(faults)
    return tuple(found)


def _to_subject(value: str) -> str:
    if not value.isprintable() or "=?" in value:
        unsafe = find_unsafe(value)
        if unsafe is not None:
            raise ValueError(f"holds the character {unsafe}, which is not allowed in a header")
    if len(value) > MAX_SUBJECT:
        raise ValueError(f"is longer than {MAX_SUBJECT} characters")
    return value


def _to_body(value: str | None) -> str | None:
    if value is not None and "\0" in value:
        raise ValueError("holds the character U+0000, which no mail may carry")
    return value


class Headers(NamedTuple):
    """Those that travel, and those that speak to us alone and stay here."""

    own: tuple[tuple[str, str], ...] = ()
    control: tuple[tuple[str, str], ...] = ()


def _to_headers(value: Any, to_strings: ValidatorFunctionWrapHandler) -> Headers:
    """Each as a name and a value; of what is no string the others are looked at too."""
    if isinstance(value, dict) and len(value) > _MOST_HEADERS:
        raise ValueError(f"holds {len(value):,} headers, and an email may have {MAX_CUSTOM_HEADERS}")
    headers = Headers()
    try:
        headers = _sort(to_strings(value) or {})
        faults = check_headers(headers.own) if headers.own else []
    except ValidationError:
        if not isinstance(value, dict):
            raise
        others = [name for name, one in value.items() if not isinstance(one, str)]
        faults = [
            HeaderFault(name, f"header {show_name(name)}: its value must be a string") for name in others[:MOST_FAULTS]
        ]
        if len(others) > MOST_FAULTS:
            faults.append(HeaderFault("", f"has {len(others) - MOST_FAULTS} more whose value is no string"))
        faults += check_headers(_sort({name: one for name, one in value.items() if isinstance(one, str)}).own)
    if faults:
        raise FieldError([(f"/{_escape(fault.name)}" if fault.name else "", fault.detail) for fault in faults])
    return headers


def _sort(headers: dict[str, str]) -> Headers:
    control = [name for name in headers if name.lower() in CONTROL_HEADERS]
    if not control:
        return Headers(tuple(headers.items()))
    said = tuple((name, headers.pop(name)) for name in control)
    return Headers(tuple(headers.items()), said)


def _to_bytes(value: str | list[int] | None, info: ValidationInfo) -> bytes | None:
    if value is None:
        if "path" not in info.data:  # that is what is wrong
            return None
        raise ValueError("is required")
    if isinstance(value, list):
        try:
            return bytes(value)
        except ValueError:
            raise ValueError("must hold bytes, which are whole numbers from 0 to 255") from None
    if value.startswith("data:"):
        raise ValueError("must be base64 alone, without the data: address in front")
    if "\n" in value:
        value = value.replace("\r", "").replace("\n", "")
    try:
        return _decode(value)
    except (Base64Error, ValueError) as error:
        raise ValueError(f"is not valid base64: {error}") from None


def _to_filename(value: str | None) -> str | None:
    _require_fit(Attachment(value or _NAMELESS, b"", ""))
    turning = value and not value.isascii() and _TURNING.search(value)
    if turning:
        raise ValueError(f"holds the character U+{ord(turning[0]):04X}, with which a name reads as another")
    return value


def _to_content_type(value: str | None) -> str | None:
    _require_fit(Attachment(_NAMELESS, b"", value or ""))
    return value


def _to_content_id(value: str | None) -> str | None:
    value = (value or "").strip("<>") or None
    _require_fit(Attachment(_NAMELESS, b"", "", value))
    return value


def _require_fit(attachment: Attachment) -> None:
    for _, detail in check_attachment(attachment):
        raise ValueError(detail)


def _refuse_path(value: str | None) -> None:
    if value is not None:
        raise ValueError("files are not fetched from elsewhere: send the file itself in `content`")


def _decode(text: str) -> bytes:
    """Base64, strictly. A large file is taken in pieces, between which other threads have their turn."""
    if len(text) <= _PIECE or "=" in text[:-2]:
        return a2b_base64(text, strict_mode=True)
    return b"".join(
        [a2b_base64(text[start : start + _PIECE], strict_mode=True) for start in range(0, len(text), _PIECE)]
    )


def _to_metadata(value: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if value is None else check_metadata(value)


def _refuse_template(value: Any) -> None:
    if value is not None:
        raise ValueError("is not possible: no templates are kept here; fill yours in and send `html` or `text`")


def _refuse_topic(value: Any) -> None:
    if value is not None:
        raise ValueError("is not possible: no topics are kept here, nor who has left one; choose your recipients")


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _tell_of_content(schema: dict[str, Any]) -> None:
    """The document says that a file needs a content; it is checked behind ``path``, of which there is more to say."""
    properties = schema["properties"]
    properties["path"] = properties.pop("path")
    content = properties["content"]
    del content["default"]
    content["anyOf"].remove({"type": "null"})
    schema["required"] = ["content"]


Mailbox = Annotated[str, AfterValidator(_to_mailbox), Field(description="`a@b.example` or `Name <a@b.example>`.")]
Mailboxes = Annotated[
    str | list[str] | None,
    Field(union_mode="left_to_right", description="One address or a list of them."),
    WrapValidator(_to_mailboxes),
]
Body = Annotated[str | None, AfterValidator(_to_body)]
Bytes = Annotated[list[int], Field(fail_fast=True)]
ContentId = Annotated[str | None, AfterValidator(_to_content_id)]


class AttachmentFields(BaseModel):
    """A file."""

    model_config = ConfigDict(extra="forbid", title="Attachment", json_schema_extra=_tell_of_content)

    path: Annotated[str | None, AfterValidator(_refuse_path)] = Field(
        None, description="Refused: files are not fetched from elsewhere; send `content`."
    )
    filename: Annotated[str | None, AfterValidator(_to_filename)] = Field(
        None, description="The name that the recipient sees.", examples=["invoice.pdf"]
    )
    content: Annotated[
        str | Bytes | None,
        Field(union_mode="left_to_right", validate_default=True, description="The file in base64, or a list of bytes."),
        AfterValidator(_to_bytes),
    ] = None
    content_type: Annotated[str | None, AfterValidator(_to_content_type)] = Field(
        None,
        description="Guessed from the name when missing. `message/…` and `multipart/…` leave as"
        " `application/octet-stream`: no such part may be in base64 (RFC 2046), and as it is it would not stay whole.",
    )
    content_id: ContentId = Field(None, description="For pictures that the HTML shows as `cid:…`.")
    inline_content_id: ContentId = Field(None, description="The same as `content_id`.")

    def to_attachment(self) -> Attachment:
        """The file for the message."""
        content = self.content if isinstance(self.content, bytes) else b""
        content_id = self.content_id or self.inline_content_id or None
        return Attachment(self.filename or _NAMELESS, content, self.content_type or "", content_id)


class TagFields(BaseModel):
    """A label that lists can be filtered by and events carry."""

    model_config = ConfigDict(extra="forbid", title="Tag")

    name: str = Field(pattern=TAG_NAME, examples=["kind"])
    value: Annotated[str, Field(max_length=MAX_TAG_LENGTH, examples=["receipt"]), AfterValidator(check_tag_value)]


class DraftFields(BaseModel):
    """The fields of an email, none of them required: what is left when faulty ones are taken out."""

    model_config = ConfigDict(extra="forbid", title="Draft")

    from_: Mailbox | None = Field(None, alias="from")
    to: Mailboxes = None
    cc: Mailboxes = None
    bcc: Mailboxes = None
    reply_to: Mailboxes = None
    subject: Annotated[str, AfterValidator(_to_subject)] | None = None
    html: Body = Field(None, description="The HTML part; `html`, `text` or both.")
    text: Body = Field(None, description="The plain part; `html`, `text` or both.")
    headers: Annotated[dict[str, str] | None, WrapValidator(_to_headers)] = Field(
        None,
        description="Headers of your own, such as `X-Entity`; not those that other fields set. `X-Tag`, `X-Tags`,"
        " `X-Metadata`, `X-Scheduled-At`, `X-Expires-At` and `X-On-Limit` are for us, as by SMTP, and are taken out.",
    )
    attachments: list[AttachmentFields] | None = Field(None, max_length=MAX_ATTACHMENTS)
    tags: list[TagFields] | None = Field(None, max_length=MAX_TAGS)
    metadata: Annotated[dict[str, Any] | None, AfterValidator(_to_metadata)] = Field(
        None, description=f"Yours: kept and given back, never sent. At most {MAX_METADATA_BYTES} bytes of JSON."
    )
    scheduled_at: str | None = Field(
        None,
        description="ISO 8601 with a time zone, or `in 10 minutes`. It is the email's Date too.",
        examples=["in 10 minutes"],
    )
    expires_at: str | None = Field(
        None,
        description="What has not left by then never does; where the estimate is later, `warnings` says so.",
    )
    on_limit: OnLimit | None = Field(
        None,
        description="Where the plan's hour is full: `queue` (the default) holds the email and sends it by itself"
        " as soon as there is room, `reject` refuses it with 429.",
    )

    @property
    def sender(self) -> Address:
        """Who sends; to be asked only where ``from_`` is there."""
        return cast(Address, self.from_)

    @property
    def custom_headers(self) -> tuple[tuple[str, str], ...]:
        """The headers of the customer's own."""
        return self._sorted.own

    @property
    def control_headers(self) -> tuple[tuple[str, str], ...]:
        """The headers that speak to us alone."""
        return self._sorted.control

    @property
    def _sorted(self) -> Headers:
        return cast(Headers, self.headers or Headers())


class EmailFields(DraftFields):
    """An email to send."""

    model_config = ConfigDict(
        extra="forbid",
        title="Email",
        json_schema_extra={
            "example": {
                "from": "Acme <hello@acme.test>",
                "to": ["ada@example.net"],
                "subject": "Your receipt",
                "text": "Thank you.",
                "html": "<p>Thank you.</p>",
                "tags": [{"name": "kind", "value": "receipt"}],
            }
        },
    )

    from_: Mailbox = Field(alias="from", description="From a verified domain of yours.")
    to: Annotated[str | list[str], Field(union_mode="left_to_right"), WrapValidator(_to_mailboxes)] = Field(
        description="At most 50 recipients over `to`, `cc` and `bcc`."
    )
    subject: Annotated[str, AfterValidator(_to_subject)]
    template: Annotated[Any, AfterValidator(_refuse_template)] = Field(
        None, description="Refused: no templates are kept here; send `html` or `text`."
    )
    topic_id: Annotated[Any, AfterValidator(_refuse_topic)] = Field(
        None, description="Refused: no topics are kept here, nor who has left one."
    )


def addresses_in(field: str | list[str] | None) -> tuple[Address, ...]:
    """What the validator of an address field has made of it."""
    return cast(tuple[Address, ...], field or ())


EMAIL: TypeAdapter[EmailFields] = TypeAdapter(EmailFields)
DRAFT: TypeAdapter[DraftFields] = TypeAdapter(DraftFields)
