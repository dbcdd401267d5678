"""What is shown of results that are too long for a page: each function makes a few rows of many."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from .gpu_sections.contender import is_archc
from .result import Row
from .tables import Choice

MEASURED, FAILED = "measured", "failed"


def keep(**values: object) -> Choice:
    """Those of the rows that have these values."""
    return lambda rows: [row for row in rows if all(row.get(key) == value for key, value in values.items())]


def summarise_zoo(rows: Sequence[Row]) -> list[Row]:
    """The times of `check` and of builds over the zoo."""
    built = [row for row in rows if "build_s" in row]
    slowest = max(rows, key=lambda row: row["check_ms"])
    found = [
        {"what": f"check of all {len(rows)} specs", "figure": f"{sum(row['check_ms'] for row in rows) / 1e3:.1f} s"},
        {"what": f"check of the slowest, `{slowest['net']}`", "figure": f"{slowest['check_ms']:.0f} ms"},
    ]
    for word, choose in (("fastest", min), ("slowest", max)):
        if built:
            row = choose(built, key=lambda row: float(row["build_s"]))
            found.append({"what": f"build of the {word} of {len(built)} nets, `{row['net']}` ({row['bytes'] / 1e6:.0f} MB)",
                          "figure": f"{row['build_s']:.2f} s"})  # fmt: skip
    if built:
        ratio = median(row["of_bare"] for row in built)
        found.append({"what": "build against the bare writing, median of the nets", "figure": f"{ratio:.1f} times"})
    return found


def summarise_placement(rows: Sequence[Row]) -> list[Row]:
    """How many nets run wholly on the device, and which nodes do not."""
    nodes = "; ".join(sorted({row["elsewhere"] for row in rows if row["elsewhere"]}))
    return [{"what": "nets", "figure": len(rows)},
            {"what": "wholly on the device", "figure": sum(not row["elsewhere"] for row in rows)},
            {"what": "nodes elsewhere", "figure": nodes or "none"}]  # fmt: skip


def check_agreement(rows: Sequence[Row]) -> list[Row]:
    """The rows of nets that were held against torch, for goals: `failed` says why one gave no answer, `away` is 1 where it has nodes elsewhere.

    Of results with sections those of `zoo-…` count.
    """
    checked = []
    for row in rows:
        if not str(row.get("section", "zoo")).startswith("zoo"):
            continue
        if "max_rel" in row:
            checked.append(row | {"away": int(bool(row["elsewhere"]))})
        elif row.get("status", FAILED) == FAILED:
            checked.append({"net": row["net"], "failed": f"`{row['net']}`: {row.get('error') or row.get('reason')}"})
    return checked


def summarise_agreement(rows: Sequence[Row]) -> list[Row]:
    """How many nets answer as torch does, and where their nodes ran."""
    checked = check_agreement(rows)
    answered = [row for row in checked if "max_rel" in row]
    if not answered:
        return []
    worst = max(answered, key=lambda row: row["max_rel"])
    return [{"what": "nets measured", "figure": f"{len(checked)}"},
            {"what": "answer as torch does", "figure": f"{sum(row['agrees'] for row in answered)}"},
            {"what": f"largest difference, `{worst['net']}`", "figure": f"{worst['max_rel']:.1e}"},
            {"what": "nets with a node elsewhere", "figure": f"{sum(row['away'] for row in answered)}"}]  # fmt: skip


def mark_elsewhere(rows: Sequence[Row]) -> list[Row]:
    """For goals: `away` is 1 for a net with nodes elsewhere than on the device, else 0."""
    return [row | {"away": int(bool(row["elsewhere"]))} for row in rows]


def keep_graphs(rows: Sequence[Row]) -> list[Row]:
    """archc's files as a CUDA graph, on the card alone."""
    return [row for row in rows if str(row.get("contender", "")).startswith("archc") and row["contender"].endswith("graph")
            and row.get("mode") == "kernels alone" and row.get("status") == MEASURED]  # fmt: skip


def compare_best(rows: Sequence[Row]) -> list[Row]:
    """For each net, batch, precision and mode the fastest of archc's contenders, of those that a Session offers, and of the others.

    `over_eager` is archc's time against torch eager's; `slower` is the same, and 1 where it lies within the noise.
    """
    cases: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        if row.get("status") == MEASURED and "images_per_s" in row and "contender" in row:
            cases.setdefault((row["net"], row["batch"], row["precision"], row["mode"]), []).append(row)
    compared = []
    for (net, batch, precision, mode), found in cases.items():
        ours = [row for row in found if is_archc(row["contender"])]
        theirs = [row for row in found if not row["contender"].startswith("archc")]
        if not ours or not theirs:
            continue
        best, peer = (max(rows, key=lambda row: float(row["images_per_s"])) for rows in (ours, theirs))
        over = best.get("time_over_eager")
        compared.append(
            {"net": net, "batch": batch, "precision": precision, "mode": mode, "archc": best["images_per_s"],
             "contender": best["contender"], "peer": peer["contender"], "peer_per_s": peer["images_per_s"],
             "over_peer": peer["images_per_s"] / best["images_per_s"], "over_eager": over,
             "slower": over if best.get("time_over_eager_beyond_noise", True) else 1.0}
        )  # fmt: skip
    return compared


def find_share_of_limit(rows: Sequence[Row]) -> list[Row]:
    """For each case the best share of its layer-wise limit, nothing fused, that one of archc's contenders reaches with what a Session offers."""
    best: dict[tuple[object, ...], Row] = {}
    for row in rows:
        if "share_of_unfused" in row and is_archc(row["contender"]):
            case = row["net"], row["batch"], row["precision"]
            best[case] = max(best.get(case, row), row, key=lambda each: float(each["share_of_unfused"]))
    return [*best.values()]
