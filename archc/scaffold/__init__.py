"""`archc init`: a spec of one's own, begun from another."""
