"""Billing: what Stripe says of a customer, what that entitles an account to, and what people are told about it.

Counting the hour belongs to ``hourpost/flow``; what a plan is, to ``hourpost/rules``; Stripe itself to its gateway.
"""
