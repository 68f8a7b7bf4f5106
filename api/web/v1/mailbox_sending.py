"""Writing in a mailbox: letters and answers that leave from its address, and drafts."""

from __future__ import annotations

from functools import partial
from hashlib import sha256
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from api.web.answers import Json
from api.web.bodies import extra_for, parse_json, read_body
from api.web.breadth import check_fields
from api.web.drafts import Draft, to_draft_of
from api.web.faults import faults_in
from api.web.parameters import beside_the_query
from api.web.v1 import mailbox_shapes as shapes
from api.web.v1.documented import body, route
from api.web.v1.email_fields import DRAFT, DraftFields, addresses_in
from api.web.v1.email_reading import read_email
from api.web.v1.mailbox_places import InMailbox, TheMailbox, folder_of
from api.web.v1.sending import headers_of, idempotency_key, usage_after
from hourpost.aside import aside
from hourpost.errors import Fault, Forbidden, NotFound, ValidationFailed
from hourpost.flow.post import Letter, Place, Post, key_of_draft
from hourpost.mailboxes import answering, drafts, reading
from hourpost.mailboxes.uid_ranges import LAST_UID
from hourpost.rules.ids import to_text

router = APIRouter(prefix="/mailboxes/{mailbox}", tags=["mailboxes"])


class MessagePlace(BaseModel):
    """A message of this mailbox."""

    model_config = ConfigDict(extra="forbid")

    folder: str = Field(max_length=200, description="By its id or by what it is for.")
    uid: int = Field(ge=1, le=LAST_UID)


class Relation(BaseModel):
    """What a letter has to do with messages that are there already."""

    model_config = ConfigDict(extra="ignore")

    answers: MessagePlace | None = Field(None, description="The message that it answers.")
    to_all: bool = Field(False, description="With `answers`: to everybody whom that concerned.")
    draft: int | None = Field(None, ge=1, le=LAST_UID, description="The uid of the draft that it was, which goes.")


class LetterFields(DraftFields, Relation):
    """A letter. What an answer does not say, the message that it answers gives: `to`, `subject`, References."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"answers": {"folder": "inbox", "uid": 7}, "text": "Thank you, I will."}},
    )


_OWN = frozenset(Relation.model_fields)
_STAND_IN = {"to": "nobody@example.com", "subject": ""}
"""What the message would have given, where there is none that is answered: the rest is looked at all the same."""


@router.post("/send", **route("send_from_mailbox", shapes.LetterSent, 202, openapi_extra=body("LetterFields")))
async def send_from_mailbox(here: TheMailbox, request: Request) -> Response:
    """Send a letter or an answer from the mailbox's address or an alias, within the hour of the account.

    It is filed in Sent at once, where it will show what became of it, and what it answers is marked as answered.
    """
    raw = await read_body(request)
    with beside_the_query(request):
        asked, relation = await aside(len(raw), lambda: _split(parse_json(raw)), here.caller.account_id)
        answers, asked = await _complete(here, relation, asked)
        with relation.noting():
            read = partial(read_email, asked, here.caller, here.parts.clock.now(), extra=extra_for(request))
            submission = await aside(len(raw), read, here.caller.account_id)
            _require_own(here, submission.from_address)
        draft = await _draft_of(here, relation)
        relation.end()
    key = idempotency_key(request)
    if key is None and draft is not None:
        key = key_of_draft(here.mailbox.id, draft.folder_id, draft.uid)
    letter = Letter(here.mailbox.id, submission, answers, draft, key, sha256(raw).digest() if key else b"")
    posted = await Post(here.parts.mail, here.parts.intake.accept).send(here.caller, letter)
    placed = posted.receipt.placed[0]
    email_id = to_text("em", placed.email_id)
    usage = await usage_after(here.parts, here.caller, posted.receipt)
    headers = headers_of(posted.receipt, usage) | {"Location": f"/v1/emails/{email_id}"}
    sent = {"uid": posted.copy.uid, "folder": to_text("fld", posted.copy.folder_id)} if posted.copy else None
    return Json({"object": "email", "id": email_id, "message_id": placed.message_id, "sent": sent}, 202, headers)


@router.post("/drafts", **route("save_draft", shapes.DraftSaved, 201, openapi_extra=body("LetterFields")))
async def save_draft(here: TheMailbox, request: Request) -> Response:
    """Save a draft, in place of the one that `draft` names. Nothing in it is required."""
    raw = await read_body(request)
    with beside_the_query(request):
        asked, relation = await aside(len(raw), lambda: _split(parse_json(raw)), here.caller.account_id)
        _, asked = await _complete(here, relation, asked)
        with relation.noting():
            fields = await aside(len(raw), partial(_read_draft, request, asked), here.caller.account_id)
            _require_own(here, fields.sender.spec.lower())
        old = await _draft_of(here, relation)
        relation.end()
    write = partial(drafts.write_draft, to_draft(fields), here.parts.clock.now())
    content = await aside(len(raw), write, here.caller.account_id)
    saved = await drafts.save_draft(here.parts.mail, here.mailbox.id, content, replaces=old.uid if old else None)
    return Json({"object": "draft", "folder": to_text("fld", saved.folder_id), "uid": saved.uid}, 201)


def _read_draft(request: Request, asked: dict[str, Any]) -> DraftFields:
    check_fields(asked, "")
    try:
        return DRAFT.validate_python(asked, extra=extra_for(request))
    except ValidationError as error:
        raise ValidationFailed(faults_in(error, asked)) from None


def _split(asked: Any) -> tuple[dict[str, Any], Draft[Relation]]:
    """The fields of an email, and the rest. Raises: ValidationFailed where there are none."""
    if not isinstance(asked, dict):
        raise ValidationFailed([Fault("", "the body must be an object")])
    return {name: value for name, value in asked.items() if name not in _OWN}, to_draft_of(Relation, asked, "ignore")


async def _complete(
    here: InMailbox, relation: Draft[Relation], asked: dict[str, Any]
) -> tuple[Place | None, dict[str, Any]]:
    """The message that is answered, and the fields with what the mailbox and that message give."""
    if asked.get("from") is None:
        asked = asked | {"from": answering.sender_of(here.mailbox)}
    answers = relation.fields.answers
    if answers is None:
        return None, asked if relation.is_right("answers") else _STAND_IN | asked
    try:
        folder = await folder_of(answers.folder, here.mailbox, here.parts)
        place = reading.Place(here.caller.account_id, folder.id, answers.uid)
        message = await reading.read_message(here.parts.mail, place, lambda _: "")
    except NotFound:
        relation.note([Fault("/answers", "`answers` names no message of this mailbox")])
        return None, _STAND_IN | asked
    defaults = answering.answer_defaults(message, here.mailbox, to_all=relation.fields.to_all)
    taken: dict[str, Any] = {"subject": defaults.subject}
    if defaults.to and not any(asked.get(name) for name in ("to", "cc", "bcc")):
        taken |= {"to": list(defaults.to)} | ({"cc": list(defaults.cc)} if defaults.cc else {})
    given = {name: value for name, value in asked.items() if value is not None}
    headers = given.get("headers")
    if headers is None or isinstance(headers, dict):
        given["headers"] = dict(defaults.headers) | (headers or {})
    return Place(folder.id, answers.uid), taken | given


async def _draft_of(here: InMailbox, relation: Draft[Relation]) -> Place | None:
    uid = relation.fields.draft
    if uid is None:
        return None
    try:
        folder = await folder_of("drafts", here.mailbox, here.parts)
        await reading.find_row(here.parts.mail, folder.id, uid)
    except NotFound:
        relation.note([Fault("/draft", "`draft` is no message of the Drafts folder")])
        return None
    return Place(folder.id, uid)


def _require_own(here: InMailbox, sender: str) -> None:
    if sender not in here.mailbox.addresses:
        detail = f"`from` must be an address of the mailbox: {', '.join(here.mailbox.addresses)}"
        raise Forbidden("restricted_api_key", detail, faults=[Fault("/from", detail)])


def to_draft(fields: DraftFields) -> drafts.Draft:
    """The draft that these fields make."""
    return drafts.Draft(
        from_=fields.sender,
        to=addresses_in(fields.to),
        cc=addresses_in(fields.cc),
        bcc=addresses_in(fields.bcc),
        reply_to=addresses_in(fields.reply_to),
        subject=fields.subject or "",
        text=fields.text,
        html=fields.html,
        headers=fields.custom_headers,
        attachments=tuple(item.to_attachment() for item in fields.attachments or ()),
    )
