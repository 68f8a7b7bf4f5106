"""Pure functions and frozen dataclasses: what an email, an address, a plan and a state are.

Nothing here does I/O, looks at a clock or reads a setting.
"""
