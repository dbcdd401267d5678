"""Coverage-guided fuzzing: what is fuzzed (targets.py), the fuzzer (`python -m tests.fuzz`), and the inputs that once failed (cases/)."""
