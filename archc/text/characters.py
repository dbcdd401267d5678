"""Characters that do not print: a name in a spec or in a file must not disturb a terminal. The rule is the compiler's."""

from __future__ import annotations

from ..compiler.diagnostics import clean as clean
