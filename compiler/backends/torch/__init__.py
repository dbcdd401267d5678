"""Graph → PyTorch: a module that runs here, and source that stands alone."""
