"""Read off a graph: what it costs, what it sees, what it keeps."""
