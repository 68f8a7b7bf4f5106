"""The way of an email, on real PostgreSQL and Redis, judged by the rows.

What runs it as a process is tested in tests/workers.
"""
