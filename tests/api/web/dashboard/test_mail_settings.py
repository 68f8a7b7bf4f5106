"""What a mailbox says by itself, as its reader sets it in the browser."""

from __future__ import annotations

import html
import re
from datetime import date

from hourpost.database import Database
from hourpost.mailboxes.queries import Mailbox, get_mailbox
from tests.api.web.dashboard.inbox import Inbox

AWAY = {"name": "Ada", "answers": "on", "text": "I am\r\naway.", "first_day": "2026-12-24", "last_day": ""}
LETTER = b"From: Bob <bob@far.test>\r\nSubject: Lunch\r\nMessage-ID: <l@far.test>\r\n\r\nAt noon?\r\n"


async def now_of(box: Inbox, database: Database) -> Mailbox:
    async with database.reading() as connection:
        return await get_mailbox(connection, box.account.id, box.mailbox.id)


def text_in(box: Inbox, path: str) -> str:
    found = re.search(r'<textarea id="text"[^>]*>\n(.*?)</textarea>', box.get(path).text, re.DOTALL)
    assert found
    return html.unescape(found[1])


async def test_the_settings_are_kept_and_shown(box: Inbox, database: Database) -> None:
    answer = box.post("/mail/settings", AWAY | {"signature": "Ada <x>\r\nAcme", "time_zone": "Europe/Berlin"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/mail/settings")
    mailbox = await now_of(box, database)
    assert (mailbox.name, mailbox.signature) == ("Ada", "Ada <x>\nAcme")
    assert mailbox.auto_reply
    assert (mailbox.auto_reply.text, mailbox.auto_reply.first_day) == ("I am\naway.", date(2026, 12, 24))
    page = box.get("/mail/settings").text
    assert 'value="2026-12-24"' in page
    assert "Ada &lt;x&gt;\nAcme</textarea>" in page
    box.post("/mail/settings", {"name": "Ada"})
    assert (await now_of(box, database)).auto_reply is None


async def test_what_is_wrong_stands_beside_its_field(box: Inbox, database: Database) -> None:
    wrong = AWAY | {"name": "Changed", "text": " ", "last_day": "2026-12-01"}
    page = box.post("/mail/settings", wrong)
    assert page.status_code == 422
    assert 'id="text-fault"' in page.text
    assert 'id="last_day-fault"' in page.text
    assert 'id="first_day-fault"' in box.post("/mail/settings", AWAY | {"first_day": "soon"}).text
    assert (await now_of(box, database)).name == "Ada Lovelace"


async def test_an_auto_reply_is_seen_on_every_page_while_it_is_given(box: Inbox) -> None:
    assert "Auto-reply is on" not in box.get(box.home).text
    box.post("/mail/settings", AWAY | {"first_day": ""})
    assert ">: Auto-reply is on" in box.get(box.home).text
    box.post("/mail/settings", AWAY | {"first_day": "2999-01-01"})
    assert "Auto-reply is on" not in box.get(box.home).text


async def test_the_signature_stands_under_what_is_written_anew(box: Inbox) -> None:
    uid = await box.receive(LETTER)
    assert text_in(box, "/mail/write") == ""
    box.post("/mail/settings", {"name": "Ada", "signature": "Ada\r\nAcme"})
    assert text_in(box, "/mail/write") == "\n\n-- \nAda\nAcme"
    answer = text_in(box, f"/mail/write?answers=inbox:{uid}")
    assert answer.startswith("\n\n-- \nAda\nAcme\n\nOn ") or answer.startswith("\n\n-- \nAda\nAcme\n\nBob")
    assert answer.endswith("> At noon?")
    assert text_in(box, f"/mail/write?forwards=inbox:{uid}").startswith("\n\n-- \nAda\nAcme\n\n----------")
    kept = box.post("/mail/write", {"act": "keep", "text": "Hello"}).headers["location"]
    assert text_in(box, kept) == "Hello"


def test_whoever_wants_no_letters_to_be_commands_turns_them_off_in_this_browser(box: Inbox) -> None:
    assert "data-keyless" not in box.get("/mail/write").text
    assert re.search(r'name="keys" value="on" checked', box.get("/mail/settings").text)
    for keys, is_off in (({}, True), ({"keys": "on"}, False)):
        assert box.post("/mail/settings", keys).status_code == 303
        assert ("data-keyless" in box.get("/mail/write").text) == is_off
        assert ('class="mail-keys"' not in box.get(box.home).text) == is_off
