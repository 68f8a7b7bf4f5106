"""Addresses: what is taken, what is refused, and that what is written is read as the same."""

from __future__ import annotations

import email.policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hourpost.rules.addresses import (
    Address,
    AddressError,
    normalise_domain,
    parse_address,
    parse_address_list,
    parse_path,
    parse_sender,
    split_path,
)
from tests.rules.hostile import ATTACKS, hostile_text


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("a@b.test", Address("", "a", "b.test")),
        ("Some.One+tag@EXAMPLE.Test", Address("", "Some.One+tag", "example.test")),
        ("<a@b.test>", Address("", "a", "b.test")),
        ("  a@b.test ", Address("", "a", "b.test")),
        ("Acme <a@b.test>", Address("Acme", "a", "b.test")),
        ("Acme<a@b.test>", Address("Acme", "a", "b.test")),
        ('"Acme, Inc." <a@b.test>', Address("Acme, Inc.", "a", "b.test")),
        ('"a \\"b\\" \\\\ c" <a@b.test>', Address('a "b" \\ c', "a", "b.test")),
        ('John "Johnny" Doe <a@b.test>', Address("John Johnny Doe", "a", "b.test")),
        ("joe@b.test <joe@b.test>", Address("joe@b.test", "joe", "b.test")),
        ("Günter Müller <a@b.test>", Address("Günter Müller", "a", "b.test")),
        ("=?utf-8?q?G=C3=BCnter?= =?utf-8?b?IFg=?= <a@b.test>", Address("Günter X", "a", "b.test")),
        ("a@bücher.test", Address("", "a", "xn--bcher-kva.test")),
        ("a@BÜCHER.test", Address("", "a", "xn--bcher-kva.test")),
        ("a@xn--bcher-kva.test", Address("", "a", "xn--bcher-kva.test")),
        ("jü@b.test", Address("", "jü", "b.test")),
        ('"john doe"@b.test', Address("", '"john doe"', "b.test")),
        ('"john"@b.test', Address("", "john", "b.test")),
        (f"{'a' * 64}@b.test", Address("", "a" * 64, "b.test")),
    ],
)
def test_an_address_is_read(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no @"),
        ("Acme", "no @"),
        ("Acme <>", "no @"),
        ("@b.test", "nothing before the @"),
        ("a@", "no domain"),
        ("a@b", "not a domain name"),
        ("a@b..test", "not a domain name"),
        ("a@-b.test", "not a domain name"),
        ("a@b_c.test", "not a domain name"),
        ("a@b.test.", "not a domain name"),
        ("a@192.0.2.1", "not a domain name"),
        ("a@[192.0.2.1]", "address literal"),
        ("a@℀.test", "not a valid international domain"),
        ("a@b／c.test", "not a valid international domain"),
        (f"a@{'b' * 64}.test", "not a domain name"),
        (f"a@{'b.' * 150}test", "longer than"),
        (f"{'a' * 65}@b.test", "more than 64 bytes"),
        (f"{'ü' * 33}@b.test", "more than 64 bytes"),
        ("user%other@b.test", "routes by % or !"),
        ("other!user@b.test", "routes by % or !"),
        ('"user%other"@b.test', "refused"),
        ('"other!user"@b.test', "refused"),
        ('"a@c.test"@b.test', "refused"),
        ("a@c.test@b.test", "not allowed"),
        ("@a.test,@b.test:c@d.test", "source route"),
        ("<@a.test:c@d.test>", "source route"),
        (".a@b.test", "dot"),
        ("a..c@b.test", "dot"),
        ("a b@c.test", "not allowed"),
        ("a(comment)@b.test", "not allowed"),
        ("a@b.test (comment)", "not a domain name"),
        ("a\u200b@b.test", "not allowed"),
        ("a@b.test, c@d.test", "give several as a list"),
        ("a@b.test <c@d.test>, e@f.test", "one email address"),
        ("a@b.test, C <c@d.test>", "double quotes"),
        ("A <a@b.test> <c@d.test>", "one email address"),
        ("Friends: a@b.test;", "not allowed"),
        ('"open <a@b.test>', "double quotes"),
        ("x" * 1001 + " <a@b.test>", "longer than 1000"),
        ("=?utf-8?q?a?=@b.test", "refused"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(AddressError, match=reason):
        parse_address(text)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("form", ["{} <a@b.test>", '"{}" <a@b.test>', "{}@b.test", "a@{}b.test", "A <{}@b.test>"])
def test_no_line_end_gets_in_by_any_part(attack: str, form: str) -> None:
    with pytest.raises(AddressError):
        parse_address(form.format(attack))


def test_an_encoded_word_behind_backslashes_is_found() -> None:
    with pytest.raises(AddressError, match=r"U\+000A"):
        parse_address('"=?utf-8?q?=0\\A?=" <a@b.test>')


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_address_made_by_hand_cannot_end_its_line(attack: str) -> None:
    try:
        header = Address(attack, "a", "b.test").header
    except AddressError:
        return
    assert header.isprintable()
    assert [other.addr_spec for other in email.policy.SMTP.header_factory("To", header).addresses] == ["a@b.test"]


@pytest.mark.parametrize("part", [("", "a\r\nBcc: x", "b.test"), ("", "a", "b.test\r\nBcc: x"), ("N", "a\n", "b.test")])
def test_a_local_part_or_domain_made_by_hand_cannot_end_its_line(part: tuple[str, str, str]) -> None:
    with pytest.raises(AddressError):
        _ = Address(*part).header


@pytest.mark.parametrize(
    ("address", "header"),
    [
        (Address("", "a", "b.test"), "a@b.test"),
        (Address("Acme Shop", "a", "b.test"), "Acme Shop <a@b.test>"),
        (Address("Acme, Inc.", "a", "b.test"), '"Acme, Inc." <a@b.test>'),
        (Address('a "b" \\', "a", "b.test"), '"a \\"b\\" \\\\" <a@b.test>'),
        (Address("Ünal", "a", "b.test"), "=?utf-8?b?w5xuYWw=?= <a@b.test>"),
        (Address("=?utf-8?q?x?=", "a", "b.test"), "=?utf-8?b?PT91dGYtOD9xP3g/PQ==?= <a@b.test>"),
    ],
)
def test_an_address_is_written_for_a_header(address: Address, header: str) -> None:
    assert address.header == header


@settings(max_examples=300, deadline=None)
@given(hostile_text)
def test_what_is_read_is_written_so_that_others_read_the_same(text: str) -> None:
    try:
        address = parse_address(text)
    except AddressError:
        return
    assert address.header.isprintable()
    others = email.policy.SMTPUTF8.header_factory("To", address.header).addresses
    assert [other.addr_spec for other in others] == [address.spec]
    assert parse_address(address.header) == address


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=80))
def test_every_name_comes_back(name: str) -> None:
    name = name.strip(" ").replace("=?", "")
    address = Address(name, "a", "b.test")
    assert parse_address(address.text) == address
    assert parse_address(address.header) == address


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | hostile_text)
def test_no_domain_but_a_lower_case_ascii_name_comes_out(text: str) -> None:
    try:
        name = normalise_domain(text)
    except AddressError:
        return
    assert name.isascii()
    assert name == name.lower() == normalise_domain(name)
    assert "." in name.strip(".")


def test_a_list_is_read() -> None:
    addresses = parse_address_list('"A, B" <a@b.test>, C <c@d.test>,e@f.test')
    assert [address.spec for address in addresses] == ["a@b.test", "c@d.test", "e@f.test"]
    assert addresses[0].display_name == "A, B"


def test_a_name_in_a_list_may_stand_behind_its_address_as_cron_writes_it() -> None:
    addresses = parse_address_list("root@b.test (Cron Daemon), a@b.test (=?utf-8?q?J=C3=B6rg?=)")
    assert addresses == (Address("Cron Daemon", "root", "b.test"), Address("Jörg", "a", "b.test"))
    assert parse_address_list("a@b.test (x) <c@d.test>")[0].spec == "c@d.test"


@pytest.mark.parametrize("name", ["(c@d.test)", "(<c>)", "(=?utf-8?q?=0A?=)", "(c) d"])
def test_what_could_be_taken_for_another_address_is_no_name(name: str) -> None:
    with pytest.raises(AddressError):
        parse_address_list(f"a@b.test {name}")


@pytest.mark.parametrize("text", ["a@b.test,", ",a@b.test", "a@b.test,,c@d.test", "A: a@b.test, c@d.test;", '"a, b'])
def test_a_broken_list_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        parse_address_list(text)


@pytest.mark.parametrize(
    ("path", "spec"),
    [
        ("<a@b.test>", "a@b.test"),
        ('<"john doe"@b.test>', '"john doe"@b.test'),
        ('<"a>b"@b.test>', '"a>b"@b.test'),
        ("<a@BÜCHER.test>", "a@xn--bcher-kva.test"),
    ],
)
def test_a_path_is_read(path: str, spec: str) -> None:
    address = parse_path(path)
    assert address is not None
    assert address.spec == spec


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_line_end_gets_into_a_sender(attack: str) -> None:
    for path in (f"<{attack}@localhost>", f"<a@{attack}>", f"<@{attack}:a@b>"):
        with pytest.raises(AddressError):
            parse_sender(path)


def test_the_null_sender_is_none() -> None:
    assert parse_path("<>") is None


@pytest.mark.parametrize(
    "path", ["", "a@b.test", "<a@b.test", "<A <a@b.test>>", "<@a.test:b@c.test>", "< a@b.test>", "<a%c@b.test>", "<a>"]
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(AddressError):
        parse_path(path)


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_line_end_gets_into_a_path(attack: str) -> None:
    with pytest.raises(AddressError):
        parse_path(f"<{attack}@b.test>")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("<a@b.test>", ("<a@b.test>", "")),
        (" <a@b.test> SIZE=10 BODY=8BITMIME ", ("<a@b.test>", "SIZE=10 BODY=8BITMIME")),
        ('<"a> b"@c.test> SIZE=1', ('<"a> b"@c.test>', "SIZE=1")),
        ("<> RET=HDRS", ("<>", "RET=HDRS")),
    ],
)
def test_a_path_is_split_from_its_parameters(text: str, parts: tuple[str, str]) -> None:
    assert split_path(text) == parts


@pytest.mark.parametrize("text", ["", "a@b.test SIZE=1", "<a@b.test>SIZE=1", "<a@b.test"])
def test_parameters_without_a_path_are_refused(text: str) -> None:
    with pytest.raises(AddressError):
        split_path(text)
