"""The documentation as a site: the pages of docs/, and those that are made of the code. `python -m docsite` builds it (`make docs`)."""
