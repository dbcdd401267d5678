"""Checkpoints of a run: safetensors with JSON in the header, written whole or not at all."""
