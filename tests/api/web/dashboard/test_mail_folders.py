"""Folders with a use are there when the web inbox needs them, whatever a mail program has done to them."""

from __future__ import annotations

import re

import pytest
import pytest_asyncio

from hourpost.database import Database
from hourpost.mailboxes.folders import get_folder, list_folders
from hourpost.mailboxes.messages import list_rows
from hourpost.mailboxes.parcels import NewMessage
from hourpost.mailboxes.uid_ranges import ALL_UIDS
from hourpost.rules.mail_flags import Flag
from tests.api.web.dashboard.inbox import Inbox

PLAIN = b"From: bob@far.test\r\nTo: ada@acme.test\r\nSubject: Lunch\r\nMessage-ID: <two@far.test>\r\n\r\nAt noon?\r\n"
LETTER: dict[str, object] = {"to": "bob@far.test", "subject": "Whole", "text": "Dear Bob"}


async def uses(box: Inbox) -> dict[str, str | None]:
    return {one.name: one.special_use for one in await box.store.read(list_folders, box.mailbox.id)}


async def lose(box: Inbox, database: Database, name: str, *, is_plain: bool) -> None:
    """A folder that is gone, or one that only has lost its use, as programs left it before its name gave it back."""
    if is_plain:
        async with database.hot_transaction() as connection:
            await connection.execute(
                "UPDATE folders SET special_use = NULL WHERE mailbox_id = $1 AND name = $2", box.mailbox.id, name
            )
    else:
        await box.store.delete_folder(box.mailbox.id, name)


def said_after(box: Inbox, path: str, fields: dict[str, object]) -> str:
    answer = box.post(path, fields)
    assert answer.status_code == 303, answer.text
    page = box.get(answer.headers["location"])
    return (box.get(page.headers["location"]) if page.status_code == 303 else page).text


@pytest.mark.parametrize("is_plain", [False, True])
@pytest.mark.parametrize(("act", "where"), [("archive", "Archive"), ("junk", "Junk"), ("delete", "Trash")])
async def test_messages_go_to_a_folder_that_was_lost(
    box: Inbox, database: Database, act: str, where: str, is_plain: bool
) -> None:
    """Above all, nothing is deleted for good because Trash is missing."""
    await lose(box, database, where, is_plain=is_plain)
    page = said_after(box, f"{box.home}/act", {"act": act, "uid": str(await box.receive(PLAIN))})
    assert "1 message." in page
    assert ">Undo" in page
    assert "Lunch" in box.get(f"/mail/f/{where.lower()}").text
    assert (await uses(box))[where] == where.lower()


@pytest.mark.parametrize(
    ("act", "where", "said", "left"),
    [
        ("delete", "Trash", "Deleted: 1 message.", []),
        ("archive", "Archive", "Archived: 0 messages.", [1]),
        ("junk", "Junk", "Moved to Junk: 0 messages.", [1]),
    ],
)
async def test_what_is_in_a_folder_that_gets_its_use_by_that_is_deleted_or_stays(
    box: Inbox, database: Database, act: str, where: str, said: str, left: list[int]
) -> None:
    await lose(box, database, where, is_plain=True)
    here = await box.store.read(get_folder, box.mailbox.id, where)
    await box.store.append_all(box.mailbox.id, here.id, [NewMessage(PLAIN)])
    assert said in said_after(box, f"{box.folder(where)}/act", {"act": act, "uid": "1"})
    assert [row.uid for row in await box.store.read(list_rows, here.id, ALL_UIDS)] == left
    assert (await uses(box))[where] == where.lower()


@pytest.mark.parametrize("is_plain", [False, True])
async def test_letters_are_kept_given_up_and_sent_without_the_folders_for_them(
    box: Inbox, database: Database, is_plain: bool
) -> None:
    for name in ("Drafts", "Sent", "Trash"):
        await lose(box, database, name, is_plain=is_plain)
    for subject in ("Regretted", "Whole"):
        kept = box.post("/mail/write", {"subject": subject, "text": "Dear", "act": "keep"})
        draft = kept.headers["location"].partition("draft=")[2]
        if subject == "Regretted":
            assert "The draft is in Trash." in said_after(box, "/mail/write", {"draft": draft, "act": "discard"})
    assert "It is on its way" in said_after(box, "/mail/write", LETTER | {"draft": draft, "act": "send"})
    assert "Regretted" in box.get("/mail/f/trash").text
    assert "Whole" in box.get("/mail/f/sent").text
    assert "Whole" not in box.get("/mail/f/drafts").text


async def test_a_folder_with_a_use_is_not_removed(box: Inbox) -> None:
    for name in ("Sent", "Trash"):
        where = box.folder(name)
        assert "/remove" not in box.get(where).text
        assert f"The folder {name} is for {name.lower()}, and stays." in said_after(box, f"{where}/remove", {})
    assert {"Sent", "Trash"} <= set(await uses(box))


async def test_where_no_folder_can_be_made_nothing_is_deleted(box: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    await box.store.delete_folder(box.mailbox.id, "Trash")
    monkeypatch.setattr("hourpost.mailboxes.folder_changes.MOST_FOLDERS", 5)
    uid = str(await box.receive(PLAIN))
    assert "5 folders at most" in said_after(box, f"{box.home}/act", {"act": "delete", "uid": uid})
    assert "Lunch" in box.get(box.home).text


async def test_a_full_mailbox_sends_and_is_told_that_no_copy_was_filed(box: Inbox, database: Database) -> None:
    """What the draft said is then nowhere else in the mailbox, so it goes into Trash; and the answered shows so."""
    uid = await box.receive(PLAIN)
    answers = f"{box.home.rpartition('/')[2]}:{uid}"
    kept = box.post("/mail/write", LETTER | {"answers": answers, "act": "keep"}).headers["location"]
    draft = kept.partition("draft=")[2].partition("&")[0]
    async with database.hot_transaction() as connection:
        await connection.execute("UPDATE mailboxes SET quota_bytes = used_bytes WHERE id = $1", box.mailbox.id)
    sent = LETTER | {"answers": answers, "draft": draft, "act": "send"}
    page = said_after(box, "/mail/write", sent)
    assert "It is on its way. No copy of it stands in Sent: The mailbox is full." in page
    assert "Whole" not in box.get("/mail/f/drafts").text
    assert "Whole" in box.get("/mail/f/trash").text
    (row,) = await box.store.read(list_rows, (await box.store.read(get_folder, box.mailbox.id, "INBOX")).id, ALL_UIDS)
    assert row.flags & Flag.ANSWERED


@pytest_asyncio.fixture
async def full(box: Inbox, monkeypatch: pytest.MonkeyPatch) -> Inbox:
    """A box with five messages, of which a page shows two, and a step of the server takes two."""
    monkeypatch.setattr("api.web.dashboard.mail.box._PAGE", 2)
    monkeypatch.setattr("api.web.dashboard.mail.steps.AT_ONCE", 2)
    for _ in range(5):
        await box.receive(PLAIN)
    return box


def offer(page: str) -> str:
    found = re.search(r'name="whole" value="(\d+)"[^>]*> All ([^<]+)<', page)
    assert found
    assert found[2] == "5 messages of Inbox, not these alone"
    return found[1]


@pytest.mark.parametrize("act", ["archive", "delete", "move"])
async def test_a_whole_folder_goes_elsewhere_at_once(full: Inbox, act: str) -> None:
    """What comes after the page was made stays."""
    last = offer(full.get(full.home).text)
    await full.receive(PLAIN.replace(b"Lunch", b"Supper"))
    target = full.folder("Trash" if act == "delete" else "Archive")
    form = {"act": act, "to": target.rpartition("/")[2], "uid": "5", "whole": last}
    page = said_after(full, f"{full.home}/act", form)
    assert "5 messages." in page
    assert "Supper" in page
    assert "Lunch" not in page
    assert 'name="whole"' not in full.get(f"{target}?q=noon").text  # nobody knows how many those are
    assert (await counts(full))["Trash" if act == "delete" else "Archive"] == 5


async def test_what_came_since_is_done_with_the_whole_where_it_is_chosen_too(full: Inbox) -> None:
    last = offer(full.get(full.home).text)
    for _ in range(4):
        await full.receive(PLAIN)
    page = said_after(full, f"{full.home}/act", {"act": "archive", "uid": ["5", "6", "8", "9"], "whole": last})
    assert "Archived: 8 messages." in page
    assert (await counts(full))["INBOX"] == 1


async def test_trash_is_no_whole_to_choose_as_it_would_be_gone_without_a_question(full: Inbox) -> None:
    full.post(f"{full.home}/act", {"act": "delete", "whole": offer(full.get(full.home).text)})
    trash = full.folder("Trash")
    assert 'name="whole"' not in full.get(trash).text
    full.post(f"{trash}/act", {"act": "delete", "uid": "1", "whole": "5"})
    assert (await counts(full))["Trash"] == 4


async def counts(box: Inbox) -> dict[str, int]:
    return {one.name: one.messages for one in await box.store.read(list_folders, box.mailbox.id)}


async def test_a_whole_folder_is_marked_and_emptied_in_steps(full: Inbox) -> None:
    last = offer(full.get(full.home).text)
    full.post(f"{full.home}/act", {"act": "seen", "whole": last})
    assert "is-unseen" not in full.get(full.home).text
    full.post(f"{full.home}/act", {"act": "delete", "whole": last})
    page = said_after(full, f"{full.folder('Trash')}/empty", {"last": "5"})
    assert "Trash is empty: 5 deleted." in page


async def test_more_than_a_step_takes_may_be_chosen_one_by_one(full: Inbox) -> None:
    page = said_after(full, f"{full.home}/act", {"act": "archive", "uid": ["1", "2", "3", "4", "5"]})
    assert "Archived: 5 messages." in page
    assert page.count('name="uid" value=') == 5  # to undo
    assert (await counts(full))["Archive"] == 5


async def test_what_there_was_no_time_for_is_said(full: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.web.dashboard.mail.steps._LONGEST_SECONDS", -1)
    last = offer(full.get(full.home).text)
    for act, said in (("seen", "Marked"), ("archive", "Archived")):
        page = said_after(full, f"{full.home}/act", {"act": act, "whole": last})
        assert f"{said}: 2 messages. There are more, for which there was no time: do it again." in page
    assert (await counts(full))["INBOX"] == 3
