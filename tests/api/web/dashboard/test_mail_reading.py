"""What comes in odd shapes is read as its writer meant it."""

from __future__ import annotations

import re
from binascii import b2a_uu

from tests.api.web.dashboard.inbox import Inbox

HEAD = (
    b"From: Eve <eve@far.test>\r\nTo: ada@acme.test\r\nSubject: Hello\r\n"
    b"Message-ID: <1@far.test>\r\nMIME-Version: 1.0\r\n"
)
CALENDAR = (
    b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nDTSTART:20261201T090000Z\r\nDTEND:20261201T100000Z\r\n"
    b"SUMMARY:Planning <b>\r\nLOCATION:Room 5\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
INVITED = (
    b'Content-Type: multipart/alternative; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nCome!\r\n--b\r\n'
    b"Content-Type: text/calendar; method=REQUEST\r\n\r\n" + CALENDAR + b"--b--\r\n"
)
FLOWED = (
    b"Content-Type: text/plain; format=flowed\r\n\r\nA long line that was \r\nbroken.\r\n> And quoted \r\n> too.\r\n"
)
PAGE = (
    b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>Dear\r\nAda,</p><p>first</p><ul><li>one</li><li>two</li></ul>"
    b"See<br>you\r\n"
)
LISTED = (
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>The body</p>\r\n'
    b"--b\r\nContent-Type: text/plain\r\n\r\nThe <list>\r\n--b\r\nContent-Type: text/plain; name=notes.txt\r\n"
    b"Content-Disposition: inline; filename=notes.txt\r\n\r\nNotes\r\n--b--\r\n"
)


def place(box: Inbox, uid: int) -> str:
    return f"{box.home.rpartition('/')[2]}:{uid}"


async def test_an_invitation_is_told_in_words_and_kept_as_a_file(box: Inbox) -> None:
    for content in (INVITED, b"Content-Type: text/calendar\r\n\r\n" + CALENDAR):
        uid = await box.receive(HEAD + content)
        page = box.get(f"{box.home}/{uid}").text
        assert "Planning &lt;b&gt;" in page
        assert "Tue 01 Dec 2026, 09:00 UTC" in page
        assert "Room 5" in page
        assert "BEGIN:VCALENDAR" not in page
        assert "invitation.ics" in page
        assert "VCALENDAR" not in box.get(f"/mail/write?answers={place(box, uid)}").text
    assert "Come!" in box.get(f"{box.home}/1").text


async def test_flowed_text_is_joined_and_quoted_so(box: Inbox) -> None:
    uid = await box.receive(HEAD + FLOWED)
    page = box.get(f"{box.home}/{uid}").text
    assert "A long line that was broken." in page
    assert "&gt; And quoted too." in page
    assert "&gt; A long line that was broken." in box.get(f"/mail/write?answers={place(box, uid)}").text


async def test_the_answer_to_a_page_quotes_it_line_by_line(box: Inbox) -> None:
    uid = await box.receive(HEAD + PAGE)
    written = box.get(f"/mail/write?answers={place(box, uid)}").text
    quoted = written.partition("wrote:")[2].partition("</textarea>")[0].strip().splitlines()
    lines = ["Dear Ada,", "", "first", "", "one", "two", "See", "you"]
    assert [line.strip() for line in quoted] == [f"&gt; {line}".strip() for line in lines]


async def test_page_and_plain_text_side_by_side_are_both_read_and_a_text_with_a_name_is_kept(box: Inbox) -> None:
    uid = await box.receive(HEAD + LISTED)
    frame = box.get(f"{box.home}/{uid}/body").text
    assert ("<p>The body</p>" in frame, "The &lt;list&gt;</div>" in frame, "Notes" in frame) == (True, True, False)
    assert f'href="{box.home}/{uid}/part/3"' in box.get(f"{box.home}/{uid}").text
    assert box.get(f"{box.home}/{uid}/part/3").text == "Notes"
    for way in ("answers", "forwards"):
        written = box.get(f"/mail/write?{way}={place(box, uid)}").text
        assert ("The body" in written, "The &lt;list&gt;" in written, "Notes" in written) == (True, True, False)
    assert 'value="forwards:3"' in written


async def test_text_that_runs_from_right_to_left_does_so_in_its_frame(box: Inbox) -> None:
    uid = await box.receive(HEAD + PAGE)
    assert '<body dir="auto">' in box.get(f"{box.home}/{uid}/body").text


async def test_a_conversation_is_shown_with_what_was_sent(box: Inbox) -> None:
    first = await box.receive(HEAD + b"\r\nWhen?\r\n")
    path = f"{box.home}/{first}/conversation"
    script = {"HX-Request": "true"}
    assert box.http.get(path, headers=script).text.strip() == ""
    assert "stands alone" in box.get(path).text
    box.post("/mail/write", {"act": "send", "to": "eve@far.test", "text": "Now", "answers": place(box, first)})
    more = await box.receive(HEAD.replace(b"<1@", b"<2@") + b"References: <1@far.test>\r\n\r\nThen so\r\n")
    gone = await box.receive(HEAD.replace(b"<1@", b"<3@") + b"References: <1@far.test>\r\n\r\nNever mind\r\n")
    box.post(f"{box.home}/act", {"act": "delete", "uid": str(gone)})
    shown = box.http.get(path, headers=script).text
    said = ("When?", "Now", "Then so")
    assert [shown.index(words) for words in said] == sorted(shown.index(words) for words in said)
    assert "Never mind" not in shown
    assert f'href="{box.home}/{first}" aria-current="true"' in shown
    assert f'href="{box.home}/{more}"' in shown
    assert f'hx-get="{path}"' in box.get(f"{box.home}/{first}").text


async def test_what_has_no_text_and_a_crowd_of_readers_are_told_in_short(box: Inbox) -> None:
    crowd = ", ".join(f"reader{number}@far.test" for number in range(1500)).encode()
    uid = await box.receive(b"From: eve@far.test\r\nCc: " + crowd.replace(b", ", b",\r\n ") + b"\r\nSubject: Crowd\r\n")
    page = box.get(f"{box.home}/{uid}").text
    assert "This message has no text." in page
    folded = re.search(r"<details[^>]*><summary>, copy to ([^<]*)… and more</summary>([^<]*)</details>", page)
    assert folded
    assert len(folded[1]) == 200
    assert folded[2].count("@far.test") == 1500


async def test_an_old_letter_says_its_year_where_no_script_does(box: Inbox) -> None:
    uid = await box.receive(HEAD + b"Date: Tue, 24 Nov 1998 10:00:00 +0000\r\n\r\nLong ago\r\n")
    assert ">Tue 24 Nov 1998, 10:00 UTC</time>" in box.get(f"{box.home}/{uid}").text


async def test_a_uuencoded_file_is_kept_decoded(box: Inbox) -> None:
    data = bytes(range(256)) * 9
    lines = b"".join(b2a_uu(data[start : start + 45]) for start in range(0, len(data), 45))
    written = (b"begin 644 plan.bin\n" + lines + b"`\nend\n").replace(b"\n", b"\r\n")
    head = b'Content-Type: application/octet-stream; name="plan.bin"\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n'
    body = (
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nSee\r\n--b\r\n' + head + written + b"--b--\r\n"
    )
    uid = await box.receive(HEAD + body)
    assert ">2.2 kB<" in box.get(f"{box.home}/{uid}").text
    assert box.get(f"{box.home}/{uid}/part/2").content == data
