"""What is paid: customers of Stripe's, what was read of them last, what they may use, and their busiest hours."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from hourpost.tables.metadata import Table


class Customer(Table):
    """An account as Stripe knows it; one that was deleted there makes room for another."""

    __tablename__ = "customers"

    id: Mapped[str] = mapped_column(primary_key=True)  # cus_…
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    checkout_id: Mapped[str | None]  # the last that was opened
    checkout_plan: Mapped[str | None]
    checkout_url: Mapped[str | None]
    checkout_until: Mapped[datetime | None]  # it ends by itself; None: it is known to be over
    synced_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    __table_args__ = (
        Index("customers_account_id_key", "account_id", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("customers_synced_idx", "synced_at", postgresql_where=text("deleted_at IS NULL")),
    )


class PlanSubscription(Table):
    """A subscription as it was read last."""

    __tablename__ = "subscriptions"

    id: Mapped[str] = mapped_column(primary_key=True)  # sub_…
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    status: Mapped[str]
    item_id: Mapped[str]
    price_id: Mapped[str]
    amount_cents: Mapped[int | None]
    plan: Mapped[str | None]  # None: the price belongs to no plan
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    at_period_end: Mapped[bool]
    schedule_id: Mapped[str | None]
    next_plan: Mapped[str | None]
    next_plan_at: Mapped[datetime | None]
    pending_plan: Mapped[str | None]
    invoice_id: Mapped[str | None]
    invoice_status: Mapped[str | None]
    invoice_url: Mapped[str | None]
    created_at: Mapped[datetime]


class Entitlement(Table):
    """What an account may use, and until when, whether or not Stripe answers."""

    __tablename__ = "entitlements"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    plan: Mapped[str | None]
    status: Mapped[str]
    ends_at: Mapped[datetime | None]
    subscription_id: Mapped[str | None]
    past_due_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]
    overruled_at: Mapped[datetime | None]  # the plan was given by another word than Stripe's since

    __table_args__ = (Index("entitlements_ending_idx", "ends_at", postgresql_where=text("plan IS NOT NULL")),)


class Invoice(Table):
    """A bill as it was seen last."""

    __tablename__ = "invoices"

    id: Mapped[str] = mapped_column(primary_key=True)  # in_…
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    number: Mapped[str | None]
    status: Mapped[str]
    total_cents: Mapped[int]
    due_cents: Mapped[int]
    refunded_cents: Mapped[int]
    is_disputed: Mapped[bool]
    currency: Mapped[str]
    url: Mapped[str | None]
    pdf_url: Mapped[str | None]
    created_at: Mapped[datetime]

    __table_args__ = (Index(None, "account_id", "created_at"),)


class StripeEvent(Table):
    """A webhook, stored once; what it is about is read from Stripe and not from here."""

    __tablename__ = "stripe_events"

    id: Mapped[str] = mapped_column(primary_key=True)  # evt_…
    kind: Mapped[str]
    customer_id: Mapped[str | None]
    object_id: Mapped[str | None]
    created_at: Mapped[datetime]
    received_at: Mapped[datetime]
    due_at: Mapped[datetime | None]  # None: done
    tries: Mapped[int] = mapped_column(server_default="0")
    error: Mapped[str | None]

    __table_args__ = (
        Index("stripe_events_due_idx", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index(None, "received_at"),
    )


class BillingNotice(Table):
    """Something an account is told once about a subject, and by mail."""

    __tablename__ = "billing_notices"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    mailed_at: Mapped[datetime | None]

    __table_args__ = (Index("billing_notices_unmailed_idx", "created_at", postgresql_where=text("mailed_at IS NULL")),)


class BillingAlert(Table):
    """Something an operator ought to look at; gone when it is no longer so."""

    __tablename__ = "billing_alerts"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    detail: Mapped[str]
    created_at: Mapped[datetime]


class HourPeak(Table):
    """The most an account used of its hour on one day (UTC), and the end of those 60 minutes."""

    __tablename__ = "hour_peaks"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    used: Mapped[int]
    hourly_limit: Mapped[int]
    at: Mapped[datetime]
