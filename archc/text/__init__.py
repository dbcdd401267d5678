"""Text for people, the same on the command line, in Python and in notebooks: columns, tables, numbers, costs, weights."""
