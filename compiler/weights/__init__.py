"""Weights: where the numbers come from, and how they are merged when a pass has merged nodes."""
