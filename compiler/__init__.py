"""The compiler: a spec in, a model out. `driver` runs the stages in order."""
