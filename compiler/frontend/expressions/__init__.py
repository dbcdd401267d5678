"""`$…` in a spec: tokens, the parser, the arithmetic, and texts with expressions in them."""
