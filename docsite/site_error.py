"""What is wrong with the site."""

from __future__ import annotations


class SiteError(Exception):
    """What of the site is wrong, a line each."""
