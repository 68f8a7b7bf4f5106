"""``hourpost account``: customers and their plans."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hourpost.accounts.changes import (
    MAX_OWN_LIMIT,
    UNKNOWN_POLICIES,
    NewAccount,
    create_account,
    hold_address,
    resume_account,
    set_ed25519_signing,
    set_plan,
    set_staff,
    set_unknown_policy,
    suspend_account,
)
from hourpost.accounts.passwords import hash_password
from hourpost.accounts.queries import (
    Account,
    find_user_by_email,
    get_named_account,
    list_accounts,
    list_namesakes,
)
from hourpost.billing.changes import overrule
from hourpost.cli.desk import Desk, at_desk, read_secret
from hourpost.cli.output import AsJson, OfAccount, print_list, print_object, read_all
from hourpost.cli.pacing import pace_again
from hourpost.cli.shapes import account_shape
from hourpost.errors import Conflict, Fault, NotFound, ValidationFailed
from hourpost.rules.plans import PLANS
from hourpost.rules.submission import MAX_RECIPIENTS
from hourpost.users.passwords import set_password_of
from hourpost.users.second_factor import drop_factors

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Customers: each has a plan, which is so many emails an hour."
)

PlanName = Annotated[
    str | None, typer.Option("--plan", help=f"One of {', '.join(PLANS)}; without one: test mode only.")
]
NO_PLAN = "none"


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What people call it.")],
    email: Annotated[str, typer.Option(help="Its owner, who may log in to the dashboard.")],
    plan: PlanName = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the owner's password from standard input.")
    ] = False,
    another: Annotated[
        bool, typer.Option("--another", help="Even if its owner has an account of this name already.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create an account with its owner; a name that others have too is pointed out, the same owner's is refused.

    Example: hourpost account create --name Acme --email anna@acme.example --plan path
    """

    async def work(desk: Desk) -> tuple[Account, list[Account]]:
        hashed = await hash_password(read_secret("password")) if password_stdin else None
        async with desk.database.transaction() as connection:
            await hold_address(connection, email)
            namesakes = await list_namesakes(connection, name, email)
            if not another:
                _refuse_twin(namesakes, email)
            created = await create_account(connection, NewAccount(name, email, plan, hashed), desk.clock.now())
            await desk.note(connection, created.id, "account_created", name=created.name)
            return created, namesakes

    created, namesakes = at_desk(work)
    print_object(account_shape(created), as_json=as_json)
    if namesakes:
        others = ", ".join(one.public_id for one in namesakes)
        typer.echo(f"note: called {created.name!r} too: {others}; name them by their ids from now on", err=True)


def _refuse_twin(namesakes: list[Account], email: str) -> None:
    twin = next((one for one in namesakes if one.email.lower() == email.strip().lower()), None)
    if twin is not None:
        words = f"{twin.email} owns {twin.name!r} already: {twin.public_id}; give --another to make one more"
        raise Conflict("account_exists", words)


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """List all accounts, the newest first."""

    async def work(desk: Desk) -> list[Account]:
        async with desk.database.reading() as connection:
            return await read_all(lambda cursor: list_accounts(connection, cursor), lambda account: account.id)

    shapes = [account_shape(account) for account in at_desk(work)]
    empty = "There is no account yet: hourpost account create --name … --email …"
    print_list(shapes, ("id", "name", "email", "plan", "limit", "suspended_at"), as_json=as_json, empty=empty)


@app.command()
def show(account: OfAccount, as_json: AsJson = False) -> None:
    """Show one account. Example: hourpost account show --account Acme"""

    async def work(desk: Desk) -> Account:
        async with desk.database.reading() as connection:
            return await get_named_account(connection, account)

    print_object(account_shape(at_desk(work)), as_json=as_json)


@app.command("plan")
def plan_(
    account: OfAccount,
    to: Annotated[str, typer.Option("--set", metavar="PLAN", help=f"{', '.join(PLANS)}, or none for test mode only.")],
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MAX_OWN_LIMIT,
            help="An hourly limit of its own, in place of the plan's."
            f" Where it is below {MAX_RECIPIENTS}, emails to more recipients than it are refused.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change the plan of an account; what waits for its hour is paced anew at once.

    Example: hourpost account plan --account Acme --set skilled --limit 20000
    """

    async def work(desk: Desk) -> dict[str, Any]:
        wanted = None if to == NO_PLAN else to
        async with desk.database.transaction() as connection:
            found = await get_named_account(connection, account)
            await overrule(connection, found.id, desk.clock.now())
            changed = await set_plan(connection, found.id, wanted, limit)
            own = {} if limit is None else {"limit": f"{limit:,}"}
            await desk.note(connection, found.id, "plan_changed", plan=wanted or "none", **own)
        return account_shape(changed) | {"released": await pace_again(desk, found.id)}

    print_object(at_desk(work), as_json=as_json)


@app.command()
def suspend(account: OfAccount, as_json: AsJson = False) -> None:
    """Stop an account from sending; what waits goes on waiting."""

    async def work(desk: Desk) -> Account:
        async with desk.database.transaction() as connection:
            found = await get_named_account(connection, account)
            suspended = await suspend_account(connection, found.id, desk.clock.now())
            await desk.note(connection, found.id, "account_suspended")
            return suspended

    print_object(account_shape(at_desk(work)), as_json=as_json)


@app.command()
def resume(account: OfAccount, as_json: AsJson = False) -> None:
    """Let a suspended account send again."""

    async def work(desk: Desk) -> dict[str, Any]:
        async with desk.database.transaction() as connection:
            found = await get_named_account(connection, account)
            changed = await resume_account(connection, found.id)
            await desk.note(connection, found.id, "account_resumed")
        return account_shape(changed) | {"released": await pace_again(desk, found.id)}

    print_object(at_desk(work), as_json=as_json)


@app.command()
def password(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Of a person who logs in.")], as_json: AsJson = False
) -> None:
    """Set the password of a person, read from standard input; every browser of theirs is logged out.

    Example: hourpost account password ada@acme.example < file-with-the-password
    """

    async def work(desk: Desk) -> dict[str, Any]:
        hashed = await hash_password(read_secret("password"))
        async with desk.database.transaction() as connection:
            user = await find_user_by_email(connection, email)
            if user is None:
                raise NotFound(f"There is no user {email!r}.")
            await set_password_of(connection, user, hashed, desk.clock.now())
        return {"object": "user", "email": user.email, "name": user.name}

    print_object(at_desk(work), as_json=as_json)


@app.command("drop-second-factor")
def drop_second_factor(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Of a person who has lost app, passkey and codes.")],
    as_json: AsJson = False,
) -> None:
    """Turn the second factor of a person off: from then on the password lets them in; every browser is logged out.

    Make sure that it is they who ask. Example: hourpost account drop-second-factor ada@acme.example
    """

    async def work(desk: Desk) -> dict[str, Any]:
        async with desk.database.transaction() as connection:
            user = await find_user_by_email(connection, email)
            if user is None:
                raise NotFound(f"There is no user {email!r}.")
            await drop_factors(connection, user, desk.clock.now())
        return {"object": "user", "email": user.email, "name": user.name}

    print_object(at_desk(work), as_json=as_json)


@app.command()
def staff(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Of a person who has signed up.")],
    wanted: Annotated[bool, typer.Option("--on/--off", help="Whether they run this installation.")] = True,
    as_json: AsJson = False,
) -> None:
    """Let a person see /operator: every account, what waits, how relays fare.

    Example: hourpost account staff ada@hourpost.example
    """

    async def work(desk: Desk) -> dict[str, Any]:
        async with desk.database.transaction() as connection:
            user = await set_staff(connection, email, wanted=wanted)
        return {"object": "user", "email": user.email, "name": user.name, "is_staff": user.is_staff}

    print_object(at_desk(work), as_json=as_json)


@app.command()
def signing(
    account: OfAccount,
    ed25519: Annotated[
        bool | None, typer.Option("--ed25519/--no-ed25519", help="A second signature by Ed25519 (RFC 8463).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Choose how mail of an account is signed; each domain then lists one more record to publish.

    A domain that has chosen for itself, by REST or in the dashboard, keeps to that.

    Example: hourpost account signing --account Acme --ed25519
    """

    async def work(desk: Desk) -> Account:
        if ed25519 is None:
            raise ValidationFailed([Fault("", "say --ed25519 or --no-ed25519")])
        async with desk.database.transaction() as connection:
            found = await get_named_account(connection, account)
            return await set_ed25519_signing(connection, found.id, wanted=ed25519)

    print_object(account_shape(at_desk(work)), as_json=as_json)


@app.command()
def unknown(
    account: OfAccount,
    policy: Annotated[str, typer.Option(help=f"One of {', '.join(UNKNOWN_POLICIES)}.")],
    as_json: AsJson = False,
) -> None:
    """Choose what becomes of an email that a relay may have taken, as its answer was lost after the final dot.

    With retry, as it is at first, it is sent again some minutes later, and may arrive twice. With park it is not, and
    is shown as unknown.

    Example: hourpost account unknown --account Acme --policy park
    """

    async def work(desk: Desk) -> Account:
        async with desk.database.transaction() as connection:
            found = await get_named_account(connection, account)
            changed = await set_unknown_policy(connection, found.id, policy)
            await desk.note(connection, found.id, "lost_answers_changed", policy=policy)
            return changed

    print_object(account_shape(at_desk(work)), as_json=as_json)
