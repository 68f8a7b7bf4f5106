"""Accounts, through public functions and real PostgreSQL.

Fakes are only gateways and the clock.
"""
