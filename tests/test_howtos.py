"""The how-tos of docs/howto, each followed to the letter in an empty folder: its files are written, its commands run, and what they print is compared."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from archc.cli import main
from docsite.generated import generated_pages
from docsite.sources import SETTINGS
from docsite.walkthrough import NOT_RUN, Doing, read_console, read_fences

from .pages import DOCS, HOWTOS, run_doing, run_page


@pytest.mark.slow
@pytest.mark.parametrize("page", HOWTOS, ids=[page.stem for page in HOWTOS])
def test_a_page_works_as_pasted(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path)


@pytest.mark.parametrize("page", HOWTOS, ids=[page.stem for page in HOWTOS])
def test_a_page_has_commands_that_a_test_runs(page: Path) -> None:
    run = [fence for fence in read_fences(page.read_text("utf-8")) if fence.title != NOT_RUN]
    consoles = [fence.text for fence in run if fence.language == "console"]
    assert consoles
    # the site's highlighter takes such a line for a command, and it would be copied
    lines = [line for text in consoles for shown in read_console(text) for line in shown.printed]
    assert not [line for line in lines if re.match(r"\s*[#%>$] ?", line)]
    assert {fence.language for fence in run if not fence.title} <= {"console", "python", "text"}


def test_blocks_are_read_and_run_as_a_reader_takes_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        '1. A file in a list:\n\n    ```text title="sub/a.txt"\n    one\n\n      two\n    ```\n\n'
        "```console\n$ cat sub/a.txt\none\n\n  …\n$ echo a \\\n  b\na b\n```\n"
        '```console title="not run by the tests"\n$ exit 1\n```\n```text title="a caption"\nnothing\n```\n',
        "utf-8",
    )
    listed, console, *_ = read_fences(page.read_text("utf-8"))
    assert listed.text == "one\n\n  two\n"
    assert list(read_console(console.text))[1] == Doing("echo a \\\n  b", printed=("a b",))
    run_page(page, tmp_path)
    assert (tmp_path / "sub/a.txt").read_text("utf-8") == listed.text and not (tmp_path / "a caption").exists()


@pytest.mark.parametrize(
    "command, lines",
    [
        ("echo a", ("b",)),
        ("exit 1", ()),
        ("echo 'error[code]: wrong'", ("error[code]: wrong",)),
        ("echo a; echo b", ("a",)),
    ],
)
def test_what_does_not_come_out_as_shown_fails(command: str, lines: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        run_doing(Doing(command, printed=lines), tmp_path)


def test_what_the_settings_of_the_site_name_is_made() -> None:
    """A style sheet that is not there is no error to the builder."""
    settings = tomllib.loads(SETTINGS.read_text("utf-8"))
    assert set(settings["project"]["extra_css"]) <= {page.path for page in generated_pages()}


def test_the_editors_page_matches_what_check_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The patterns of its task for VS Code find the code, the message and the place."""
    monkeypatch.chdir(tmp_path)
    (task,) = (
        each.text
        for each in read_fences((DOCS / "howto/editor.md").read_text("utf-8"))
        if each.title == ".vscode/tasks.json"
    )
    first, second = (each["regexp"] for each in json.loads(task)["tasks"][0]["problemMatcher"]["pattern"])
    Path("net.yaml").write_text("archspec: 1\nname: net\ninput: {image: [3, 8, 8]}\ngraph: [rleu]\n", "utf-8")
    assert main(["check", "net.yaml"]) == 1
    told, place, *_ = capsys.readouterr().out.splitlines()
    found = re.fullmatch(first, told)
    assert found and found.groups()[:2] == ("error", "unknown-op")
    assert (match := re.fullmatch(second, place)) and match.groups() == ("net.yaml", "4", "9")
