"""Readers of checkpoint files, each a source of weights."""
