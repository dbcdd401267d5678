"""Recipes: how a net is trained, as YAML that the compiler's front end reads."""
