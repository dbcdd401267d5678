"""The drawing of a model's file, archc's or anyone's: names tell its structure, and the sizes of values its costs."""

from __future__ import annotations
