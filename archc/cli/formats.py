"""Diagnostics for programs: plain JSON, SARIF 2.1.0, and GitHub's workflow annotations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .. import __version__
from ..compiler.diagnostics import Diagnostic, Span, clean

Json = dict[str, Any]


def span_json(span: Span | None) -> Json:
    """A span as JSON: its file, lines and columns, which count from 1; all null where there is none."""
    if span is None:
        return {"file": None, "line": None, "column": None, "end_line": None, "end_column": None}
    return {
        "file": span.source.name,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def diagnostic_json(d: Diagnostic) -> Json:
    """A diagnostic as JSON: its own facts, its span's, its notes with theirs, and the help."""
    notes = [{"message": note.message, **span_json(note.span)} for note in d.notes]
    facts = {"code": d.code, "severity": d.severity, "message": d.message, "label": d.label}
    return {**facts, **span_json(d.span), "notes": notes, "help": d.help}


def sarif_log(found: Iterable[Diagnostic], failed_with: int | None = None) -> Json:
    """A SARIF log with one run; columns count characters. `failed_with` is the exit code of a run that came to no answer."""
    results: list[Json] = []
    rules: dict[str, Json] = {}
    for d in found:
        rules.setdefault(d.code, {"id": d.code})
        text = "\n".join(
            part for part in (d.message + (f" ({d.label})" if d.label else ""), d.help and f"help: {d.help}") if part
        )
        result: Json = {"ruleId": d.code, "level": d.severity, "message": {"text": text}}
        if d.span:
            result["locations"] = [sarif_location(d.span)]
        related = [{**sarif_location(note.span), "message": {"text": note.message}} for note in d.notes if note.span]
        if related:
            result["relatedLocations"] = related
        results.append(result)
    driver = {"name": "archc", "version": __version__, "rules": list(rules.values())}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    if failed_with is not None:
        run["invocations"] = [{"executionSuccessful": False, "exitCode": failed_with}]
    return {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}


def sarif_location(span: Span) -> Json:
    """A span as a SARIF location; its file's name becomes a URI."""
    from urllib.parse import quote

    region = {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }
    uri = quote(span.source.name.replace("\\", "/"), errors="backslashreplace")
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}


def github_annotations(found: Iterable[Diagnostic]) -> Iterator[str]:
    """A workflow command for each diagnostic; GitHub shows it at the line."""
    for d in found:
        fields = {"title": f"archc {d.code}"}
        if d.span:
            fields = {"file": d.span.source.name, "line": str(d.span.line), "col": str(d.span.column), **fields}
        properties = ",".join(f"{key}={percent_encode(clean(value), ':,')}" for key, value in fields.items())
        notes = [f"note: {note.message}" for note in d.notes] + [f"help: {d.help}"] * bool(d.help)
        message = "%0A".join(percent_encode(clean(part)) for part in (d.message, *notes))
        yield f"::{d.severity} {properties}::{message}"


def percent_encode(text: str, more: str = "") -> str:
    """Text as a workflow command takes it: %, line breaks and the characters in `more` as %XX."""
    for character in "%\r\n" + more:
        text = text.replace(character, f"%{ord(character):02X}")
    return text
