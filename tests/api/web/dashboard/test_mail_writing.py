"""Writing in the web inbox loses nothing: half an address, a file, a draft of another program, who writes as whom."""

from __future__ import annotations

import asyncio
import html
import re
from email import message_from_string

import httpx
import pytest

from hourpost.database import Database
from hourpost.gateways.clock import SystemClock
from hourpost.mailboxes.changes import add_alias
from hourpost.mailboxes.folders import find_special_folder
from hourpost.mailboxes.messages import list_rows
from hourpost.mailboxes.parcels import NewMessage
from hourpost.mailboxes.uid_ranges import ALL_UIDS
from hourpost.rules.mail_flags import Flag
from tests.api.web.dashboard.inbox import Inbox

ASKING = {"Accept": "application/json"}
FILED = (
    b"From: Eve <eve@far.test>\r\nTo: ada@acme.test\r\nSubject: Files\r\nMessage-ID: <files@far.test>\r\n"
    b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n'
    b'\r\nSee\r\n--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename="one.pdf"\r\n'
    b"\r\n1111\r\n--b\r\nContent-Type: application/pdf\r\n"
    b'Content-Disposition: attachment; filename="two.pdf"\r\n\r\n2222\r\n--b--\r\n'
)


def write(box: Inbox, act: str, **fields: object) -> httpx.Response:
    return box.http.post("/mail/write", data=fields | {"act": act})


def keep(box: Inbox, **fields: object) -> str:
    answer = box.http.post("/mail/write", data=fields | {"act": "keep"}, headers=ASKING)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["draft"])


def line(page: httpx.Response, name: str) -> str:
    found = re.search(rf'<input id="{name}"[^>]* value="([^"]*)"', page.text)
    assert found
    return html.unescape(found[1])


def place(box: Inbox, uid: int) -> str:
    return f"{box.home.rpartition('/')[2]}:{uid}"


async def source_of_sent(box: Inbox) -> str:
    return box.get("/mail/f/sent/1/source").text


def text_in(page: httpx.Response) -> str:
    found = re.search(r'<textarea id="text"[^>]*>\n(.*?)</textarea>', page.text, re.DOTALL)
    assert found
    return html.unescape(found[1])


async def draft_of_a_program(box: Inbox, content: bytes, flags: Flag = Flag.DRAFT) -> str:
    drafts = await box.store.read(find_special_folder, box.mailbox.id, "drafts")
    assert drafts
    uid = (await box.store.append(box.mailbox.id, drafts.id, NewMessage(content, flags=flags))).uid
    return f"{drafts.public_id}:{uid}"


def test_half_an_address_is_kept_with_the_draft(box: Inbox) -> None:
    """Else nothing of what is written under it would be kept."""
    people = '"M\u00fcller, J\u00f6rg" <j@far.test>, ann'
    draft = keep(box, to=people, bcc="carl@", subject="Half", text="Dear")
    page = box.get(f"/mail/write?draft={draft}")
    assert line(page, "to") == people
    assert line(page, "bcc") == "carl@"
    draft = keep(box, draft=draft, to="j@far.test", subject="Half", text="Dear")
    sent = write(box, "send", draft=draft, to="j@far.test", subject="Whole", text="Dear")
    assert "Unfinished" not in box.get(sent.headers["location"] + "/1/source").text


async def test_files_of_a_draft_are_shown_and_may_be_left_out(box: Inbox) -> None:
    source = place(box, await box.receive(FILED))
    page = box.get(f"/mail/write?forwards={source}").text
    assert re.findall(r'name="kept" value="([^"]+)"[^>]* checked', page) == ["forwards:2", "forwards:3"]
    form = {"forwards": source, "kept_shown": "1", "kept": ["forwards:3"], "subject": "Fwd", "text": "See"}
    answer = box.http.post("/mail/write", data=form | {"act": "keep"}, headers=ASKING).json()
    assert answer["kept"] == ["draft:2"]
    page = box.get(f"/mail/write?draft={answer['draft']}").text
    assert "two.pdf" in page
    assert "one.pdf" not in page
    letter = {"draft": answer["draft"], "kept_shown": "1", "to": "bob@far.test", "subject": "Fwd", "text": "See"}
    assert write(box, "send", **letter).status_code == 303
    assert "two.pdf" not in await source_of_sent(box)  # its tick was taken away


def test_files_outlive_a_letter_that_was_wrong(box: Inbox) -> None:
    files = {"files": ("map.txt", b"to the left", "text/plain")}
    letter = {"to": "bob@", "subject": "Way", "text": "See", "kept_shown": "1"}
    answer = box.http.post("/mail/write", data=letter | {"act": "send"}, files=files)
    assert answer.status_code == 422
    assert 'id="to-fault"' in answer.text
    draft = re.search(r'name="draft" value="([^"]+)"', answer.text)
    kept = re.findall(r'name="kept" value="([^"]+)"[^>]* checked', answer.text)
    assert draft
    assert "map.txt" in answer.text
    sent = write(box, "send", **letter | {"to": "bob@far.test", "draft": draft[1], "kept": kept})
    assert "map.txt" in box.get(f"{sent.headers['location']}/1/source").text


async def test_a_page_that_another_program_drafted_keeps_its_words(box: Inbox) -> None:
    drafts = await box.store.read(find_special_folder, box.mailbox.id, "drafts")
    assert drafts
    content = (
        b"From: ada@acme.test\r\nSubject: Page\r\nContent-Type: text/html\r\n\r\n<p>Dear Bob,</p><p>so far</p>\r\n"
    )
    uid = (await box.store.append(box.mailbox.id, drafts.id, NewMessage(content))).uid
    assert "Dear Bob,\n\nso far</textarea>" in box.get(f"/mail/write?draft={drafts.public_id}:{uid}").text


def test_a_draft_that_changed_elsewhere_is_said_to_the_script(box: Inbox) -> None:
    draft = keep(box, subject="Half", text="Dear")
    keep(box, draft=draft, subject="Half", text="Dear Bob")
    answer = box.http.post("/mail/write", data={"draft": draft, "text": "Dear Carl", "act": "keep"}, headers=ASKING)
    assert answer.status_code == 409
    assert answer.json()["gone"]
    assert "elsewhere" in answer.json()["words"]


def test_a_draft_that_is_given_up_lies_in_trash(box: Inbox) -> None:
    draft = keep(box, subject="Regretted", text="Dear")
    write(box, "discard", draft=draft)
    assert "Regretted" in box.get("/mail/f/trash").text
    assert "Regretted" not in box.get("/mail/f/drafts").text


async def test_who_has_several_addresses_answers_by_the_one_that_was_written_to(box: Inbox, database: Database) -> None:
    assert '<select id="from"' not in box.get("/mail/write").text
    alias = f"sales@{box.mailbox.domain}"
    async with database.transaction() as connection:
        await add_alias(connection, box.account.id, box.mailbox.id, alias, SystemClock().now())
    content = f"From: bob@far.test\r\nTo: Sales <{alias.title()}>\r\nSubject: Price\r\n\r\nHow much?\r\n"
    source = place(box, await box.receive(content.encode()))
    assert f'<option value="{alias}" selected>' in box.get(f"/mail/write?answers={source}").text
    letter = {"from": alias, "to": "bob@far.test", "subject": "Re: Price", "text": "Nothing"}
    draft = keep(box, **letter)
    assert f'<option value="{alias}" selected>' in box.get(f"/mail/write?draft={draft}").text
    sent = write(box, "send", draft=draft, **letter)
    assert f"From: Ada Lovelace <{alias}>" in box.get(f"{sent.headers['location']}/1/source").text
    stranger = write(box, "send", **letter | {"from": "eve@far.test"})
    assert stranger.status_code == 422
    assert 'id="from-fault"' in stranger.text


async def test_those_are_offered_that_the_mailbox_has_to_do_with(box: Inbox) -> None:
    people = '"M\u00fcller, J\u00f6rg" <j@far.test>, bob@far.test'
    write(box, "send", to=people, subject="One", text="x")
    write(box, "send", to="Carl <carl@far.test>", subject="Two", text="x")
    for sender in ("Ann <ann@far.test>", "no-reply@far.test", f"Me <{box.mailbox.address}>", "broken"):
        await box.receive(f"From: {sender}\r\nSubject: x\r\n\r\nx\r\n".encode())
    found = box.get("/mail/people").json()["people"]
    assert found == [
        "Carl <carl@far.test>",
        '"M\u00fcller, J\u00f6rg" <j@far.test>',
        "bob@far.test",
        "Ann <ann@far.test>",
    ]


@pytest.mark.parametrize("act", ["again", "draft"])
async def test_what_was_sent_is_written_anew_with_its_files(box: Inbox, act: str) -> None:
    files = {"files": ("map.txt", b"to the left", "text/plain")}
    letter = {"to": "bob@far.test", "subject": "Way", "text": "See", "act": "send"}
    where = box.http.post("/mail/write", data=letter, files=files).headers["location"]
    page = box.get(f"/mail/write?{act}={where.rpartition('/')[2]}:1")
    assert (line(page, "to"), line(page, "subject")) == ("bob@far.test", "Way")
    assert "map.txt" in page.text
    assert "See</textarea>" in page.text


async def test_a_letter_that_a_browser_sends_twice_leaves_once(box: Inbox) -> None:
    found = re.search(r'name="nonce" value="([^"]+)"', box.get("/mail/write").text)
    assert found
    nonce = found[1]
    letter = {"to": "bob@far.test", "subject": "Once", "text": "See", "act": "send", "nonce": nonce}
    first = box.post("/mail/write", letter, files=("a.txt", b"one"))
    again = box.post("/mail/write", letter, files=("a.txt", b"one"))
    assert first.status_code == again.status_code == 303
    page = box.get(again.headers["location"]).text
    assert "It was sent already" in page
    other = box.post("/mail/write", letter, files=("a.txt", b"two"))  # not the same any more
    assert other.status_code == 303
    sent = await box.store.read(find_special_folder, box.mailbox.id, "sent")
    assert sent is not None
    assert sent.messages == 2


def test_many_small_files_and_a_long_quote_are_a_letter_like_another(box: Inbox) -> None:
    files = [("files", (f"{number}.txt", b"x")) for number in range(30)]
    text = "> quoted\n" * 300_000  # of a message of some megabytes
    letter = {"to": "bob@far.test", "subject": "Many", "text": text, "act": "send"}
    answer = box.http.post("/mail/write", data=letter, files=files)
    assert answer.status_code == 303, answer.text
    page = box.get(f"{answer.headers['location']}/1").text
    assert "29.txt" in page


def test_a_draft_keeps_every_character(box: Inbox) -> None:
    text = "\n\n  set in\n" + "long \n" * 40_000 + "-- \n"
    draft = keep(box, subject="Long", text=text)
    for _ in range(2):
        assert text_in(box.get(f"/mail/write?draft={draft}")) == text.removesuffix("\n")
        draft = keep(box, draft=draft, subject="Long", text=text.replace("\n", "\r\n"))


async def test_a_forward_holds_all_and_an_answer_says_where_it_stops(box: Inbox) -> None:
    uid = await box.receive(b"From: bob@far.test\r\n\r\n" + b"word " * 30_000 + b"END\r\n")
    assert text_in(box.get(f"/mail/write?forwards={place(box, uid)}")).endswith("word END")
    assert text_in(box.get(f"/mail/write?answers={place(box, uid)}")).endswith("word \n> […]")


@pytest.mark.parametrize("act", ["keep", "send"])
@pytest.mark.parametrize(
    ("head", "is_kept"),
    [
        (b"Content-Type: text/html", True),
        (b"X-Identity: 7", True),
        (b"Cc: carl, Ann <ann@far.test>", True),
        (b"To: carl@far.test", True),
        (b"Reply-To: Team <team@far.test>\r\nImportance: high", False),
    ],
)
async def test_what_the_form_cannot_hold_of_a_programs_draft_lies_in_trash(
    box: Inbox, act: str, head: bytes, is_kept: bool
) -> None:
    content = b"From: ada@acme.test\r\nTo: bob@far.test\r\nSubject: Page\r\n" + head + b"\r\n\r\n<p>Dear</p>\r\n"
    draft = await draft_of_a_program(box, content, Flag.DRAFT | Flag.FLAGGED)
    answer = write(box, act, draft=draft, to="bob@far.test", subject="Page", text="Dear")
    assert answer.status_code == 303
    assert ("Page" in box.get("/mail/f/trash").text) == is_kept
    if act == "send":
        source = await source_of_sent(box)
    else:
        drafts = await box.store.read(find_special_folder, box.mailbox.id, "drafts")
        assert drafts
        (row,) = await box.store.read(list_rows, drafts.id, ALL_UIDS)
        assert row.flags & Flag.FLAGGED
        source = box.get(f"/mail/f/drafts/{row.uid}/source").text
    assert ("Reply-To: Team <team@far.test>" in source) == (not is_kept)
    assert ("Importance: high" in source) == (not is_kept)


async def test_an_answer_that_was_finished_later_marks_what_it_answers(box: Inbox) -> None:
    uid = await box.receive(b"From: bob@far.test\r\nSubject: Lunch\r\nMessage-ID: <lunch@far.test>\r\n\r\nAt noon?\r\n")
    draft = keep(box, answers=place(box, uid), to="bob@far.test", subject="Re: Lunch", text="Yes")
    page = box.get(f"/mail/write?draft={draft}")
    assert f'name="answers" value="{place(box, uid)}"' in page.text
    write(box, "send", draft=draft, answers=place(box, uid), to="bob@far.test", subject="Re: Lunch", text="Yes")
    assert "Answered" in box.get(box.home).text
    assert "In-Reply-To: <lunch@far.test>" in await source_of_sent(box)


async def test_a_draft_that_two_devices_send_at_once_leaves_once(box: Inbox) -> None:
    draft = keep(box, to="bob@far.test", subject="Once", text="See")
    letters = [
        {"draft": draft, "to": "bob@far.test", "subject": "Once", "text": f"See {n}", "act": "send"} for n in "ab"
    ]
    client = {"base_url": str(box.http.base_url), "cookies": box.http.cookies, "headers": box.http.headers}
    async with httpx.AsyncClient(**client) as http:
        answers = await asyncio.gather(*(http.post("/mail/write", data=letter) for letter in letters * 2))
    sent_texts = {text for text, answer in zip("abab", answers, strict=True) if answer.status_code == 303}
    (lost,) = {"a", "b"} - sent_texts
    told = [answer for text, answer in zip("abab", answers, strict=True) if text == lost]
    assert [(answer.status_code, f"See {lost}" in answer.text) for answer in told] == [(422, True)] * 2
    sent = await box.store.read(find_special_folder, box.mailbox.id, "sent")
    assert sent is not None
    assert sent.messages == 1


async def test_a_draft_whose_sending_was_not_answered_is_not_sent_again(box: Inbox) -> None:
    letter = {"to": "bob@far.test", "subject": "Once", "text": "See", "act": "send", "nonce": "n"}
    letter["draft"] = keep(box, **letter)
    assert box.post("/mail/write", letter).status_code == 303
    page = box.post("/mail/write", letter)  # the same once more, by a browser that has heard nothing
    assert (page.status_code, "can be sent all the same" in page.text) == (422, True)
    found = dict(re.findall(r'name="(draft|was)" value="([^"]*)"', page.text))
    assert found == {"draft": "", "was": letter["draft"]}
    again = box.post("/mail/write", letter | found)
    assert "It was sent already" in box.get(again.headers["location"]).text
    changed = letter | found | {"text": "See, too"}
    page = box.post("/mail/write", changed)
    found = dict(re.findall(r'name="(draft|was)" value="([^"]*)"', page.text))
    assert (page.status_code, found) == (422, {"draft": "", "was": ""})
    assert box.post("/mail/write", changed | found).status_code == 303
    sent = await box.store.read(find_special_folder, box.mailbox.id, "sent")
    assert sent is not None
    assert sent.messages == 2


@pytest.mark.parametrize(
    ("head", "to", "said"),
    [
        (b"Subject: x", "", "somebody wrote:"),
        (b"From: Undisclosed", "", "Undisclosed wrote:"),
        (b'From: Joe <"john doe"@far.test>', 'Joe <"john doe"@far.test>', "Joe"),
        (b'From: "john..doe"@far.test', '"john..doe"@far.test', "wrote:"),
    ],
)
async def test_an_answer_goes_to_who_wrote_or_to_nobody(box: Inbox, head: bytes, to: str, said: str) -> None:
    uid = await box.receive(b"To: ada@acme.test\r\n" + head + b"\r\n\r\nHello\r\n")
    page = box.get(f"/mail/write?answers={place(box, uid)}")
    assert line(page, "to") == to
    assert said in text_in(page)


FIELDS = {
    "to": "Bob <bob@far.test>, ann",
    "cc": "c@far.test",
    "subject": "<Way>",
    "text": '\n\n  To the "left" & on\n',
}


@pytest.mark.parametrize(("act", "size_mb"), [("send", 0), ("keep", 1), ("send", 13)])
def test_a_letter_whose_session_has_ended_is_shown_again_and_goes_on_after_the_log_in(
    box: Inbox, act: str, size_mb: int
) -> None:
    session = dict(box.http.cookies)
    draft = keep(box, subject="Way", text="So far")
    box.http.cookies.clear()
    letter = FIELDS | {"draft": draft, "nonce": "n", "kept_shown": "1", "kept": ["draft:2", "draft:3"], "act": act}
    files = [("files", ("map.txt", b"x" * (size_mb * 1024 * 1024), "text/plain"))] if size_mb else None
    page = box.http.post("/mail/write", data=letter, files=files)
    assert page.status_code == 401
    assert "you are logged out" in page.text
    assert [line(page, name) for name in ("to", "cc", "subject")] == [FIELDS[name] for name in ("to", "cc", "subject")]
    assert text_in(page) == FIELDS["text"]
    assert ("choose them once more" in page.text) == bool(size_mb)
    hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text)
    assert {("draft", draft), ("nonce", "n")} < set(hidden)
    box.http.cookies.update(session)
    again = dict(hidden) | {"to": "bob@far.test", "subject": "Way", "text": text_in(page), "kept": [], "act": act}
    assert box.http.post("/mail/write", data=again).status_code == 303
    assert ("Way" in box.get("/mail/f/drafts").text) == (act == "keep")
    assert box.get("/mail/session").json() == {"address": box.mailbox.address}


def test_a_script_is_not_given_the_page_of_a_letter_whose_session_has_ended(box: Inbox) -> None:
    box.http.cookies.clear()
    answer = box.http.post("/mail/write", data=FIELDS | {"act": "keep"}, headers=ASKING)
    assert "<form" not in answer.text
    assert box.http.get("/mail/session", headers=ASKING).status_code != 200


def test_a_letter_leaves_by_no_other_mailbox_than_the_one_in_which_it_was_written(box: Inbox) -> None:
    found = re.search(r'name="from" value="([^"]*)"', box.get("/mail/write").text)
    assert found
    assert found[1] == box.mailbox.address
    page = write(box, "send", **FIELDS | {"to": "bob@far.test", "from": "eve@acme.test"})
    assert page.status_code == 422
    assert 'id="from-fault"' in page.text
    assert f'name="from" value="{box.mailbox.address}"' in page.text


PAGED = (
    b"Received: from far.test\r\nBcc: hidden@far.test,\r\n secret@far.test\r\nFrom: Eve <eve@far.test>\r\n"
    b'Subject: Invoice 7/8: "now"\r\nMIME-Version: 1.0\r\n'
)
PAGE = b'Content-Type: text/html\r\n\r\n<p>Please <a href="https://pay.example/x">pay here</a></p>\r\n'


async def test_a_page_is_forwarded_by_its_words_and_links_and_as_it_came(box: Inbox) -> None:
    source = place(box, await box.receive(PAGED + PAGE))
    page = box.get(f"/mail/write?forwards={source}")
    assert text_in(page).endswith("Please pay here <https://pay.example/x>")
    assert "Invoice 7 8 now.eml" in page.text
    assert "How it looks goes along" in page.text
    ticked = re.findall(r'name="kept" value="([^"]+)"[^>]* checked', page.text)
    assert ticked == ["forwards:message"]
    form = {"forwards": source, "kept_shown": "1", "subject": "Fwd", "text": "See", "to": "bob@far.test"}
    answer = box.http.post("/mail/write", data=form | {"kept": ticked, "act": "keep"}, headers=ASKING).json()
    draft = form | {"forwards": "", "draft": answer["draft"], "kept": answer["kept"]}
    assert write(box, "send", **draft).status_code == 303
    (sent,) = [part for part in message_from_string(await source_of_sent(box)).walk() if part.get_filename()]
    assert sent.get_payload(decode=True) == PAGED.replace(b"Bcc: hidden@far.test,\r\n secret@far.test\r\n", b"") + PAGE
    without = box.http.post("/mail/write", data=form | {"act": "keep"}, headers=ASKING).json()
    assert without["kept"] == []


@pytest.mark.parametrize(
    ("content", "query", "ticked"),
    [
        (b"\r\nPlain", "forwards", []),
        (PAGE, "again", []),
        (PAGE.replace(b"<p>", b"<p>" + b"<!-- -->" * 3_500_000), "forwards", None),
        (FILED.partition(b"MIME")[2].partition(b"\r\n")[2].replace(b"text/plain", b"text/html"), "forwards", [2, 3]),
    ],
)
async def test_the_original_goes_along_with_a_page_that_is_forwarded_where_there_is_room(
    box: Inbox, content: bytes, query: str, ticked: list[int] | None
) -> None:
    source = place(box, await box.receive(PAGED + content))
    page = box.get(f"/mail/write?{query}={source}").text
    assert (".eml" in page) == (query == "forwards" and b"html" in content)
    found = re.findall(r'name="kept" value="([^"]+)"[^>]* checked', page)
    of_page = ["forwards:message"] if ticked else []
    assert found == of_page + [f"forwards:{number}" for number in ticked or []]


def test_a_line_that_is_wrong_says_why_in_plain_words_and_is_where_one_goes_on(box: Inbox) -> None:
    page = write(box, "send", to="bob@far.test, Foo Bar", subject="Way", text="See")
    assert page.status_code == 422
    fault = re.search(r'id="to-fault">([^<]*)<', page.text)
    assert fault
    assert html.unescape(fault[1]).startswith("'Foo Bar' is not")
    assert re.findall(r'id="(\w+)"[^>]* autofocus', page.text) == ["to"]
    assert 'role="alert"' in page.text
    assert "<title>Not done: Way" in page.text
