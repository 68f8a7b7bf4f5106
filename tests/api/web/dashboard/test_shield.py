"""What every page is wrapped in."""

from __future__ import annotations

import httpx
import pytest
from starlette.responses import PlainTextResponse

from api.web.dashboard.shield import Shield
from tests.api.web.dashboard.people import Surfer


@pytest.mark.parametrize("path", ["/", "/login", "/app/account", "/app/nothing"])
def test_a_page_allows_no_script_or_style_but_our_files(owner: Surfer, path: str) -> None:
    answer = owner.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    for forbidden in (" style=", "<style", "onclick=", "<script>"):
        assert forbidden not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_an_unsafe_request_of_another_site_is_refused(owner: Surfer, headers: dict[str, str]) -> None:
    assert owner.post("/app/account", {"name": "Stolen"}, **headers).status_code == 403
    assert "Stolen" not in owner.get("/app/account").text


def test_an_unsafe_request_that_does_not_say_where_it_comes_from_is_refused(owner: Surfer) -> None:
    del owner.http.headers["Origin"]
    assert owner.post("/app/account", {"name": "Stolen"}).status_code == 403


def test_built_files_are_kept_for_ever(nobody: Surfer) -> None:
    path = nobody.get("/").text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    answer = nobody.get(path)
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]


def test_errors_are_pages_with_a_number_to_tell(nobody: Surfer) -> None:
    answer = nobody.get("/app/nothing/here")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text
    assert answer.headers["x-request-id"] in answer.text


def test_the_rest_api_still_answers_in_json(nobody: Surfer) -> None:
    assert nobody.get("/emails").json()["name"] == "missing_api_key"
    assert nobody.get("/nothing").json()["name"] == "not_found"


@pytest.mark.parametrize(
    ("public_url", "told"), [("https://post.test", "max-age=31536000"), ("http://post.test", None)]
)
async def test_browsers_are_told_to_stay_with_tls_where_there_is_tls(public_url: str, told: str | None) -> None:
    page = Shield(PlainTextResponse("hello"), public_url=public_url)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(page), base_url=public_url) as browser:
        assert (await browser.get("/")).headers.get("strict-transport-security") == told
