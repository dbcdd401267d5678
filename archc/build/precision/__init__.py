"""What a build costs whose numbers are not those of the plain float32 file: the report, and how it is measured."""
