"""A build: options in, files out, each with its metadata and its proof."""
