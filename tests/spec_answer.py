"""What `archc check` owes for any text: an answer that each format can hold, and for every mistake a place in the text."""

from __future__ import annotations

import json
from collections.abc import Iterable

from archc.cli.check import check_json, verdict, without_graph
from archc.cli.formats import github_annotations, sarif_log
from archc.cli.render import format_diagnostics
from archc.compiler.diagnostics import Diagnostic
from archc.compiler.driver import Compilation, check, explain_open_params
from archc.compiler.sources import SpecText

from .program import RAW


def check_answer(spec: SpecText) -> Compilation:
    """Checks a spec, and asserts all of that of the answer; returns it."""
    found = check(spec)
    told = (*found.diagnostics, *explain_open_params(found))
    check_places(told)
    assert found.failed or found.graph is not None or found.open_params or found.document is not None
    checked = without_graph("net.yaml", found)
    text = format_diagnostics(told) + verdict(checked.result, checked.facts is not None) + str(checked.facts)
    assert not RAW.search(text)
    lines = [*github_annotations(told)]
    assert not any("\n" in line or "\r" in line for line in lines)
    json.dumps([check_json([checked]), sarif_log(told)], allow_nan=False)
    return found


def check_places(found: Iterable[Diagnostic]) -> None:
    """Every diagnostic is at a place inside its text, and its notes are, too."""
    for each in found:
        for span in (each.span, *(note.span for note in each.notes if note.span)):
            assert span is not None, each
            lines = span.source.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
            assert 1 <= span.line <= len(lines), each
            assert 1 <= span.column <= len(lines[span.line - 1]) + 1, each
