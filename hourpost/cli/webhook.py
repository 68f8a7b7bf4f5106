"""``hourpost webhook``: addresses of an account that are called, and calls that failed."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import typer

from hourpost.accounts.queries import get_named_account
from hourpost.cli.desk import Desk, at_desk
from hourpost.cli.output import AsJson, OfAccount, print_list, print_object, read_all
from hourpost.errors import NotFound
from hourpost.gateways.outgoing import allowed_networks
from hourpost.rules.ids import from_text
from hourpost.webhooks import changes
from hourpost.webhooks.changes import Issued
from hourpost.webhooks.queries import PREFIX, Webhook, get_webhook, list_webhooks

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Addresses that are called when something happens.")

Name = Annotated[str, typer.Argument(metavar="WEBHOOK", help="whk_…")]


@app.command()
def create(
    account: OfAccount,
    endpoint: Annotated[str, typer.Argument(metavar="URL", help="Reached by https, on the open internet.")],
    event: Annotated[list[str], typer.Option(help="What it is called for, such as email.bounced; again for more.")],
    as_json: AsJson = False,
) -> None:
    """Have an address called, and print the secret that signs the calls.

    Example: hourpost webhook create --account Acme --event email.bounced https://acme.example/hooks
    """

    async def work(desk: Desk) -> Issued:
        changes.check(endpoint, event, allowed_networks(desk.settings))
        cipher = await desk.cipher()
        async with desk.database.transaction() as connection:
            found = await get_named_account(connection, account)
            made = await changes.create_webhook(connection, found.id, endpoint, event, cipher, desk.clock.now())
            await desk.note(connection, found.id, "webhook_added", name=made.webhook.endpoint)
            return made

    made = at_desk(work)
    print_object(_shape(made.webhook) | {"signing_secret": made.secret}, as_json=as_json)


@app.command("list")
def list_all(account: OfAccount, as_json: AsJson = False) -> None:
    """List the webhooks of an account, and since when one takes nothing."""

    async def work(desk: Desk) -> list[Webhook]:
        async with desk.database.reading() as connection:
            found = await get_named_account(connection, account)
            return await read_all(lambda cursor: list_webhooks(connection, found.id, cursor), lambda one: one.id)

    columns = ("id", "endpoint", "status", "failing_since", "disabled_reason")
    empty = (
        f"No webhook yet: hourpost webhook create --account {account!r} https://you.example/hook --event email.bounced"
    )
    print_list([_shape(one) for one in at_desk(work)], columns, as_json=as_json, empty=empty)


@app.command()
def replay(account: OfAccount, webhook: Name, as_json: AsJson = False) -> None:
    """Call a webhook again for everything that it has not taken in the last 30 days."""

    async def work(desk: Desk) -> int:
        wanted = _parse_id(webhook)
        async with desk.database.transaction() as connection:
            found = await get_named_account(connection, account)
            hook = await get_webhook(connection, found.id, wanted)
            return await changes.replay_failed(connection, hook, desk.clock.now())

    print_object({"object": "webhook", "id": webhook, "replayed": at_desk(work)}, as_json=as_json)


@app.command()
def delete(account: OfAccount, webhook: Name, as_json: AsJson = False) -> None:
    """Call an address for nothing more, and forget what it was called for."""

    async def work(desk: Desk) -> None:
        wanted = _parse_id(webhook)
        async with desk.database.transaction() as connection:
            found = await get_named_account(connection, account)
            hook = await get_webhook(connection, found.id, wanted)
            await changes.delete_webhook(connection, found.id, wanted)
            await desk.note(connection, found.id, "webhook_deleted", name=hook.endpoint)

    at_desk(work)
    print_object({"object": "webhook", "id": webhook, "deleted": True}, as_json=as_json)


def _parse_id(text: str) -> UUID:
    wanted = from_text(PREFIX, text)
    if wanted is None:
        raise NotFound(f"There is no webhook {text[:60]!a}.")
    return wanted


def _shape(webhook: Webhook) -> dict[str, Any]:
    return {
        "object": "webhook",
        "id": webhook.public_id,
        "endpoint": webhook.endpoint,
        "events": webhook.types,
        "status": "enabled" if webhook.disabled_at is None else "disabled",
        "failing_since": webhook.failing_since,
        "disabled_reason": webhook.disabled_reason,
        "created_at": webhook.created_at,
    }
