"""Admit: what an account may send at all, whatever room there is in its hour. Nothing here does I/O."""

from __future__ import annotations

from hourpost.errors import Fault, Forbidden, LimitExceeded, ValidationFailed
from hourpost.flow.parting import without
from hourpost.rules.plans import BACKLOG_HOURS
from hourpost.rules.submission import OnLimit, Order, Submission

# For now, and not for ever: who keeps the mail and tries again loses nothing.
_LAPSED = "The plan of this account has ended unpaid: choose or pay one in the dashboard. What waits already is kept."
_LAPSED_SECONDS = 3600


def admit(order: Order) -> Order:
    """The order as it may be sent, without what a partial batch is refused for. Raises as ``Intake.accept``."""
    standing = order.standing
    if standing.suspended:
        raise Forbidden("restricted_api_key", "This account is suspended: ask who runs this installation.")
    if standing.test:
        return order
    if standing.plan is None and standing.lapsed:
        raise LimitExceeded("plan", _LAPSED, retry_after_seconds=_LAPSED_SECONDS)
    if standing.plan is None:
        raise Forbidden("restricted_api_key", "This account has no plan: choose one, or send with a test key.")
    large = [index for index, one in enumerate(order.submissions) if len(one.recipients) > standing.limit]
    if large and (order.tell is None or len(large) == len(order.submissions)):
        raise ValidationFailed([_fault(order, order.submissions[index]) for index in large])
    if large:
        faults = {index: ValidationFailed([_fault(order, order.submissions[index])]) for index in large}
        order = without(order, faults)
    if order.tell is None:  # else each of them asks for itself
        _check_together(order)
    return order


def _fault(order: Order, one: Submission) -> Fault:
    detail = f"{len(one.recipients)} recipients are more than the plan's whole hour ({order.standing.limit})."
    return Fault(f"{one.place}/to", detail)


def _check_together(order: Order) -> None:
    """Refuse what has room in no hour and no waiting room, however long one tries. Raises: ValidationFailed."""
    limit = order.standing.limit
    impatient = [one for one in order.submissions if one.on_limit is OnLimit.REJECT]
    at_once = sum(len(one.recipients) for one in impatient)
    if at_once > limit:
        detail = f"{at_once} recipients that must leave at once are more than the whole hour ({limit})."
        raise ValidationFailed([Fault(f"{impatient[0].place}/on_limit", detail)])
    now_or_held = sum(len(one.recipients) for one in order.submissions if one.scheduled_at is None)
    most = limit * (1 + BACKLOG_HOURS)
    if now_or_held > most:
        detail = f"{now_or_held} recipients are more than the plan's hour and the day of it that may wait ({most})."
        list_of_all = order.submissions[0].place.rpartition("/")[0]
        raise ValidationFailed([Fault(list_of_all, f"{detail} Send fewer at once.")])
