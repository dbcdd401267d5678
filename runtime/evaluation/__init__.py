"""How well a classifier does on pictures whose classes are known."""
