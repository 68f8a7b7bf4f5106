"""Messages by REST: lists, one message made safe to read, what is attached, flags, moves and deletions."""

from __future__ import annotations

import base64

import pytest

from hourpost.credentials.changes import NewCredential
from hourpost.database import Database
from hourpost.mailboxes import listing
from tests.api.web.conftest import Customer, client_of
from tests.api.web.mail import Box, box, letter, pointers
from tests.api.web.running import RunningWeb
from tests.cast import make_key

__all__ = ["box"]
PICTURE = base64.b64encode(bytes(range(256)) * 40).decode()
RICH = f"""MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=m\r
\r
--m\r
Content-Type: multipart/related; boundary=r\r
\r
--r\r
Content-Type: text/html; charset=utf-8\r
\r
<p onclick="x()">Grüße<script>alert(1)</script> <img src="cid:logo"> <img src="https://spy.example/p.gif"></p>\r
--r\r
Content-Type: image/png\r
Content-ID: <logo>\r
Content-Transfer-Encoding: base64\r
\r
{PICTURE}\r
--r--\r
--m\r
Content-Type: text/html; name="evil.html"\r
Content-Disposition: attachment; filename="../evil\u00e9.html"\r
\r
<script>alert(1)</script>\r
--m\r
Content-Type: message/rfc822\r
\r
Subject: inside\r
\r
The inner text.\r
--m--\r
"""


async def test_a_list_is_walked_by_cursor_in_both_directions(box: Box) -> None:
    uids = [await box.receive(letter(number)) for number in range(5)]
    assert box.uids() == uids[::-1]
    first = box.get(box.folder("inbox", "/messages"), limit=2)
    assert ([one["uid"] for one in first["data"]], first["has_more"]) == (uids[4:2:-1], True)
    assert box.uids(limit=2, after=uids[3]) == [uids[2], uids[1]]
    assert box.uids(limit=2, before=uids[1]) == [uids[3], uids[2]]
    (one,) = box.get(box.folder("inbox", "/messages"), limit=1)["data"]
    assert (one["from"], one["subject"], one["preview"]) == ("Ann <ann@example.net>", "Letter 4", "Hello.")
    both = box.owner.http.get(box.folder("inbox", "/messages"), params={"after": 1, "before": 2})
    assert pointers(both) == ["/before"]


async def test_a_list_is_searched_and_narrowed(box: Box) -> None:
    first = await box.receive(letter(1, body="The Quarterly report\r\nis 100% done_here"))
    second = await box.receive(letter(2, headers="Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"))
    third = await box.receive(
        letter(3, headers=RICH.partition("\r\n\r\n")[0] + "\r\n", body=RICH.partition("\r\n\r\n")[2])
    )
    assert box.uids(q="quarterly REPORT") == [first]
    assert box.uids(q="grüße") == [third, second]
    assert box.uids(q="100% e_h") == [first]
    assert box.uids(q="1000%") == []
    assert box.uids(q='"quarterly report"') == [first]
    assert box.uids(q='"report quarterly"') == []
    assert box.uids(q="subject:quarterly") == []
    assert box.uids(q='SUBJECT:"letter 1" report') == [first]
    assert second in box.uids(q="subject:GRÜSSE")
    assert box.uids(q="from:ann@example.net") == box.uids(q="from:Ann") != []
    assert box.uids(q="from:quarterly") == box.uids(q="to:ann@example.net") == []
    assert box.uids(q="from:.*") == box.uids(q="from:(") == []  # nothing in it has a meaning of its own
    assert box.uids(with_attachments=True) == [third]
    box.owner.http.patch(box.folder("inbox", f"/messages/{second}"), json={"add": ["seen", "flagged"]})
    assert box.uids(unseen=True) == [third, first]
    assert box.uids(flagged=True) == [second]
    thread = box.get(box.folder("inbox", f"/messages/{first}"))["thread"]
    assert box.uids(thread=thread) == [first]
    assert box.uids(until="2020-01-01T00:00:00Z") == []


async def test_all_folders_are_searched_at_once_page_by_page(box: Box) -> None:
    names = ["INBOX", "Archive", "INBOX", "Sent", "INBOX"]
    for number, name in enumerate(names):
        await box.receive(letter(number, body="The even harvest" if number % 2 == 0 else "The odd harvest"), name)
    await box.receive(letter(9))
    everywhere = f"{box.path}/messages"
    found = box.get(everywhere, q="harvest")
    assert [(one["subject"], one["folder_name"]) for one in found["data"]] == [
        (f"Letter {number}", names[number]) for number in (4, 3, 2, 1, 0)
    ]
    assert found["has_more"] is False
    folder = box.get(f"{box.path}/folders")["data"]
    assert found["data"][1]["folder"] == next(one["id"] for one in folder if one["name"] == "Sent")
    walked, page = [], box.get(everywhere, q="HARVEST", limit=2)
    while True:
        walked.append([one["subject"][-1] for one in page["data"]])
        if not page["has_more"]:
            break
        page = box.get(everywhere, q="HARVEST", limit=2, after=page["next"])
    assert walked == [["4", "3"], ["2", "1"], ["0"]]
    assert [one["subject"][-1] for one in box.get(everywhere, q="odd")["data"]] == ["3", "1"]
    assert len(box.get(everywhere)["data"]) == 6
    for spoilt in ("nonsense", "é", "f" * 38):
        assert pointers(box.owner.http.get(everywhere, params={"after": spoilt})) == ["/after"]


async def test_a_search_that_has_looked_at_enough_goes_on_from_there(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LOOKED_AT_ONCE", 2)
    uids = [await box.receive(letter(number, body="wanted" if number in (0, 3) else "")) for number in range(5)]
    walked, page = [], box.get(f"{box.path}/messages", q="wanted")
    while "next" in page:
        walked.append([one["uid"] for one in page["data"]])
        page = box.get(f"{box.path}/messages", q="wanted", after=page["next"])
    assert [*walked, [one["uid"] for one in page["data"]]] == [[uids[3]], [], [uids[0]]]
    place = box.folder("inbox", "/messages")
    first = box.get(place, q="wanted")
    assert ([one["uid"] for one in first["data"]], first["has_more"], first["searched_to"]) == (
        [uids[3]],
        True,
        uids[3],
    )
    last = box.get(place, q="wanted", after=uids[1])
    assert [one["uid"] for one in last["data"]] == [uids[0]]
    assert (last["has_more"], "searched_to" in last) == (False, False)
    assert box.get(place, q="wanted", before=uids[0])["searched_to"] == uids[2]


async def test_a_message_is_made_safe_to_read(box: Box) -> None:
    uid = await box.receive(RICH.encode())
    place = box.folder("inbox", f"/messages/{uid}")
    message = box.get(place)
    assert message["html"].startswith("<p>Grüße <img src=")
    assert not {"script", "onclick", "spy.example"} & set(message["html"].replace('"', " ").split())
    assert "spy.example" not in message["html"]
    assert (message["blocked_images"], message["text"]) == (1, None)
    assert 'src="https://spy.example/p.gif"' in box.get(place, images=True)["html"]
    assert "inner text" not in message["html"]
    assert message["flags"] == []
    kinds = [(one["content_type"], one["is_inline"]) for one in message["attachments"]]
    assert kinds == [("image/png", True), ("text/html", False), ("message/rfc822", False)]
    assert message["attachments"][0]["size_bytes"] == 256 * 40  # of the picture, not of its base64
    assert f'src="{message["attachments"][0]["address"]}"' in message["html"]
    raw = box.owner.http.get(message["raw"])
    assert raw.content == RICH.encode()
    assert raw.headers["content-security-policy"] == "default-src 'none'; sandbox"


async def test_what_is_attached_cannot_run_in_a_browser(box: Box) -> None:
    uid = await box.receive(RICH.encode())
    picture, page, inner = box.get(box.folder("inbox", f"/messages/{uid}"))["attachments"]
    shown = box.owner.http.get(picture["address"])
    assert (shown.headers["content-type"], shown.content) == ("image/png", bytes(range(256)) * 40)
    saved = box.owner.http.get(page["address"])
    assert saved.headers["content-type"] == "application/octet-stream"
    assert saved.headers["content-disposition"].startswith('attachment; filename=".._evil')
    assert saved.headers["x-content-type-options"] == "nosniff"
    assert box.owner.http.get(inner["address"]).content.endswith(b"The inner text.")
    assert box.owner.http.get(page["address"] + ".9").status_code == 404


async def test_flags_moves_copies_and_deletions(box: Box) -> None:
    one, two, three = [await box.receive(letter(number)) for number in range(3)]
    place = box.folder("inbox", "/messages")
    box.post(f"{place}/flags", uids=[one, two], add=["seen", "$Later"])
    assert box.get(f"{place}/{one}")["flags"] == ["seen", "$Later"]
    box.post(f"{place}/flags", uids=[one], remove=["$later"])
    assert box.get(f"{place}/{one}")["flags"] == ["seen"]
    bad = box.owner.http.post(f"{place}/flags", json={"uids": [one], "add": ["a b"], "remove": ["ok", "\\Deleted"]})
    assert pointers(bad) == ["/add/0", "/remove/1"]
    copied = box.post(f"{place}/copy", uids=[one], to="archive")
    assert (copied["uids"], box.uids("archive")) == ([one], copied["new_uids"])
    moved = box.post(f"{place}/move", uids=[one, 999], to="archive")
    assert (moved["uids"], box.uids()) == ([one], [three, two])
    box.owner.http.delete(f"{place}/{two}")
    (trashed,) = box.uids("trash")
    gone = box.owner.http.delete(box.folder("trash", f"/messages/{trashed}")).json()
    assert (gone["folder"], box.uids("trash")) == (None, [])
    assert box.post(f"{place}/delete", uids=[three], permanently=True)["uids"] == [three]
    assert box.owner.http.delete(f"{place}/{three}").status_code == 404
    assert pointers(box.owner.http.post(f"{place}/move", json={"uids": [], "to": "archive"})) == ["/uids"]
    assert pointers(box.owner.http.post(f"{place}/move", json={"uids": [1], "to": "nowhere"})) == ["/to"]


async def test_strangers_find_nothing_and_readers_change_nothing(
    box: Box, stranger: Customer, database: Database, web: RunningWeb
) -> None:
    uid = await box.receive(letter())
    message = box.folder("inbox", f"/messages/{uid}")
    places = [box.path, f"{box.path}/folders", box.folder(), message, f"{message}/raw", f"{box.path}/feed"]
    assert [stranger.http.get(place).status_code for place in places] == [404] * len(places)
    assert stranger.http.post(f"{box.path}/send", json={"to": "a@example.net", "text": "x"}).status_code == 404
    assert stranger.http.delete(box.path).status_code == 404
    key = (await make_key(database, box.owner.account, NewCredential("r", scope="reading"))).secret
    with client_of(web, key) as reader:
        assert [reader.get(place).status_code for place in places[:-1]] == [200] * (len(places) - 1)
        for method, place in (
            ("PATCH", message),
            ("DELETE", message),
            ("POST", f"{box.path}/send"),
            ("DELETE", box.path),
        ):
            assert reader.request(method, place, json={}).status_code == 403, place


async def test_the_bytes_of_a_large_message_come_piece_by_piece_and_all_of_them(box: Box) -> None:
    content = letter(1) + bytes(range(32, 127)) * 30_000 + b"\r\n"
    uid = await box.receive(content)
    answer = box.owner.http.get(box.folder("inbox", f"/messages/{uid}/raw"))
    assert answer.content == content
    assert answer.headers["Content-Length"] == str(len(content))
    assert "Transfer-Encoding" not in answer.headers


async def test_the_bytes_of_a_message_that_is_gone_are_not_found(box: Box, database: Database) -> None:
    uid = await box.receive(letter(1))
    of_mailbox = "SELECT content_id FROM messages m JOIN folders f ON f.id = m.folder_id WHERE f.mailbox_id = $1"
    async with database.hot_transaction() as connection:
        statement = f"DELETE FROM content_chunks WHERE content_id IN ({of_mailbox})"
        await connection.execute(statement, box.mailbox.id)
    assert box.owner.http.get(box.folder("inbox", f"/messages/{uid}/raw")).status_code == 404
