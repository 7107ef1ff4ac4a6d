#!/usr/bin/env python3
"""Writes deploy/man/ffe-edge.1 out of the command line itself: every command, argument and option, in its own words.

``scripts/man.py`` writes it, ``scripts/man.py --check`` says whether it is what would be written. The same program
makes the same page: it holds neither a date nor anything of the machine. Source: groff_man(7), man-pages(7).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Final

import typer.main

from ffe_edge.cli import EPILOG, app

PAGE: Final = Path(__file__).resolve().parents[1] / "deploy" / "man" / "ffe-edge.1"
SHELL_OPTIONS: Final = ("install_completion", "show_completion", "help")
"""Told once, for all commands."""
HEAD: Final = r""".\" Written by scripts/man.py: the next run overwrites what is changed here.
.TH FFE\-EDGE 1 "" "ffe\-edge" "User Commands"
.SH NAME
ffe\-edge \- tell facial expressions of elderly people over MQTT
.SH SYNOPSIS
.B ffe\-edge
.I COMMAND
.RI [ OPTION ...]
.RI [ ARGUMENT ...]
.SH DESCRIPTION
"""
TAIL: Final = r""".SH EVERY COMMAND
.TP
.B \-\-help
Says what the command does, and its options.
.PP
.B ffe\-edge \-\-install\-completion
makes the shell complete commands and options;
.B ffe\-edge \-\-show\-completion
prints what it would install.
.SH EXIT STATUS
.TP
.B 0
Done; for
.BR run ,
the file has ended and its last event is delivered.
.TP
.B 1
What was looked at is not as it should be: see the command.
.TP
.B 2
An error, told in one line on standard error: what is wrong, where, and what to do.
.SH ENVIRONMENT
.TP
.B FFE_MODELS
Folder of fetched models, instead of the user's.
.TP
.B STATE_DIRECTORY
Where events wait, as systemd sets it; else
.I $XDG_STATE_HOME/ffe\-edge
or
.IR ~/.local/state/ffe\-edge .
.TP
.B CREDENTIALS_DIRECTORY
Where systemd puts the key of the residents.
.SH FILES
.TP
.I /etc/ffe\-edge/ffe.toml
Settings of the installed service.
.B ffe\-edge config init
writes a file in which every key is explained.
.TP
.I /var/lib/ffe\-edge/
Events that wait, the privacy switch, residents (encrypted), models.
.SH SEE ALSO
.BR ffe\-edge\-node (8),
.BR ffe\-edge\-join (8),
.BR mosquitto (8),
.BR systemctl (1)
.PP
The guides, of the Debian package in
.IR /usr/share/doc/ffe\-edge .
"""


def main() -> int:
    """Write the page, or hold it against what stands there."""
    text = page()
    if "--check" not in sys.argv[1:]:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(text, encoding="ascii")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="ascii") == text:
        return 0
    sys.stderr.write(f"{PAGE}: is not what the commands say now; run scripts/man.py\n")
    return 1


def page() -> str:
    """The whole page."""
    root = typer.main.get_command(app)
    body = HEAD + prose(root.help or "", first="") + prose(EPILOG) + ".SH OPTIONS\n"
    body += "".join(entry(parameter) for parameter in told(root)) + ".SH COMMANDS\n"
    return body + "".join(command_section(words, command) for words, command in leaves(root, "ffe-edge")) + TAIL


def leaves(command: Any, words: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something, with the words that lead to it, in the order of ``--help``."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words, command
        return
    for name, each in inner.items():
        if not each.hidden:
            yield from leaves(each, f"{words} {name}")


def command_section(words: str, command: Any) -> str:
    """Usage, description, arguments and options of one command."""
    parameters = told(command)
    arguments = " ".join(argument_name(each) for each in parameters if each.param_type_name == "argument")
    usage = f".B {code(words)}\n" + (".RI [ OPTION ...]\n" if any(map(is_option, parameters)) else "")
    usage += f".I {code(arguments)}\n" if arguments else ""
    entries = "".join(entry(each) for each in parameters)
    return f".SS {code(words)}\n{usage}" + prose(command.help or "") + entries


def told(command: Any) -> list[Any]:
    """Arguments, then options."""
    shown = [each for each in command.params if each.name not in SHELL_OPTIONS and not getattr(each, "hidden", False)]
    return sorted(shown, key=is_option)


def is_option(parameter: Any) -> bool:
    """Whether it begins with dashes."""
    return bool(parameter.param_type_name == "option")


def argument_name(parameter: Any) -> str:
    """``FILE``, ``[FILE]``, ``FILE...``."""
    name = parameter.name.upper().replace("_", "-") + ("..." if parameter.nargs != 1 else "")
    return name if parameter.required else f"[{name}]"


def entry(parameter: Any) -> str:
    """One argument or option with what it does."""
    default = parameter.default
    if isinstance(default, Enum):
        default = default.value
    text = parameter.help or ""
    if isinstance(default, (str, int, float, Path)) and not isinstance(default, bool) and "[default" not in text:
        text = f"{text.rstrip()} [default: {default}]"
    return f".TP\n{tag(parameter)}\n{prose(text, first='')}"


def tag(parameter: Any) -> str:
    """The line that names it."""
    if not is_option(parameter):
        return f".I {code(argument_name(parameter))}"
    names = [*parameter.opts, *parameter.secondary_opts]
    shown = r"\fR, \fB".join(code(name) for name in names)
    value = "" if getattr(parameter, "is_flag", False) else rf" \fI{code(parameter.name.upper().replace('_', '-'))}\fR"
    return rf"\fB{shown}\fR{value}"


def prose(text: str, first: str = ".PP\n") -> str:
    """Paragraphs of a help text; what stands in backticks is bold."""
    paragraphs = [" ".join(each.split()) for each in re.split(r"\n\s*\n", text) if each.strip()]
    return "".join((first if number == 0 else ".PP\n") + line(each) for number, each in enumerate(paragraphs))


def line(text: str) -> str:
    """One paragraph as one line that begins with no control character, a sentence a line."""
    parts = re.split(r"`([^`]+)`", text)
    marked = "".join(rf"\fB{code(part)}\fR" if number % 2 else escaped(part) for number, part in enumerate(parts))
    sentences = re.sub(r"(?<=[a-z)][.!?]) +(?=[A-Z])", "\n", marked).split("\n")
    return "".join(rf"\&{each}" + "\n" if each.startswith((".", "'")) else each + "\n" for each in sentences)


def code(text: str) -> str:
    """What is typed: its hyphens are minus signs."""
    return escaped(text).replace("-", r"\-")


def escaped(text: str) -> str:
    """Nothing in it is a command of roff; it is ASCII."""
    plain = text.replace("\\", r"\e").replace("…", "...")
    return "".join(each if each.isascii() else rf"\[u{ord(each):04X}]" for each in plain)


if __name__ == "__main__":
    sys.exit(main())
