"""Accounts, keys, SMTP credentials and domains on the command line."""

from __future__ import annotations

import asyncio
import shlex
from uuid import uuid4

import pytest
from sqlalchemy import text

from hourpost.accounts.audit import list_entries
from hourpost.accounts.queries import PREFIX
from hourpost.database import Database
from hourpost.pages import Cursor
from hourpost.rules.ids import from_text
from hourpost.rules.tokens import looks_valid
from tests.cli.conftest import Run
from tests.fakes.dns_server import DnsServer


def test_an_account_is_made_and_shown(hourpost: Run, acme: str) -> None:
    shown = hourpost("account", "show", "--account", acme, "--json").json
    assert (shown["object"], shown["id"], shown["plan"], shown["limit"]) == ("account", acme, "path", 1000)
    assert acme in hourpost("account", "list").output
    assert acme in [one["id"] for one in hourpost("account", "list", "--json").json["data"]]


def test_an_account_is_shown_to_people_too(hourpost: Run, acme: str) -> None:
    assert f"id              {acme}" in hourpost("account", "show", "--account", acme).output


def test_the_password_comes_by_standard_input(hourpost: Run) -> None:
    create = ["account", "create", "--name", "A", "--email", f"{uuid4().hex}@acme.test", "--password-stdin", "--json"]
    assert hourpost(*create, stdin="a good password\n").json["plan"] is None
    assert "no password" in hourpost(*create, stdin="").error
    assert "10 to 200" in hourpost(*create, stdin="short\n").error


def test_a_second_factor_is_dropped_for_who_has_lost_it(hourpost: Run, database_url: str) -> None:
    email = f"{uuid4().hex}@acme.test"
    hourpost("account", "create", "--name", "A", "--email", email)

    async def turn_on() -> None:
        database = Database(database_url, pool_size=1)
        async with database.transaction() as connection:
            await connection.execute(text("UPDATE users SET totp_secret = 'x' WHERE email = :email"), {"email": email})
        await database.close()

    asyncio.run(turn_on())
    assert hourpost("account", "drop-second-factor", email.upper(), "--json").json["email"] == email
    assert "has no second factor" in hourpost("account", "drop-second-factor", email).error
    missing = hourpost("account", "drop-second-factor", f"no-{email}")
    assert (missing.exit_code, "There is no user" in missing.error) == (1, True)


def test_the_same_account_is_not_made_twice_by_mistake(hourpost: Run) -> None:
    name, email = f"Twin {uuid4().hex[:12]}", f"{uuid4().hex[:12]}@acme.test"
    first = hourpost("account", "create", "--name", name, "--email", email, "--json")
    assert first.error == ""
    again = hourpost("account", "create", "--name", name.upper(), "--email", email.upper())
    assert (again.exit_code, first.json["id"] in again.error, "--another" in again.error) == (1, True, True)
    for others in (("--email", f"other-{email}"), ("--email", email, "--another")):
        made = hourpost("account", "create", "--name", name, *others, "--json")
        assert made.json["id"] != first.json["id"]
        assert first.json["id"] in made.error


def test_all_faults_are_told_and_the_exit_code_is_one(hourpost: Run) -> None:
    done = hourpost("account", "create", "--name", "", "--email", "nobody", "--plan", "gold")
    assert done.exit_code == 1
    assert [line.split(":")[1] for line in done.error.splitlines()] == [" plan", " name", " email"]


def test_a_plan_is_changed_with_a_limit_of_its_own(hourpost: Run, acme: str) -> None:
    done = hourpost("account", "plan", "--account", acme, "--set", "skilled", "--limit", "20000", "--json").json
    assert (done["plan"], done["limit"], done["own_limit"], done["released"]) == ("skilled", 20000, 20000, 0)
    assert hourpost("account", "plan", "--account", acme, "--set", "none", "--json").json["plan"] is None


def test_an_account_is_suspended_and_resumed(hourpost: Run, acme: str) -> None:
    assert hourpost("account", "suspend", "--account", acme, "--json").json["suspended_at"] is not None
    assert hourpost("account", "resume", "--account", acme, "--json").json["suspended_at"] is None


def test_a_second_signature_is_asked_for(hourpost: Run, acme: str) -> None:
    assert hourpost("account", "signing", "--account", acme, "--ed25519", "--json").json["signs_ed25519"]
    assert hourpost("account", "signing", "--account", acme).exit_code == 1


def test_what_follows_a_lost_answer_is_chosen(hourpost: Run, acme: str) -> None:
    change = ("account", "unknown", "--account", acme, "--policy")
    assert hourpost(*change, "park", "--json").json["unknown_policy"] == "park"
    refused = hourpost(*change, "x")
    assert refused.exit_code == 1
    assert "retry, park" in refused.error


@pytest.mark.parametrize(("flag", "prefix"), [((), "hp_live_"), (("--test",), "hp_test_")])
def test_a_key_is_told_once(hourpost: Run, acme: str, flag: tuple[str, ...], prefix: str) -> None:
    made = hourpost("key", "create", "--account", acme, "--name", "shop", *flag, "--json").json
    assert looks_valid(made["token"])
    assert made["token"].startswith(prefix)
    listed = hourpost("key", "list", "--account", acme, "--json")
    assert [one["id"] for one in listed.json["data"]] == [made["id"]]
    assert made["token"] not in listed.output


def test_a_key_may_be_restricted(hourpost: Run, acme: str) -> None:
    domain = hourpost("domain", "add", "--account", acme, f"{uuid4().hex[:12]}.test", "--json").json
    limits = ("--scope", "sending", "--domain", domain["name"], "--expires", "in 2 days")
    made = hourpost("key", "create", "--account", acme, *limits, "--json").json
    assert (made["scope"], made["domain_id"]) == ("sending", domain["id"])
    assert made["expires_at"].endswith("Z")
    assert "not a moment" in hourpost("key", "create", "--account", acme, "--expires", "soon").error


@pytest.mark.parametrize("noun", ["key", "smtp-credential"])
def test_what_a_credential_sends_is_filed_or_not(hourpost: Run, acme: str, noun: str) -> None:
    made = hourpost(noun, "create", "--account", acme, "--json").json
    assert made["files_sent"]
    for option, wanted in (("--no-sent", False), ("--sent", True)):
        assert hourpost(noun, "copies", "--account", acme, made["id"], option, "--json").json["files_sent"] is wanted
        (listed,) = hourpost(noun, "list", "--account", acme, "--json").json["data"]
        assert listed["files_sent"] is wanted
    assert hourpost(noun, "copies", "--account", acme, "junk", "--sent").exit_code == 1


@pytest.mark.parametrize("noun", ["key", "smtp-credential"])
def test_the_name_and_the_end_of_a_credential_are_changed(hourpost: Run, acme: str, noun: str) -> None:
    change = (noun, "change", "--account", acme, hourpost(noun, "create", "--account", acme, "--json").json["id"])
    changed = hourpost(*change, "--name", "shop", "--expires", "2090-01-01T00:00:00Z", "--json").json
    assert (changed["name"], changed["expires_at"]) == ("shop", "2090-01-01T00:00:00Z")
    assert hourpost(*change, "--never", "--json").json["expires_at"] is None
    for wrong in ((), ("--never", "--expires", "in 2 days"), ("--expires", "2020-01-01T00:00:00Z")):
        assert hourpost(*change, *wrong).exit_code == 1


def test_a_revoked_key_is_gone(hourpost: Run, acme: str) -> None:
    key = hourpost("key", "create", "--account", acme, "--json").json["id"]
    assert hourpost("key", "revoke", "--account", acme, key, "--json").json["deleted"]
    assert "No key yet" in hourpost("key", "list", "--account", acme).error
    assert hourpost("key", "revoke", "--account", acme, key).exit_code == 1
    assert "not the id" in hourpost("key", "revoke", "--account", acme, "junk").error


def test_an_smtp_credential_has_user_name_and_password(hourpost: Run, acme: str) -> None:
    made = hourpost("smtp-credential", "create", "--account", acme, "--json").json
    assert looks_valid(made["password"])
    assert made["username"] == made["id"]
    assert made["username"] in hourpost("smtp-credential", "list", "--account", acme).output
    assert hourpost("smtp-credential", "revoke", "--account", acme, made["id"]).exit_code == 0


def test_a_domain_is_added_verified_and_deleted(hourpost: Run, acme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOURPOST_EMBEDDED", "true")
    name = f"{uuid4().hex[:12]}.test"
    added = hourpost("domain", "add", "--account", acme, name)
    assert f"\n  name   _hourpost.{name}\n  value  hourpost-verification=" in added.output
    assert "hourpost domain verify" in added.error
    assert "Set HOURPOST_HOSTNAME first" in added.error
    assert f"_imaps._tcp.{name}" in added.output
    assert "Receiving (MX, for mailboxes)" in added.output
    verified = hourpost("domain", "verify", "--account", acme, name, "--json").json
    assert (verified["status"], verified["signs"]) == ("verified", True)
    assert name in hourpost("domain", "list", "--account", acme).output
    assert hourpost("domain", "show", "--account", acme, name, "--json").json["id"] == verified["id"]
    assert hourpost("domain", "delete", "--account", acme, name, "--json").json["deleted"]


def test_a_domain_is_proved_in_dns(hourpost: Run, acme: str, name_server: DnsServer) -> None:
    name = f"{uuid4().hex[:12]}.com"
    ownership = hourpost("domain", "add", "--account", acme, name, "--json").json["records"][0]
    pending = hourpost("domain", "verify", "--account", acme, name)
    assert (pending.exit_code, "pending" in pending.output) == (1, True)
    assert "ownership record is not seen yet" in pending.error
    name_server.publish(ownership["name"], ownership["value"])
    assert hourpost("domain", "verify", "--account", acme, name, "--json").json["status"] == "verified"


def test_a_domain_is_not_verified_while_dns_is_away(hourpost: Run, acme: str, name_server: DnsServer) -> None:
    name_server.broken.add("_hourpost.acme-unverified.com")
    hourpost("domain", "add", "--account", acme, "acme-unverified.com")
    done = hourpost("domain", "verify", "--account", acme, "acme-unverified.com")
    assert done.exit_code == 1
    assert "name servers gave no answer" in done.error


def test_an_unknown_account_is_named_in_the_error(hourpost: Run) -> None:
    done = hourpost("key", "list", "--account", "Nobody & Sons")
    assert (done.exit_code, "Nobody & Sons" in done.error) == (1, True)


def test_where_nothing_runs_the_way_out_is_told(hourpost: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOURPOST_DATABASE_URL")
    done = hourpost("account", "list")
    assert (done.exit_code, "hourpost up" in done.error) == (1, True)


def test_without_a_secret_key_no_domain_is_added(hourpost: Run, acme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOURPOST_SECRET_KEY")
    assert "HOURPOST_SECRET_KEY is not set" in hourpost("domain", "add", "--account", acme, "acme.test").error


@pytest.mark.parametrize("noun", ["webhook", "inbound-route"])
def test_where_there_is_none_yet_the_whole_command_that_makes_one_is_told(hourpost: Run, acme: str, noun: str) -> None:
    told = shlex.split(hourpost(noun, "list", "--account", acme).error.split("hourpost ")[1])
    done = hourpost(*told)
    assert done.exit_code != 2  # it may be refused, as its domain is nobody's, and is whole


def test_a_webhook_is_made_listed_replayed_and_deleted(hourpost: Run, acme: str) -> None:
    create = ["webhook", "create", "--account", acme, "--event", "email.sent", "--json"]
    made = hourpost(*create, "https://acme.example/hooks").json
    assert made["signing_secret"].startswith("whsec_")
    assert "endpoint" in hourpost(*create, "https://10.0.0.1/").error
    (listed,) = hourpost("webhook", "list", "--account", acme, "--json").json["data"]
    assert (listed["id"], listed["status"], "signing_secret" in listed) == (made["id"], "enabled", False)
    assert hourpost("webhook", "replay", "--account", acme, made["id"], "--json").json["replayed"] == 0
    assert "no webhook" in hourpost("webhook", "replay", "--account", acme, "nonsense").error
    assert hourpost("webhook", "delete", "--account", acme, made["id"], "--json").json["deleted"]
    assert hourpost("webhook", "list", "--account", acme, "--json").json["data"] == []
    for gone in (made["id"], "nonsense"):
        assert hourpost("webhook", "delete", "--account", acme, gone).exit_code == 1


def test_a_route_of_incoming_mail_is_made_listed_and_ended(hourpost: Run, acme: str, name_server: DnsServer) -> None:
    name = f"{uuid4().hex[:12]}.com"
    ownership = hourpost("domain", "add", "--account", acme, name, "--json").json["records"][0]
    name_server.publish(ownership["name"], ownership["value"])
    hourpost("domain", "verify", "--account", acme, name)
    create = ["inbound-route", "create", "--account", acme, "--json"]
    made = hourpost(*create, f"Support@{name}", "https://acme.example/inbound").json
    assert made["signing_secret"].startswith("whsec_")
    assert "not a verified domain" in hourpost(*create, "*@other.test", "https://acme.example/inbound").error
    (listed,) = hourpost("inbound-route", "list", "--account", acme, "--json").json["data"]
    assert (listed["id"], listed["pattern"]) == (made["id"], f"support@{name}")
    refused = hourpost("webhook", "delete", "--account", acme, made["webhook_id"])
    assert refused.exit_code == 1
    assert made["id"] in refused.error
    assert hourpost("inbound-route", "delete", "--account", acme, made["id"], "--json").json["deleted"] is True
    assert hourpost("inbound-route", "list", "--account", acme, "--json").json["data"] == []


async def test_what_the_operator_does_is_in_the_audit_log(hourpost: Run, acme: str, database: Database) -> None:
    of = ("--account", acme)

    def commands() -> None:
        key = hourpost("key", "create", *of, "--name", "shop", "--json").json["id"]
        hourpost("key", "revoke", *of, key)
        hourpost("domain", "add", *of, f"{acme[4:16]}.test")
        hourpost("account", "plan", *of, "--set", "skilled")
        hourpost("account", "suspend", *of)
        hourpost("account", "resume", *of)

    await asyncio.to_thread(commands)
    account_id = from_text(PREFIX, acme)
    assert account_id is not None
    async with database.reading() as connection:
        told = (await list_entries(connection, account_id, Cursor(limit=20))).data[::-1]
    assert {one.actor for one in told} == {"the command line"}
    assert [one.action for one in told] == [
        "account_created",
        "api_key_made",
        "api_key_revoked",
        "domain_added",
        "plan_changed",
        "account_suspended",
        "account_resumed",
    ]
