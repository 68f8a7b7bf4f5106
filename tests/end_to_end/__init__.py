"""Tests of the whole, from one process to the last."""
