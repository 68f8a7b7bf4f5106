"""Worker processes and the schedule, started as they are in production.

What a delivery goes through is tested in tests/flow.
"""
