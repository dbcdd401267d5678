"""A section's rows: flat objects, each of which says what it measured (`what`), or why it did not (`status` and `reason`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]
MEASURED, FAILED = "measured", "failed"
# no fault: the section's time or the run's was spent, there is no card, or a package is not here
NOT_REACHED, NEEDS_CARD, LEFT_OUT = "not reached", "needs a card", "left out"


def measured(what: str, **facts: Any) -> Row:
    """A row of figures; `what` names it within its section."""
    return {"what": what, "status": MEASURED, **facts}


def unmeasured(what: str, status: str, reason: str, **facts: Any) -> Row:
    """A row that says why there are no figures."""
    return {"what": what, "status": status, "reason": reason, **facts}


def planned(what: str, **facts: Any) -> Row:
    """A row that stands until what it names is measured: if the section is stopped before, it is not silently missing."""
    return unmeasured(what, NOT_REACHED, "the section's time was spent before it", **facts)


def failed(what: str, error: BaseException | str, **facts: Any) -> Row:
    """A row for what raised `error`, on one line."""
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    return unmeasured(what, FAILED, " ".join(text.split())[:500], **facts)


def merge(rows: Iterable[Row], row: Row) -> list[Row]:
    """The rows with `row` in the place of the one of the same `what`, or at the end."""
    found = {each["what"]: each for each in rows}
    found[row["what"]] = row
    return [*found.values()]
