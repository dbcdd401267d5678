"""The intermediate representation: tensor types, the graph, and the verifier that guards it."""
