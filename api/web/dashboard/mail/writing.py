"""Writing: new letters, answers and forwards, drafts, and what is attached to them."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.responses import JSONResponse

from api.web.bodies import extra_for
from api.web.dashboard.forms import Form, faults_by_field
from api.web.dashboard.mail.quoting import quote_forward, quote_reply
from api.web.dashboard.mail.readers import HOME, Reader, TheReader
from api.web.faults import faults_in
from api.web.v1.email_fields import DRAFT
from api.web.v1.email_reading import read_email
from api.web.v1.mailbox_sending import to_draft
from hourpost.errors import Conflict, Fault, HourpostError, NotFound, ServiceUnavailable, ValidationFailed
from hourpost.flow.post import Letter, Place, Post
from hourpost.mailboxes import answering, drafts, reading
from hourpost.mailboxes.uid_ranges import find_uid

router = APIRouter()

PATH = HOME + "/write"
MAX_UPLOAD_BYTES = 25 * 1024 * 1024
_MOST_FILES = 20
_FIELDS = ("to", "cc", "bcc", "subject", "text", "answers", "forwards", "draft", "all")
_SPLIT_LATER = ("to", "cc", "bcc")


@router.get(PATH)
async def get_write(request: Request, reader: TheReader) -> Response:
    """A new letter, an answer, a forward, or a draft to go on with."""
    asked = {name: request.query_params.get(name, "") for name in ("answers", "forwards", "draft", "all", "to")}
    return await reader.page("mail/write.html", form=await _begin(reader, asked))


@router.post(PATH)
async def post_write(request: Request, reader: TheReader) -> Response:
    """Send it, keep it as a draft, or give it up."""
    async with request.form(max_files=_MOST_FILES, max_part_size=2 * 1024 * 1024) as data:
        form = {name: str(data.get(name, "")).strip() for name in _FIELDS}
        act = data.get("act")
        try:
            draft = await _draft(reader, form)
            if act == "discard":
                return await _discard(reader, draft)
            await _forget_what_is_gone(reader, form)
            asked = await _letter_of(reader, form, data)
            if act == "keep":
                return await _keep(reader, form, asked, draft)
            return await _send(reader, form, asked, draft)
        except ServiceUnavailable:
            raise
        except HourpostError as error:
            return await reader.page("mail/write.html", status=422, form=form, faults=_faults(error))


async def _draft(reader: Reader, form: Form) -> Place | None:
    """The draft that this letter was. Raises: Conflict once it is gone; what is written goes on without it."""
    if not form["draft"]:
        return None
    try:
        return await _place(reader, form["draft"])
    except NotFound:
        form["draft"] = ""
        words = "This draft was sent, kept or given up elsewhere. What stands here can be sent all the same."
        raise Conflict("draft_gone", words) from None


async def _forget_what_is_gone(reader: Reader, form: Form) -> None:
    """An answer goes on without the message that it answers, once that is moved or deleted.

    Raises: Conflict where a message that is forwarded is gone, for its files go with it.
    """
    for name in ("answers", "forwards"):
        if not form[name]:
            continue
        try:
            await _place(reader, form[name])
        except NotFound:
            form[name] = ""
            if name == "forwards":
                words = "What you forward was moved or deleted. What stands here can be sent without its files."
                raise Conflict("message_gone", words) from None


async def _discard(reader: Reader, draft: Place | None) -> Response:
    if draft is None:
        return reader.redirect(HOME)
    await reader.parts.mail.remove(reader.mailbox.id, draft.folder_id, ((draft.uid, draft.uid),))
    return reader.redirect(HOME, "The draft is gone.", "info")


async def _send(reader: Reader, form: Form, asked: dict[str, Any], draft: Place | None) -> Response:
    parts = reader.parts
    standing = await parts.standings.by_account(reader.mailbox.account_id)
    sender = replace(standing, kind="mailbox", scope="sending", addresses=frozenset(reader.mailbox.addresses))
    submission = read_email(asked, sender, reader.now, extra=extra_for(reader.request))
    answers = await _place(reader, form["answers"]) if form["answers"] else None
    letter = Letter(reader.mailbox.id, submission, answers, draft)
    placed = (await Post(parts.mail, parts.intake.accept).send(sender, letter)).receipt.placed[0]
    where = f"{HOME}/f/{(await reader.folder('sent')).public_id}"
    if placed.held_by == "plan":
        words = "The hour is full: it waits, and leaves by itself. Here you see when, and can take it back until then."
        return reader.redirect(where, words, "warn")
    return reader.redirect(where, "It is on its way. Here you see what becomes of it.")


async def _keep(reader: Reader, form: Form, asked: dict[str, Any], draft: Place | None) -> Response:
    """Keep it; a script, which asks for JSON, is told where it lies now."""
    asked = {name: value for name, value in asked.items() if value}
    try:
        fields = DRAFT.validate_python(asked, extra="ignore")
    except ValidationError as error:
        raise ValidationFailed(faults_in(error, asked)) from None
    content = drafts.write_draft(to_draft(fields), reader.now)
    replaces = draft.uid if draft else None
    saved = await drafts.save_draft(reader.parts.mail, reader.mailbox.id, content, replaces=replaces)
    place = f"{(await reader.folder('drafts')).public_id}:{saved.uid}"
    if reader.request.headers.get("accept") == "application/json":
        return JSONResponse({"draft": place})
    answers = f"&answers={form['answers']}" if form["answers"] else ""
    return reader.redirect(f"{PATH}?draft={place}{answers}", "The draft is kept.")


async def _letter_of(reader: Reader, form: Form, data: FormData) -> dict[str, Any]:
    """The fields of an email: what was written, what an answer adds, and the files."""
    asked: dict[str, Any] = {"from": answering.sender_of(reader.mailbox), "subject": form["subject"]}
    asked["text"] = form["text"].replace("\r\n", "\n") or " "
    asked |= {name: _addresses(form[name]) for name in _SPLIT_LATER if form[name]}
    asked["attachments"] = await _kept_files(reader, form) + await _uploads(data)
    total = sum(len(one["content"]) for one in asked["attachments"]) * 3 // 4
    if total > MAX_UPLOAD_BYTES:
        raise ValidationFailed([Fault("/files", f"all files together may have {MAX_UPLOAD_BYTES // 1024 // 1024} MB")])
    asked["headers"] = await _headers(reader, form)
    return asked


async def _headers(reader: Reader, form: Form) -> dict[str, str]:
    """What ties it to the message that it answers; a draft that was kept before says so itself."""
    source = form["answers"] or form["draft"]
    if not source:
        return {}
    place = await _place(reader, source)
    message = await reading.read_message(reader.parts.mail, place.folder_id, place.uid, lambda _: "")
    if form["answers"]:
        return dict(answering.answer_headers(message))
    return {name: value for name in ("In-Reply-To", "References") if (value := message.header(name.lower()))}


async def _uploads(data: FormData) -> list[dict[str, Any]]:
    files = []
    for one in data.getlist("files"):
        if isinstance(one, UploadFile) and one.filename:
            content = await one.read(MAX_UPLOAD_BYTES + 1)
            files.append(_file(one.filename, content, one.content_type or "application/octet-stream"))
    return files


async def _kept_files(reader: Reader, form: Form) -> list[dict[str, Any]]:
    """What was attached to the message that is forwarded, or to the draft."""
    files = []
    for text in (form["forwards"], form["draft"]):
        if not text:
            continue
        place = await _place(reader, text)
        row = await reading.find_row(reader.parts.mail, place.folder_id, place.uid)
        message = await reading.read_message(reader.parts.mail, place.folder_id, place.uid, lambda _: "")
        for file in message.files:
            part = await reading.find_part(reader.parts.mail, row, file.section)
            content = b"".join([piece async for piece in reading.stream_part(reader.parts.mail, row, part)])
            files.append(_file(file.filename or f"part-{file.section}", content, file.content_type))
    return files


def _file(name: str, content: bytes, kind: str) -> dict[str, Any]:
    return {"filename": name, "content": base64.b64encode(content).decode(), "content_type": kind}


async def _begin(reader: Reader, asked: Form) -> Form:
    """What stands in the form before anything is written."""
    form = dict.fromkeys(_FIELDS, "") | asked
    source = asked["draft"] or asked["answers"] or asked["forwards"]
    if not source:
        return form
    place = await _place(reader, source)
    message = await reading.read_message(reader.parts.mail, place.folder_id, place.uid, lambda _: "")
    if asked["draft"]:
        names = {name: message.header(name) or "" for name in ("to", "cc", "bcc", "subject")}
        return form | names | {"text": (message.text or "").strip()}
    if asked["forwards"]:
        return form | quote_forward(message)
    defaults = answering.answer_defaults(message, reader.mailbox, to_all=bool(asked["all"]))
    return form | {
        "to": ", ".join(defaults.to),
        "cc": ", ".join(defaults.cc),
        "subject": defaults.subject,
        "text": quote_reply(message),
    }


async def _place(reader: Reader, text: str) -> Place:
    """The message that ``folder:uid`` names. Raises: NotFound."""
    folder, _, number = text.partition(":")
    uid = find_uid(number)
    if uid is None:
        raise NotFound("There is no such message.")
    place = Place((await reader.folder(folder)).id, uid)
    await reading.find_row(reader.parts.mail, place.folder_id, place.uid)
    return place


def _addresses(text: str) -> list[str]:
    """The addresses of a line, with commas or semicolons between them; commas in quotes are the name's."""
    found, start, is_quoted = [], 0, False
    for at, one in enumerate(text):
        if one == '"':
            is_quoted = not is_quoted
        elif one in ",;\n" and not is_quoted:
            found.append(text[start:at])
            start = at + 1
    return [one.strip() for one in [*found, text[start:]] if one.strip()]


def _faults(error: HourpostError) -> dict[str, str]:
    faults = faults_by_field(error)
    if "attachments" in faults:
        faults["files"] = faults.pop("attachments")
    known = ("", "to", "cc", "bcc", "subject", "text", "files")
    rest = [words for name, words in faults.items() if name not in known]
    return {name: words for name, words in faults.items() if name in known} | ({"": " ".join(rest)} if rest else {})
