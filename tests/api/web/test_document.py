"""The OpenAPI document, health, metrics, usage and plans."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
from jsonschema_rs import Draft202012Validator

from api.web.illustrated import _ANSWERS
from hourpost.accounts.changes import set_plan
from hourpost.database import Database
from hourpost.webhooks.kinds import KINDS, TYPES
from hourpost.webhooks.payloads import moment_of
from hourpost.webhooks.samples import sample_of
from tests.api.web.conftest import Customer, NewCustomer
from tests.api.web.running import RunningWeb

OPERATIONS = [
    "add_alias",
    "add_suppression",
    "add_suppressions",
    "cancel_email",
    "copy_messages",
    "create_api_key",
    "create_app_password",
    "create_domain",
    "create_folder",
    "create_inbound_route",
    "create_mailbox",
    "create_smtp_credential",
    "create_webhook",
    "delete_api_key",
    "delete_domain",
    "delete_folder",
    "delete_inbound_route",
    "delete_mailbox",
    "delete_message",
    "delete_messages",
    "delete_smtp_credential",
    "delete_webhook",
    "download_email",
    "download_file",
    "download_inbound",
    "download_message",
    "follow_mailbox",
    "get_api_key",
    "get_attachment",
    "get_domain",
    "get_email",
    "get_email_attachment",
    "get_folder",
    "get_forecast",
    "get_health",
    "get_inbound",
    "get_inbound_attachment",
    "get_inbound_route",
    "get_mailbox",
    "get_message",
    "get_readiness",
    "get_received_attachment",
    "get_received_email",
    "get_smtp_credential",
    "get_statistics",
    "get_suppression",
    "get_usage",
    "get_webhook",
    "get_webhook_event",
    "list_api_keys",
    "list_app_passwords",
    "list_domains",
    "list_all_messages",
    "list_email_attachments",
    "list_email_attempts",
    "list_email_events",
    "list_emails",
    "list_folder_changes",
    "list_folders",
    "list_inbound",
    "list_inbound_routes",
    "list_mailboxes",
    "list_messages",
    "list_plans",
    "list_received_attachments",
    "list_received_emails",
    "list_smtp_credentials",
    "list_suppressions",
    "list_webhook_attempts",
    "list_webhook_events",
    "list_webhooks",
    "move_messages",
    "remove_alias",
    "remove_suppression",
    "remove_suppressions",
    "replay_webhook",
    "replay_webhook_event",
    "reschedule_email",
    "restore_mailbox",
    "revoke_app_password",
    "rotate_webhook_secret",
    "save_draft",
    "send_batch",
    "send_email",
    "send_from_mailbox",
    "send_test_event",
    "update_api_key",
    "update_domain",
    "update_folder",
    "update_mailbox",
    "update_message",
    "update_messages",
    "update_smtp_credential",
    "update_webhook",
    "verify_domain",
]


@pytest.fixture(scope="module")
def document(web: RunningWeb) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(
        f"{web.url}/openapi.json", timeout=60
    ).json()  # it is made when it is first asked for
    return found


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["operationId"]: one for path in document["paths"].values() for one in path.values()}


def test_the_names_of_operations_are_stable(document: dict[str, Any]) -> None:
    assert sorted(operations(document)) == sorted(OPERATIONS)


def test_every_operation_teaches_and_says_how_it_fails(document: dict[str, Any]) -> None:
    for name, one in operations(document).items():
        assert len(one["description"]) > 25, name
        assert one["description"].replace("\n", " ").startswith(one["summary"]), name
        assert {*one["tags"]} <= {tag["name"] for tag in document["tags"]}, name
        assert "503" in one["responses"], name


def test_every_operation_shows_what_is_sent_and_what_is_answered(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name, one in operations(document).items():
        for status, answer in one["responses"].items():
            if "$ref" in answer:
                answer = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]  # noqa: PLW2901
            media = answer.get("content", {}).get("application/json")
            assert media is None or "example" in media, (name, status)
        for sent in one.get("requestBody", {}).get("content", {}).values():
            assert "example" in sent or "example" in schemas[sent["schema"]["$ref"].rpartition("/")[2]], name
        for parameter in one.get("parameters", ()):
            assert parameter.get("description"), (name, parameter["name"])


def test_every_example_keeps_to_its_schema(document: dict[str, Any]) -> None:
    examples = list(examples_in(document, ()))
    assert len(examples) > len(OPERATIONS)
    found = [
        (place, fault.instance_path, fault.message)
        for place, schema, example in examples
        for fault in Draft202012Validator({**schema, "components": document["components"]}).iter_errors(example)
    ]
    assert found == []


def examples_in(value: Any, place: tuple[str | int, ...]) -> Iterator[tuple[Any, dict[str, Any], Any]]:
    """Every example with its place and its schema, which holds it or stands beside it."""
    if isinstance(value, dict) and "example" in value:
        yield place, value.get("schema") or value, value["example"]
    if isinstance(value, dict) and isinstance(value.get("examples"), list):
        yield from ((place, value, one) for one in value["examples"])
    for step, inner in (
        value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    ):
        if step not in ("example", "examples"):
            yield from examples_in(inner, (*place, step))


def test_every_answer_of_v1_says_of_each_of_its_fields_what_it_is(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for one in methods.values():
            (answer,) = [answer for status, answer in one["responses"].items() if status.startswith("2")]
            (media,) = answer["content"].values()
            assert media["schema"], (path, one["operationId"])
            if "$ref" in media["schema"]:
                fields = schemas[media["schema"]["$ref"].rpartition("/")[2]]["properties"]
                listed = fields.get("data", {}).get("items", {"$ref": ""})
                assert "$ref" in listed, one["operationId"]


def test_what_is_answered_holds_no_more_than_the_document_says(document: dict[str, Any]) -> None:
    shown = orjson.loads(_ANSWERS.read_bytes())
    schemas = document["components"]["schemas"]
    unsaid = [
        (name, place)
        for name, one in operations(document).items()
        for status, answer in one["responses"].items()
        if status.startswith("2") and name in shown
        for place in unsaid_in(schemas, answer["content"]["application/json"]["schema"], shown[name], name)
    ]
    assert unsaid == []


def unsaid_in(schemas: dict[str, Any], schema: dict[str, Any], value: Any, place: str) -> Iterator[str]:
    """The places of fields in ``value`` that its schema does not name."""
    schema = next((one for one in schema.get("anyOf", ()) if one.get("type") != "null"), schema)
    schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if isinstance(value, list):
        for one in value:
            yield from unsaid_in(schemas, schema.get("items", {}), one, f"{place}[]")
    if isinstance(value, dict) and "properties" in schema:
        for field, inner in value.items():
            yield from unsaid_in(schemas, schema["properties"].get(field, {"unsaid": True}), inner, f"{place}.{field}")
    if "unsaid" in schema:
        yield place


def test_no_two_things_of_the_document_have_one_name_for_a_generator(document: dict[str, Any]) -> None:
    titles = Counter(one.get("title", name) for name, one in document["components"]["schemas"].items())
    called = [one["post"]["operationId"] for one in document["webhooks"].values()]
    names = [re.sub("[^a-z]", "", name) for name in [*operations(document), *called]]
    twins = Counter([*names, *(f"{name}raw" for name in names)])  # openapi-generator's for TypeScript
    assert [name for name, times in [*titles.items(), *twins.items()] if times > 1] == []


def test_what_is_absent_is_not_said_to_be_null(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert '"default": null' not in orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
    changes = [one["requestBody"] for path in document["paths"].values() for way, one in path.items() if way == "patch"]
    for change in changes:
        name = change["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert not any("default" in field and field["default"] for field in schemas[name]["properties"].values()), name


def test_the_document_promises_what_is_kept_and_no_more(document: dict[str, Any]) -> None:
    words = document["info"]["description"]
    assert "kept for a year where the operator says nothing" in words
    assert "for good" not in words


def test_the_document_says_where_the_service_is(document: dict[str, Any]) -> None:
    assert document["servers"][0] == {"url": "https://post.example"}


@pytest.mark.parametrize("kind", TYPES)
def test_what_a_webhook_is_told_is_in_the_document(document: dict[str, Any], kind: str) -> None:
    told = document["webhooks"][TYPES[kind]]["post"]["requestBody"]["content"]["application/json"]["schema"]
    moment = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
    event = {"type": TYPES[kind], "created_at": moment_of(moment), "data": sample_of(kind, moment)}
    validator = Draft202012Validator({**told, "components": document["components"]})
    assert [(fault.instance_path, fault.message) for fault in validator.iter_errors(event)] == []
    assert list(unsaid_in(document["components"]["schemas"], told, event, kind)) == []


def test_every_type_of_event_is_in_the_document(document: dict[str, Any]) -> None:
    assert set(document["webhooks"]) == set(KINDS)


def test_the_answers_that_are_shown_are_those_that_are_given(owner: Customer) -> None:
    shown = orjson.loads(_ANSWERS.read_bytes())
    domain = owner.http.get("/v1/domains").json()["data"][0]["id"]
    sent = owner.http.post("/v1/emails", json=owner.email(tags=[{"name": "kind", "value": "receipt"}])).json()
    given = {
        "send_email": sent,
        "send_batch": owner.http.post("/v1/emails/batch", json=[owner.email()]).json(),
        "get_email": owner.http.get(f"/v1/emails/{sent['id']}").json(),
        "list_emails": owner.http.get("/v1/emails").json(),
        "get_domain": owner.http.get(f"/v1/domains/{domain}").json(),
        "create_api_key": owner.http.post("/v1/api-keys", json={"name": "shop"}).json(),
        "create_smtp_credential": owner.http.post("/v1/smtp-credentials", json={"name": "printer"}).json(),
        "add_suppression": owner.http.post("/v1/suppressions", json={"email": "bob@example.net"}).json(),
        "get_usage": owner.http.get("/v1/usage").json(),
        "get_forecast": owner.http.get("/v1/usage/forecast", params={"emails": 10_000}).json(),
        "list_plans": owner.http.get("/v1/plans").json(),
    }
    assert {name: outline(answer) for name, answer in given.items()} == {name: outline(shown[name]) for name in given}


def outline(value: Any) -> Any:
    """The names in an answer, of a list those of its first item."""
    if isinstance(value, dict):
        return {name: outline(inner) for name, inner in value.items()}
    return [outline(value[0])] if isinstance(value, list) and value else None


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    named = set(re.findall(r"#/components/schemas/([\w.-]+)", str(document)))
    assert named <= set(schemas)
    assert set(schemas) <= named


def test_what_an_email_needs_is_said(document: dict[str, Any]) -> None:
    email = document["components"]["schemas"]["EmailFields"]
    assert set(email["required"]) == {"from", "to", "subject"}
    assert email["example"]["from"]


def test_what_an_attachment_needs_is_said(document: dict[str, Any]) -> None:
    attachment = document["components"]["schemas"]["AttachmentFields"]
    assert attachment["required"] == ["content"]
    assert {"type": "null"} not in attachment["properties"]["content"]["anyOf"]


def test_the_browsable_copy_needs_nothing_from_elsewhere(nobody: httpx.Client) -> None:
    page = nobody.get("/docs")
    assert page.status_code == 200
    assert not re.search(r"""(?:src|href)=["']?https?://""", page.text)
    for place in re.findall(r"""(?:src|href)=["'](/[^"']+)""", page.text):
        assert nobody.get(place).status_code == 200, place
    assert '<html lang="en">' in page.text
    assert ".opblock-summary-method) { background: #1d7044 }" in page.text.partition("</head>")[0]
    assert re.search(r"<main><h1 [^>]*>API reference</h1><div id=.swagger-ui.></div></main>", page.text)


def test_health_needs_no_key(nobody: httpx.Client) -> None:
    assert nobody.get("/healthz").json() == {"status": "alive"}
    assert [nobody.head(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]  # as many monitors ask
    assert nobody.get("/readyz").json() == {"status": "ready", "checks": {"database": "ok", "redis": "ok"}}


@pytest.mark.parametrize("path", ["/", "/login", "/app/emails", "/nothing", "/v1/emails?limit=0", "/v1/usage"])
def test_head_is_answered_as_get_without_its_body(nobody: httpx.Client, owner: Customer, path: str) -> None:
    changing = {"date", "x-request-id", "set-cookie", "content-security-policy", "content-length"}
    for client in (nobody, owner.http):
        got, asked = client.get(path), client.head(path)
        assert (asked.status_code, asked.content) == (got.status_code, b"")
        same = [{name: value for name, value in one.headers.items() if name not in changing} for one in (got, asked)]
        assert same[0] == same[1]
        assert got.headers.get("content-length", "")[:2] == asked.headers.get("content-length", "")[:2]


def test_what_is_counted_is_shown_to_prometheus(owner: Customer, nobody: httpx.Client) -> None:
    owner.send()
    owner.http.get("/v1/emails")
    nobody.get("/emails")  # a page is another route than REST's of the same name
    shown = nobody.get("/metrics").text
    counted = set(re.findall(r'hourpost_http_requests_total\{(method="\w+",route="[^"]*emails"),status', shown))
    assert counted >= {
        'method="POST",route="/v1/emails"',
        'method="GET",route="/v1/emails"',
        'method="GET",route="/emails"',
    }
    assert 'hourpost_accepted_emails_total{door="api",mode="live"}' in shown


def test_usage_and_its_forecast(owner: Customer) -> None:
    owner.send()
    usage = owner.http.get("/v1/usage").json()
    assert {name: usage[name] for name in ("plan", "limit", "window_seconds", "used", "remaining", "held")} == {
        "plan": "path",
        "limit": 1000,
        "window_seconds": 3600,
        "used": 1,
        "remaining": 999,
        "held": 0,
    }
    assert usage["resets_at"]
    assert (usage["next_release_at"], usage["held_until"]) == (None, None)
    forecast = owner.http.get("/v1/usage/forecast", params={"emails": 10_000}).json()
    hours = [forecast["plan"]["seconds"] // 3600, *(one["seconds"] // 3600 for one in forecast["higher_plans"])]
    assert [one["name"] for one in forecast["higher_plans"]] == ["normal", "premium", "skilled"]
    assert hours in ([10, 6, 3, 2], [9, 6, 3, 2], [10, 6, 3, 1], [9, 6, 3, 1])


async def test_a_forecast_without_a_plan_is_of_those_that_may_be_chosen(new_customer: NewCustomer) -> None:
    owner = await new_customer(plan=None)
    forecast = owner.http.get("/v1/usage/forecast", params={"emails": 2_500}).json()
    assert forecast["plan"] is None
    assert [(one["name"], one["seconds"] // 3600) for one in forecast["higher_plans"]] == [
        ("path", 2),
        ("normal", 1),
        ("premium", 0),
        ("skilled", 0),
    ]


async def test_a_plan_with_a_limit_of_ones_own_is_none_of_the_higher_ones(
    new_customer: NewCustomer, database: Database
) -> None:
    owner = await new_customer(plan="normal")
    async with database.transaction() as connection:
        await set_plan(connection, owner.account.id, "normal", 5)
    forecast = owner.http.get("/v1/usage/forecast", params={"emails": 10}).json()
    assert (forecast["plan"]["name"], forecast["plan"]["limit"]) == ("normal", 5)
    assert [one["name"] for one in forecast["higher_plans"]] == ["premium", "skilled"]


def test_the_plans_are_told_with_their_prices(owner: Customer) -> None:
    plans = owner.http.get("/v1/plans").json()["data"]
    assert [(one["name"], one["price_cents"], one["limit"]) for one in plans] == [
        ("path", 5000, 1000),
        ("normal", 14500, 1500),
        ("premium", 18500, 3000),
        ("skilled", 22500, 5000),
    ]
