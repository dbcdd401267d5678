"""The sections of gpu.py: plan.py lists them, each is a module with `measure`, and runs in a process of its own (process.py)."""
