"""The rules, each by itself. What needs a database or a clock is tested where it lives."""
