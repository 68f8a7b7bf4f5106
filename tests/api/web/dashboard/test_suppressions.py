"""Suppressions in the dashboard: by hand, by file, and taken off again."""

from __future__ import annotations

import re

import pytest

from api.web.dashboard.suppressions import safe_cell
from hourpost import pages
from tests.api.web.dashboard.people import Cast, Surfer, text_of


def send_file(surfer: Surfer, content: bytes) -> object:
    return surfer.http.post("/app/suppressions/import", files={"file": ("list.csv", content, "text/csv")})


def test_an_address_is_added_found_and_removed(owner: Surfer) -> None:
    assert owner.post("/app/suppressions", {"email": "Ada@Far.test"}).status_code == 303
    found = owner.get("/app/suppressions?q=ada@far.test")
    assert "ada@far.test" in found.text
    wanted = re.search(r'name="id" value="(sup_[a-z0-9]+)"', found.text)
    assert wanted
    assert owner.post("/app/suppressions/remove", {"id": wanted[1]}).status_code == 303
    assert "Not on the list" in owner.get("/app/suppressions?q=ada@far.test").text


def test_a_part_of_an_address_finds_it(owner: Surfer) -> None:
    for address in ("ada@far.test", "a_a@far.test", "grace@near.test"):
        owner.post("/app/suppressions", {"email": address})
    owner.get("/app/suppressions")  # says what was done last
    found = owner.get("/app/suppressions?q=FAR.t").text
    assert "ada@far.test" in found
    assert "grace@near.test" not in found
    assert "ada@far.test" not in owner.get("/app/suppressions?q=a_a").text
    assert "a_a@far.test" in owner.get("/app/suppressions?q=a_a").text
    assert "Not on the list" in owner.get("/app/suppressions?q=far.test&reason=complaint").text


def test_a_long_list_is_searched_on(owner: Surfer, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        owner.post("/app/suppressions", {"email": f"n{number}@far.test"})
    monkeypatch.setattr(pages, "SEARCHED_AT_ONCE", 2)
    first = owner.get("/app/suppressions?q=n0@").text
    assert "Nothing so far" in first
    older = re.search(r'href="([^"]*after=[^"]*)"', first)
    assert older
    assert "n0@far.test" in owner.get(older[1].replace("&amp;", "&")).text


@pytest.mark.parametrize(
    "content",
    [
        b"status,reason,email,created\r\n5.1.1,bounce,ada@far.test,2026\r\n",
        b"Recipient;Reason\r\nada@far.test;hard\r\n",
        b"name\te-mail\nAda\tada@far.test\n",
        b"ada@far.test\n",
    ],
)
def test_files_of_other_services_are_understood(owner: Surfer, content: bytes) -> None:
    assert send_file(owner, content).status_code == 303  # type: ignore[attr-defined]
    found = owner.get("/app/suppressions?q=ada@far.test").text
    assert "1 address is on the list." in found
    assert 'value="sup_' in found
    assert "imported suppressions name: 1 address " in text_of(owner.get("/app/audit"))


def test_what_is_no_address_is_said(owner: Surfer) -> None:
    answer = owner.post("/app/suppressions", {"email": "nobody"})
    assert answer.status_code == 422
    assert 'id="email-fault"' in answer.text


def test_a_file_is_taken_as_a_whole_and_given_back(owner: Surfer) -> None:
    lines = "email,reason\r\n" + "".join(f"n{number}@far.test,manual\r\n" for number in range(1500))
    assert send_file(owner, b"\xef\xbb\xbf" + lines.encode()).status_code == 303  # type: ignore[attr-defined]
    assert "1,500 addresses are on the list." in owner.get("/app/suppressions").text
    exported = owner.get("/app/suppressions/export")
    assert exported.headers["content-type"].startswith("text/csv")
    assert exported.text.count("@far.test,manual,") == 1500


def test_of_a_file_with_a_wrong_line_nothing_is_taken(owner: Surfer) -> None:
    answer = send_file(owner, b"good@far.test\nnobody\n")
    assert answer.status_code == 422  # type: ignore[attr-defined]
    assert "nobody" in text_of(answer)  # type: ignore[arg-type]
    assert "good@far.test" not in owner.get("/app/suppressions/export").text


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "no address"), (b"\xff\xfe", "not UTF-8"), (b"email\n", "no addr")]
)
def test_a_file_that_cannot_be_one_is_refused(owner: Surfer, content: bytes, words: str) -> None:
    answer = send_file(owner, content)
    assert answer.status_code == 422  # type: ignore[attr-defined]
    assert words in text_of(answer)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", "\tx"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


def test_a_stranger_removes_nothing(cast: Cast) -> None:
    cast["owner"].post("/app/suppressions", {"email": "eve@far.test"})
    assert cast["stranger"].post("/app/suppressions/remove", {"id": "eve@far.test"}).status_code == 404
    assert cast["viewer"].post("/app/suppressions/remove", {"id": "eve@far.test"}).status_code == 403


def test_a_file_with_line_ends_of_old_is_read_and_one_that_is_no_csv_is_refused_in_words(owner: Surfer) -> None:
    assert send_file(owner, b"email\rold1@mac.test\rold2@mac.test\r").status_code == 303
    assert "old2@mac.test" in owner.get("/app/suppressions?q=old2@mac.test").text
    answer = send_file(owner, b"email\n" + b"x" * 200_000 + b"@far.test\n")
    assert answer.status_code == 422
    assert "cannot be read as CSV" in text_of(answer)
