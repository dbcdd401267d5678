"""The interactive page: HTML, CSS and JavaScript beside the Python that joins them into one file."""
