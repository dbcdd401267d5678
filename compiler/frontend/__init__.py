"""From text to graph: located YAML, the schema's check, the tree, composition, static names, expansion."""
