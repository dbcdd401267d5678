"""What differs between two graphs: which nodes belong together, and what of each pair is another."""
