"""Relay URLs: what they mean, and that what is wrong with them is said without the password."""

from __future__ import annotations

from pathlib import Path

import pytest

from hourpost.gateways.relays import RelaySpec, RelayUrlInvalid, TlsMode, parse_relay, parse_relays


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://relay.test", RelaySpec("relay.test", 587)),
        ("smtps://relay.test", RelaySpec("relay.test", 465, TlsMode.IMPLICIT)),
        ("smtp://relay.test?tls=none", RelaySpec("relay.test", 25, TlsMode.NONE)),
        ("smtp://u:p@relay.test:2525", RelaySpec("relay.test", 2525, username="u", password="p")),
        ("smtp://u%40a.test:p%2F%25@relay.test", RelaySpec("relay.test", 587, username="u@a.test", password="p/%")),
        ("smtp://[::1]:25?tls=none", RelaySpec("::1", 25, TlsMode.NONE, name="[::1]:25")),
        ("smtp://r.test?weight=3&connections=300", RelaySpec("r.test", 587, weight=3, connections=300)),
        ("smtp://r.test?tls=starttls&overlap=no", RelaySpec("r.test", 587, overlap=False)),
        ("smtps://r.test?tls=implicit", RelaySpec("r.test", 465, TlsMode.IMPLICIT)),
    ],
)
def test_a_url_says_where_and_how(url: str, expected: RelaySpec) -> None:
    assert parse_relay(url) == expected


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("relay.test:25", "smtp:// or smtps://"),
        ("http://relay.test", "smtp:// or smtps://"),
        ("smtp://", "host is missing"),
        ("smtp://relay.test:99999", "cannot be read"),
        ("smtp://u:hunter2/x@relay.test", "percent-encoded"),
        ("smtp://u:hunter2#x@relay.test", "percent-encoded"),
        ("smtp://u:hunter2?x@relay.test", "percent-encoded"),
        ("smtp://u@relay.test", "go together"),
        ("smtp://u:hunter2%0d%0aQUIT@relay.test", "control characters"),
        ("smtp://relay.test/inbox", "nothing may follow"),
        ("smtp://relay.test?tls=maybe", "starttls or none"),
        ("smtps://relay.test?tls=none", "contradicts"),
        ("smtp://relay.test?verify=no", "verify is unknown"),
        ("smtp://relay.test?hunter2%20=no", "one of the options is unknown"),
        ("smtp://relay.test?weight=0", "weight must be"),
        ("smtp://relay.test?weight=1&weight=2", "given twice"),
        ("smtp://relay.test?connections=many", "connections must be"),
        ("smtp://relay.test?ca=/does/not/exist.pem", "does not exist"),
        ("smtp://relay.test?tls=none&ca=/etc/passwd", "means nothing"),
    ],
)
def test_a_url_that_cannot_be_used_is_explained_without_its_password(url: str, words: str) -> None:
    with pytest.raises(RelayUrlInvalid) as caught:
        parse_relay(url)
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_password_is_not_in_the_repr() -> None:
    assert "hunter2" not in repr(parse_relay("smtp://u:hunter2@relay.test"))


def test_several_urls_are_separated_by_spaces_and_the_faulty_one_is_numbered() -> None:
    assert [spec.host for spec in parse_relays(" smtp://a.test  smtp://b.test\n")] == ["a.test", "b.test"]
    with pytest.raises(RelayUrlInvalid, match="relay 2"):
        parse_relays("smtp://a.test gopher://b.test")


def test_relays_at_the_same_address_have_names_of_their_own() -> None:
    names = [spec.name for spec in parse_relays("smtp://u:p@a.test smtp://v:q@a.test smtp://b.test")]
    assert names == ["a.test:587", "a.test:587#2", "b.test:587"]


def test_a_ca_file_is_taken_where_it_exists(tmp_path: Path) -> None:
    path = tmp_path / "own ca.pem"
    path.write_text("")
    assert parse_relay(f"smtp://a.test?ca={str(path).replace(' ', '%20')}").ca == path
