"""A page for each command of the program, from click: what it takes, its help, its example, and the pages of docs/ that tell of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from .markdown import escape_markdown, title_of
from .markup import relative, table
from .page import Page
from .sources import DOCS

FOLDER = "reference/commands"
INDEX = f"{FOLDER}/index.md"
PROGRAM = "reference/cli.md"
INTRODUCTION = """\
# Commands

Each command has a page here with all that it takes, which is also what `archc COMMAND --help` prints. A line is `archc COMMAND [OPTIONS] ARGUMENTS`.
[The program](../cli.md) tells what all of them have in common: exit codes, documents for programs, how outputs are written, completion.

"""
EXIT_CODES = """
## Exit codes

0 done, 1 the spec, the model or the data is wrong, 2 wrong usage, 3 the machine cannot do it, 70 a bug of archc, 130 interrupted:
[what each says](../cli.md#exit-codes).
"""
# kinds of hand-written pages, in the order in which a command's page names them
TELLING = ("reference", "howto", "tutorial", "explanation")
MOST_PAGES = 6
DEFAULT = re.compile(r"\s*(?:\[default: (.*)\]|Default: (.*)\.)$")
RUN = re.compile(r"^(?:(.*?): +)?((?:archc|torchrun) .*)$")
# where a page tells the form of a document
FORM = re.compile(r"`--format json` [^`]{0,80}`\{")
SECTION = re.compile(r"^#{1,3} (.+)$", re.M)


class Told(NamedTuple):
    """Where a hand-written page tells of a command: its path, and how often it names it."""

    path: str
    times: int


def command_pages() -> Iterator[Page]:
    """The index, then the commands in the order of the program's help."""
    from archc.cli.commands import COMMANDS, cli

    program = cli.make_context("archc", [], resilient_parsing=True)
    rows = [(f"[archc {name}]({name}.md)", escape_markdown(summary, INDEX)) for name, summary in COMMANDS.items()]
    index = INTRODUCTION + table(("command", "what it does"), rows)
    index += "\n## Options of `archc` alone\n\n" + option_table(options_of(cli, program), INDEX)
    yield Page(INDEX, index, "All commands")
    for name in COMMANDS:
        command = cli.get_command(program, name)
        assert command is not None
        context = command.make_context(name, [], parent=program, resilient_parsing=True)
        yield Page(f"{FOLDER}/{name}.md", command_page(command, context), f"archc {name}")


def command_page(command: Any, context: Any) -> str:
    """The page of one command."""
    name, path = context.info_name, f"{FOLDER}/{context.info_name}.md"
    summary, _, more = (command.help or "").strip().partition("\n\n")
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [f"# archc {name}\n", paragraphs(summary, path), f"```text\n{usage}\n```\n", paragraphs(more, path)]
    parts.append(examples(command.epilog or "", path))
    if arguments := [each for each in command.params if each.param_type_name == "argument"]:
        parts.append("\n## Arguments\n\n" + table(("argument", "value", "default"), map(argument_row, arguments)))
    parts.append("\n## Options\n\n" + option_table(options_of(command, context), path))
    parts += [document_section(name, path), EXIT_CODES, read_on(name, path)]
    return "\n".join(part for part in parts if part)


def paragraphs(text: str, page: str) -> str:
    """Paragraphs of a help text, each on one line."""
    return "\n".join(
        escape_markdown(" ".join(each.split()), page) + "\n" for each in text.split("\n\n") if each.strip()
    )


def examples(epilog: str, page: str) -> str:
    """The commands of an epilog as a block to paste, with what it says of each as a comment; its other texts stand before them."""
    before, lines = [], []
    for line in filter(None, (each.strip() for each in epilog.replace("\b", "").split("\n"))):
        found = RUN.match(line)
        if not found:
            before.append(line)
            continue
        if found[1] and found[1] != "Example":
            lines.append(f"# {found[1][0].lower()}{found[1][1:]}")
        for command in found[2].split("; "):
            run, _, remark = command.partition("   ")
            lines += [*([f"# {remark.strip()}"] if remark.strip() else []), run]
    texts = "".join(f"\n{escape_markdown(each, page)}\n" for each in before)
    return f"{texts}\n## Example\n\n```sh\n" + "\n".join(lines) + "\n```\n"


def options_of(command: Any, context: Any) -> list[Any]:
    """The options that a command takes, `--help` among them."""
    return [each for each in command.get_params(context) if each.param_type_name == "option" and not each.hidden]


def option_table(options: Sequence[Any], page: str) -> str:
    """A row for each option."""
    return table(("option", "meaning", "value", "default"), (option_row(each, page) for each in options))


def option_row(option: Any, page: str) -> tuple[str, str, str, str]:
    """An option's spellings, its help, what it takes, and its default."""
    names = [f"`{name}`" for name in (*option.opts, *option.secondary_opts)]
    text = option.help or ""
    stated = DEFAULT.search(text)
    default = code_or_text(option.default) if has_default(option) else ""
    if stated:
        text, default = text[: stated.start()], escape_markdown(stated[1] or stated[2], page)
    if option.envvar:
        text += f" The environment variable {option.envvar} sets it, too."
    return ", ".join(names), escape_markdown(text, page), "" if option.is_flag else value_of(option), default


def argument_row(argument: Any) -> tuple[str, str, str]:
    """An argument's name in the usage, how many it takes, and its default."""
    count = "one" if argument.nargs == 1 else "one or more" if argument.required else "any number"
    value = count if argument.required or argument.nargs != 1 else "may be left out"
    choices = getattr(argument.type, "choices", ())
    default = code_or_text(argument.default) if has_default(argument) else ""
    return f"`{argument.human_readable_name}`", ", ".join([f"`{word}`" for word in choices] or [value]), default


def has_default(parameter: Any) -> bool:
    """Whether click knows a default that says something: not that of a flag, which is off."""
    default = parameter.default
    plain = isinstance(default, (str, int, float, list, tuple))
    return plain and default not in ("", (), []) and not (isinstance(default, bool) and not default)


def code_or_text(default: Any) -> str:
    """A default as it is written on the command line."""
    words = default if isinstance(default, (list, tuple)) else [default]
    return ", ".join("on" if word is True else f"`{word}`" for word in words)


def value_of(option: Any) -> str:
    """What an option takes: its choices, the range of its number, or the word that its help has for it."""
    kind = option.type
    if choices := getattr(kind, "choices", None):
        return ", ".join(f"`{word}`" for word in choices)
    words = (
        f"`{option.metavar}`"
        if option.metavar
        else {"text": "text", "integer": "an integer", "boolean": ""}.get(kind.name, "")
    )
    if hasattr(kind, "min"):
        low, high = kind.min, kind.max
        span = (
            f"from {low:,} to {high:,}"
            if None not in (low, high)
            else f"of at least {low:,}"
            if low is not None
            else f"of at most {high:,}"
        )
        return f"an integer {span}"
    if not words and kind.name == "float":
        words = f"a number over 0{f' and up to {kind.highest:g}' if kind.highest < 1e300 else ''}"
    return words or f"`{kind.name}`"


def document_section(name: str, page: str) -> str:
    """What `--format json` prints: the section of docs/reference that tells its form."""
    document = f"[one document]({relative(PROGRAM, page)}#for-programs)"
    forms = "".join(
        f" [{' · '.join(dict.fromkeys((title_of(path), title)))}]({relative(path, page)}#{anchor}) tells its form."
        for path, anchor, title in document_places(name)[:1]
    )
    return f"\n## As JSON\n\nWith `--format json` standard output is {document}, however the command ends.{forms}\n"


def document_places(name: str) -> list[tuple[str, str, str]]:
    """The sections that tell the form of a command's document: those that name it with `--format json`; else, on the pages about it, those that
    tell a form, first where the command is named beside it."""
    asked = re.compile(rf"`archc {name}\b[^`\n]*--format json`")
    named = re.compile(rf"\barchc {name}\b")
    explicit = [place for path in pages_of("reference") for place in sections_with(path, asked)]
    about = [each.path for each in pages_about(name, "reference") if each.path != PROGRAM]
    telling = [place for path in about for place in sections_with(path, FORM)]
    beside = {place for path in about for place in sections_with(path, named)}
    return explicit or sorted(telling, key=lambda place: (about.index(place[0]), place not in beside))


def sections_with(path: str, wanted: re.Pattern[str]) -> Iterator[tuple[str, str, str]]:
    """The path, the anchor and the title of each section of a page in which `wanted` is found."""
    text = (DOCS / path).read_text("utf-8")
    heads = list(SECTION.finditer(text))
    for at, head in enumerate(heads):
        end = heads[at + 1].start() if at + 1 < len(heads) else len(text)
        if wanted.search(text, head.start(), end):
            title = head[1].replace("`", "")
            yield path, re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title.lower())), title


def read_on(name: str, page: str) -> str:
    """Links to the hand-written pages that tell of the command, those that name it most first."""
    told = [each for kind in TELLING for each in pages_about(name, kind)]
    lines = [f"- [{title_of(each.path)}]({relative(each.path, page)})\n" for each in told[:MOST_PAGES]]
    return "\n## Read on\n\n" + "".join(lines) if lines else ""


def pages_about(name: str, kind: str) -> list[Told]:
    """The pages of a kind that name the command in their title or at least twice."""
    named = re.compile(rf"\barchc {name}\b")
    found = []
    for path in pages_of(kind):
        text = (DOCS / path).read_text("utf-8")
        count = len(named.findall(text))
        if count > 1 or named.search(text.partition("\n")[0]):
            found.append(Told(path, count))
    return sorted(found, key=lambda each: -each.times)


def pages_of(kind: str) -> list[str]:
    """The hand-written pages of a kind, by their paths."""
    return [path.relative_to(DOCS).as_posix() for path in sorted((DOCS / kind).rglob("*.md"))]
