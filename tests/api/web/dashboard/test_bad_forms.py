"""What no browser sends: it is answered, and PostgreSQL never sees what it cannot take."""

from __future__ import annotations

import pytest

from tests.api.web.dashboard.people import Cast


@pytest.mark.parametrize(
    ("who", "path", "form", "status"),
    [
        ("nobody", "/login", {"email": "a\0@acme.test", "password": "a sentence to keep"}, 422),
        ("owner", "/app/suppressions/remove", {"id": "a\0@acme.test"}, 404),
        ("owner", "/app/you/passkeys", {"credential": "\0", "passkey_name": "a\0"}, 422),
    ],
)
def test_a_nul_in_a_form_is_one_more_odd_character(
    cast: Cast, who: str, path: str, form: dict[str, str], status: int
) -> None:
    assert cast[who].post(path, form).status_code == status


@pytest.mark.parametrize(
    ("who", "path", "said"),
    [
        ("owner", "/app/suppressions?q=%00", "Not on the list"),
        ("staff", "/operator/accounts?q=%00", "No such account"),
    ],
)
def test_nothing_is_found_by_a_nul(cast: Cast, who: str, path: str, said: str) -> None:
    answer = cast[who].get(path)
    assert answer.status_code == 200
    assert said in answer.text
