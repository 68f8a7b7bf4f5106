"""Mailboxes on the command line."""

from __future__ import annotations

import asyncio
import re
from uuid import uuid4

import pytest
from sqlalchemy import text

from hourpost.accounts.passwords import is_password
from hourpost.cli.mailbox_words import parse_size
from hourpost.database import Database
from hourpost.errors import ValidationFailed
from tests.cli.conftest import Run

PASSWORD = "a good long password\n"


@pytest.fixture
def domain(hourpost: Run, acme: str, database_url: str) -> str:
    """A verified domain of the account."""
    name = f"d{uuid4().hex[:12]}.test"
    hourpost("domain", "add", "--account", acme, name, "--json")

    async def verify() -> None:
        database = Database(database_url, pool_size=1)
        async with database.transaction() as connection:
            await connection.execute(text("UPDATE domains SET status = 'verified' WHERE name = :name"), {"name": name})
        await database.close()

    asyncio.run(verify())
    return name


@pytest.fixture
def anna(hourpost: Run, acme: str, domain: str) -> str:
    """The address of a mailbox."""
    address = f"anna@{domain}"
    made = hourpost("mailbox", "create", "--account", acme, address, "--password-stdin", "--json", stdin=PASSWORD).json
    assert (made["object"], made["address"], made["id"][:4]) == ("mailbox", address, "mbx_")
    return address


def test_a_mailbox_is_shown_by_address_and_by_id(hourpost: Run, acme: str, anna: str) -> None:
    listed = hourpost("mailbox", "list", "--account", acme, "--json").json["data"]
    assert [one["address"] for one in listed] == [anna]
    shown = hourpost("mailbox", "show", "--account", acme, listed[0]["id"], "--json").json
    assert shown == hourpost("mailbox", "show", "--account", acme, anna, "--json").json
    assert "no mailbox 'nobody@acme.test'" in hourpost("mailbox", "show", "--account", acme, "nobody@acme.test").error


def test_an_address_must_be_on_a_verified_domain_and_free(hourpost: Run, acme: str, anna: str) -> None:
    create = ["mailbox", "create", "--account", acme, "--password-stdin"]
    assert "not a verified domain" in hourpost(*create, "a@nowhere.test", stdin=PASSWORD).error
    assert "taken already" in hourpost(*create, anna, stdin=PASSWORD).error
    assert "10 to 200" in hourpost(*create, anna, stdin="short\n").error


def test_a_password_is_changed(hourpost: Run, acme: str, anna: str, database_url: str) -> None:
    hourpost("mailbox", "password", "--account", acme, anna, "--password-stdin", "--json", stdin="another good one\n")

    async def is_right(password: str) -> bool:
        database = Database(database_url, pool_size=1)
        async with database.reading() as connection:
            found = await connection.execute(
                text("SELECT password_hash FROM mailboxes WHERE address = :address"), {"address": anna}
            )
            hashed = found.scalar_one()
        await database.close()
        return await is_password(password, hashed)

    assert asyncio.run(is_right("another good one"))
    assert not asyncio.run(is_right(PASSWORD.strip()))


def test_aliases_and_settings_are_changed(hourpost: Run, acme: str, anna: str, domain: str) -> None:
    hourpost("mailbox", "alias", "add", "--account", acme, anna, f"a@{domain}", "--json")
    settings = ["--quota", "20GB", "--name", "Anna", "--forward-to", "x@example.net"]
    hourpost("mailbox", "catch-all", "--account", acme, anna, "--json")
    changed = hourpost("mailbox", "set", "--account", acme, anna, *settings, "--json").json
    assert (changed["aliases"], changed["catch_all"], changed["name"]) == ([f"a@{domain}"], [domain], "Anna")
    assert (changed["quota_bytes"], changed["forward_to"]) == (20 * 10**9, ["x@example.net"])
    shown = hourpost("mailbox", "show", "--account", acme, anna).output
    for name, value in (("aliases", f"a@{domain}"), ("catch all", domain), ("forward to", "x@example.net")):
        assert re.search(rf"^{name} +{re.escape(value)}$", shown, re.MULTILINE)
    hourpost("mailbox", "alias", "remove", "--account", acme, anna, f"a@{domain}", "--json")
    hourpost("mailbox", "catch-all", "--account", acme, anna, "--off", "--json")
    changed = hourpost("mailbox", "set", "--account", acme, anna, "--forward-to", "", "--json").json
    assert (changed["aliases"], changed["catch_all"], changed["forward_to"]) == ([], [], [])


def test_copies_are_kept_as_it_is_set(hourpost: Run, acme: str, anna: str) -> None:
    for options, kept in ((["--no-forwarded"], (False, True)), (["--forwarded", "--no-sent"], (True, False))):
        changed = hourpost("mailbox", "copies", "--account", acme, anna, *options, "--json").json
        assert (changed["keeps_forwarded"], changed["files_sent"]) == kept


def test_an_app_password_is_made_and_revoked(hourpost: Run, acme: str, anna: str) -> None:
    command = ["mailbox", "app-password"]
    made = hourpost(*command, "create", "--account", acme, anna, "--scope", "imap", "--json").json
    assert made["password"].startswith("hp_mbox_")
    assert made["scopes"] == ["imap"]
    assert made["password"] not in hourpost(*command, "list", "--account", acme, anna, "--json").output
    assert hourpost(*command, "revoke", "--account", acme, anna, made["id"], "--json").json["deleted"]
    assert hourpost(*command, "list", "--account", acme, anna, "--json").json["data"] == []
    assert hourpost(*command, "revoke", "--account", acme, anna, made["id"]).exit_code == 1


def test_a_deleted_mailbox_comes_back(hourpost: Run, acme: str, anna: str) -> None:
    gone = hourpost("mailbox", "delete", "--account", acme, anna, "--json").json
    assert gone["deleted"]
    assert hourpost("mailbox", "show", "--account", acme, anna).exit_code == 1
    listed = hourpost("mailbox", "list", "--account", acme, "--deleted", "--json").json["data"]
    assert gone["id"] in [one["id"] for one in listed]
    for name in (gone["id"], anna):
        hourpost("mailbox", "delete", "--account", acme, anna)
        assert hourpost("mailbox", "restore", "--account", acme, name, "--json").json["deleted_at"] is None
    listed = hourpost("mailbox", "list", "--account", acme, "--deleted", "--json").json["data"]
    assert gone["id"] not in [one["id"] for one in listed]
    assert hourpost("mailbox", "show", "--account", acme, anna, "--json").json["id"] == gone["id"]


@pytest.mark.parametrize(
    ("written", "size"), [("10", 10), ("5 MB", 5 * 10**6), ("2gib", 2**31), ("1T", 10**12), (None, None)]
)
def test_sizes_are_read(written: str | None, size: int | None) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize("written", ["", "GB", "-1", "1.5GB", "10 bytes"])
def test_what_is_no_size_is_refused(written: str) -> None:
    with pytest.raises(ValidationFailed):
        parse_size(written)
