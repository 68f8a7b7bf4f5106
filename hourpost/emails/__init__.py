"""Emails and their deliveries as customers see them: what became of them, what they hold, and taking them back.

Accepting, releasing and delivering them belongs to the flow.
"""
