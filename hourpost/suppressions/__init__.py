"""Suppressions: the addresses that an account must not send to, and why.

What becomes of a delivery to one of them belongs to ``hourpost/flow``.
"""
