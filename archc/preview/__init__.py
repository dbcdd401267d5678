"""A spec's picture that follows the spec: the files are watched, and browsers on this machine are told of each change."""

from __future__ import annotations

from .preview import Preview as Preview
from .preview import Views as Views
from .watch import WatchedSpec as WatchedSpec
