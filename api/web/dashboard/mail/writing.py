"""Writing: new letters, answers and forwards, drafts, and what is attached to them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from typing import Any, NamedTuple

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import ValidationError
from starlette.responses import JSONResponse

from api.web.bodies import extra_for
from api.web.dashboard.forms import Form, faults_by_field
from api.web.dashboard.mail.beginning import (
    FIELDS,
    PEOPLE,
    begin,
    holds_all,
    list_carried,
    part_unfinished,
    split_addresses,
)
from api.web.dashboard.mail.enclosures import list_kept, read_all, uploads, wanted_of
from api.web.dashboard.mail.ended import show_letter
from api.web.dashboard.mail.places import path_to, place_of
from api.web.dashboard.mail.readers import HOME, AnyReader, MailNotAuthenticated, Reader, TheReader
from api.web.faults import faults_in
from api.web.v1.email_fields import DRAFT, MAX_ATTACHMENTS
from api.web.v1.email_reading import read_email
from api.web.v1.mailbox_sending import to_draft
from hourpost.errors import (
    Conflict,
    Fault,
    HourpostError,
    IdempotencyInFlight,
    NotFound,
    ServiceUnavailable,
    ValidationFailed,
)
from hourpost.flow.post import Letter, Place, Post, Posted, key_of_draft
from hourpost.mailboxes import answering, drafts, reading
from hourpost.mailboxes.deleting import delete_messages
from hourpost.mailboxes.folders import PREFIX, find_special_folder, get_folder_by_id
from hourpost.mailboxes.reading import ReadableMessage
from hourpost.rules.ids import to_text
from hourpost.rules.submission import Standing

router = APIRouter()

PATH = HOME + "/write"
_MOST_TEXT_BYTES = 10 * 1024 * 1024
"""Of one field; a forward holds the whole text of what it forwards."""
_TRIES, _AGAIN_SECONDS = 15, 0.1  # as long as a press may take
_GONE = "This draft was sent, kept or given up elsewhere. What stands here can be sent all the same."


@router.get(PATH)
async def get_write(request: Request, reader: TheReader) -> Response:
    """A new letter, an answer, a forward, or a draft to go on with."""
    names = ("answers", "forwards", "draft", "again", "all", "to")
    form = await begin(reader, {name: request.query_params.get(name, "") for name in names})
    return await _show(reader, form | {"nonce": secrets.token_urlsafe(12)})


@router.post(PATH)
async def post_write(request: Request, reader: AnyReader) -> Response:
    """Send it, keep it as a draft, or give it up; of whoever is not logged in any more it is shown again."""
    if reader is None:
        if is_script(request):
            raise MailNotAuthenticated("Log in to the mailbox first.")
        return await show_letter(request)
    return await _take(request, reader)


@router.get(HOME + "/session")
async def get_session(reader: TheReader) -> Response:
    """Whose mailbox it is, for the script that asks whether it still is one before it lets go of a letter."""
    return JSONResponse({"address": reader.mailbox.address})


async def _take(request: Request, reader: Reader) -> Response:
    async with request.form(max_files=MAX_ATTACHMENTS, max_part_size=_MOST_TEXT_BYTES) as data:
        form = {name: str(data.get(name, "")).strip() for name in FIELDS if name != "text"}
        form["text"] = str(data.get("text", "")).replace("\r\n", "\n")
        act, wanted = data.get("act"), wanted_of(data)
        try:
            draft = await _draft(reader, form)
            if act == "discard":
                return await _discard(reader, draft)
            await _forget_what_is_gone(reader, form)
            files = await read_all(reader, form, data, wanted)
            if act == "keep":
                return await _kept(reader, form, await _keep(reader, form, files, draft))
            try:
                return await _send(reader, form, files, draft)
            except HourpostError:
                if uploads(data):  # a browser cannot be given them again
                    with suppress(HourpostError):
                        form |= {"draft": await _keep(reader, form, files, draft), "forwards": ""}
                        wanted = None
                raise
        except ServiceUnavailable:
            raise
        except NotFound:  # gone since it was looked for
            form |= dict.fromkeys(("draft", "answers", "forwards"), "") | {"was": form["draft"]}
            return await _again(reader, form, None, Conflict("draft_gone", _GONE))
        except HourpostError as error:
            return await _again(reader, form, wanted, error)


async def _show(reader: Reader, form: Form, wanted: Collection[str] | None = None, **context: Any) -> Response:
    kept = await list_kept(reader, form, wanted)
    source = form["answers"] or form["forwards"]
    back = path_to(source) if source else f"{HOME}/f/drafts" if form["draft"] else HOME
    return await reader.page("mail/write.html", form=form, kept=kept, back=back, **context)


async def _again(reader: Reader, form: Form, wanted: Collection[str] | None, error: HourpostError) -> Response:
    """The letter with what is wrong about it; a script is told in one sentence."""
    faults = _faults(error)
    if is_script(reader.request):
        words = {"words": next(iter(faults.values()), error.message), "gone": isinstance(error, Conflict)}
        return JSONResponse(words, 409 if isinstance(error, Conflict) else 422)
    return await _show(reader, form, wanted, status=422, faults=faults)


def is_script(request: Request) -> bool:
    """Whether a script has asked, which wants JSON."""
    return request.headers.get("accept") == "application/json"


class _Draft(NamedTuple):
    """A draft that is gone on with: where it lies, what it says beside the form, and whether that is all of it."""

    place: Place
    carried: dict[str, Any]
    is_whole: bool


async def _draft(reader: Reader, form: Form) -> _Draft | None:
    """The draft that this letter was. Raises: Conflict once it is gone; what is written goes on without it."""
    if not form["draft"]:
        return None
    try:
        place = await place_of(reader, form["draft"])
        message = await _read(reader, place)
    except NotFound:
        form["was"], form["draft"] = form["draft"], ""
        raise Conflict("draft_gone", _GONE) from None
    return _Draft(place, list_carried(message), holds_all(message))


async def _forget_what_is_gone(reader: Reader, form: Form) -> None:
    """An answer goes on without the message that it answers, once that is moved or deleted.

    Raises: Conflict where a message that is forwarded is gone, for its files go with it.
    """
    for name in ("answers", "forwards"):
        if not form[name]:
            continue
        try:
            await place_of(reader, form[name])
        except NotFound:
            form[name] = ""
            if name == "forwards":
                words = "What you forward was moved or deleted. What stands here can be sent without its files."
                raise Conflict("message_gone", words) from None


async def _discard(reader: Reader, draft: _Draft | None) -> Response:
    if draft is None:
        return reader.redirect(HOME)
    folder = await reader.parts.mail.read(get_folder_by_id, reader.mailbox.id, draft.place.folder_id)
    deleted = await delete_messages(reader.parts.mail, folder, [draft.place.uid])
    return reader.redirect(HOME, f"The draft is in {deleted.trash.name}." if deleted.trash else "It is gone.", "info")


async def _send(reader: Reader, form: Form, files: list[dict[str, Any]], draft: _Draft | None) -> Response:
    parts = reader.parts
    asked = await _letter_of(reader, form, files, draft)
    asked["text"] = asked["text"].strip("\n") or " "
    standing = await parts.standings.by_account(reader.mailbox.account_id)
    sender = replace(standing, kind="mailbox", scope="sending", addresses=frozenset(reader.mailbox.addresses))
    submission = read_email(asked, sender, reader.now, extra=extra_for(reader.request))
    answers = await place_of(reader, form["answers"]) if form["answers"] else None
    place, loses = (draft.place, not draft.is_whole) if draft else (None, False)
    key, told = await _key(reader, form, asked)
    letter = Letter(reader.mailbox.id, submission, answers, place, key, told, keeps_draft=loses)
    try:
        posted = await _send_after_others(Post(parts.mail, parts.intake.accept), sender, letter)
    except IdempotencyInFlight:
        words = "It is being sent already. Here you see what becomes of it."
        return reader.redirect(await _sent(reader), words, "info")
    except Conflict as error:
        if error.name != "invalid_idempotent_request":
            raise
        form["draft"] = form["was"] = ""
        raise Conflict("draft_gone", _GONE) from None
    receipt, where = posted.receipt, await _sent(reader)
    if receipt.replayed:
        return reader.redirect(where, "It was sent already. Here you see what became of it.", "info")
    if receipt.placed[0].held_by == "plan":
        words = "The hour is full: it waits, and leaves by itself. Here you see when, and can take it back until then."
        return reader.redirect(where, f"{words} {_unfiled(posted)}".rstrip(), "warn")
    if posted.unfiled:
        return reader.redirect(where, f"It is on its way. {_unfiled(posted)}", "warn")
    return reader.redirect(where, "It is on its way. Here you see what becomes of it.")


async def _sent(reader: Reader) -> str:
    """Where it is seen what becomes of a letter: Sent, unless even that could not be made."""
    found = await reader.parts.mail.read(find_special_folder, reader.mailbox.id, "sent")
    return f"{HOME}/f/{found.public_id}" if found else HOME


def _unfiled(posted: Posted) -> str:
    return f"No copy of it stands in Sent: {posted.unfiled}" if posted.unfiled else ""


async def _send_after_others(post: Post, sender: Standing, letter: Letter) -> Posted:
    """Send it, once it is known what became of another press at the same moment: that may say something else."""
    for _ in range(_TRIES):
        with suppress(IdempotencyInFlight):
            return await post.send(sender, letter)
        await asyncio.sleep(_AGAIN_SECONDS)
    return await post.send(sender, letter)


async def _key(reader: Reader, form: Form, asked: dict[str, Any]) -> tuple[str | None, bytes]:
    """What tells this letter from every other one, and what it says, as hashes.

    A form that comes twice, and is the same, is sent once; a draft is sent once, whatever two devices made of it.
    """
    draft = form["draft"] or form["was"]
    if not form["nonce"] and not draft:
        return None, b""
    said = [asked.get(name) for name in ("from", *PEOPLE, "subject", "text", "attachments")]
    told = await asyncio.to_thread(lambda: sha256(orjson.dumps(said)).digest())
    if draft:
        return await _key_of_draft(reader, draft), told
    named = [str(reader.mailbox.id), form["nonce"], told.hex()]
    return f"hourpost-mail-{sha256(orjson.dumps(named)).hexdigest()}", told


async def _key_of_draft(reader: Reader, draft: str) -> str:
    """The same whatever its folder is called, also once it is gone."""
    folder, _, number = draft.partition(":")
    try:
        return key_of_draft(reader.mailbox.id, (await reader.folder(folder)).id, number)
    except NotFound:
        return key_of_draft(reader.mailbox.id, folder, number)


async def _keep(reader: Reader, form: Form, files: list[dict[str, Any]], draft: _Draft | None) -> str:
    """Keep it as a draft, with what is no address yet; gives where it lies now."""
    finished, unfinished = part_unfinished(form)
    asked = {name: value for name, value in (await _letter_of(reader, finished, files, draft)).items() if value}
    try:
        fields = DRAFT.validate_python(asked, extra="ignore")
    except ValidationError as error:
        raise ValidationFailed(faults_in(error, asked)) from None
    written = to_draft(fields)
    content = drafts.write_draft(replace(written, headers=written.headers + unfinished), reader.now)
    replaces, loses = (draft.place.uid, not draft.is_whole) if draft else (None, False)
    store, mailbox = reader.parts.mail, reader.mailbox
    saved = await drafts.save_draft(store, mailbox.id, content, replaces=replaces, keeps_old=loses)
    return f"{to_text(PREFIX, saved.folder_id)}:{saved.uid}"


async def _kept(reader: Reader, form: Form, place: str) -> Response:
    """The draft again; a script is told where it lies, and how its files are called there."""
    if is_script(reader.request):
        kept = await list_kept(reader, form | {"draft": place, "forwards": ""})
        return JSONResponse({"draft": place, "kept": [one.value for one in kept]})
    answers = f"&answers={form['answers']}" if form["answers"] else ""
    return reader.redirect(f"{PATH}?draft={place}{answers}", "The draft is kept.")


async def _letter_of(reader: Reader, form: Form, files: list[dict[str, Any]], draft: _Draft | None) -> dict[str, Any]:
    """The fields of an email: what was written, what an answer adds, and the files."""
    mailbox = reader.mailbox
    own = form["from"].lower() or mailbox.address
    if own not in mailbox.addresses:
        raise ValidationFailed([Fault("/from", "this address is not the mailbox's any more: choose another one")])
    asked: dict[str, Any] = {"from": answering.sender_of(mailbox, own), "subject": form["subject"]}
    asked["text"] = form["text"] or " "
    asked |= {name: split_addresses(form[name]) for name in PEOPLE if form[name]}
    return asked | {"attachments": files} | await _unseen(reader, form, draft)


async def _unseen(reader: Reader, form: Form, draft: _Draft | None) -> dict[str, Any]:
    """What has no line in the form: the draft's own, and what ties it to the message that it answers."""
    asked: dict[str, Any] = dict(draft.carried) if draft else {"headers": {}}
    if form["answers"]:
        answered = await _read(reader, await place_of(reader, form["answers"]))
        asked["headers"] = asked["headers"] | dict(answering.answer_headers(answered))
    return asked


async def _read(reader: Reader, place: Place) -> ReadableMessage:
    return await reading.read_message(reader.parts.mail, reader.place(place.folder_id, place.uid), lambda _: "")


def _faults(error: HourpostError) -> dict[str, str]:
    faults = faults_by_field(error)
    if "attachments" in faults:
        faults["files"] = faults.pop("attachments")
    known = ("", "from", "to", "cc", "bcc", "subject", "text", "files")
    rest = [words for name, words in faults.items() if name not in known]
    return {name: words for name, words in faults.items() if name in known} | ({"": " ".join(rest)} if rest else {})
