"""Weights: where their numbers come from, how a checkpoint's names are matched, and what a pass makes of them."""
