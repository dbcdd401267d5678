"""What a built file is held to later: its bytes, its sources, its numbers; and two models held against each other."""
