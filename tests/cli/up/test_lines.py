"""What the processes of `mien up` say is told apart."""

from __future__ import annotations

import io
import re

from cli.up.lines import SYSTEM, Lines


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_each_line_says_when_and_who_and_names_are_aligned() -> None:
    output = io.StringIO()
    lines = Lines(output)
    for name in ("jobs", "camera.demo"):
        lines.add(name)
    lines.write("jobs", "one\ntwo\r\n")
    lines.write("camera.demo", "three")
    lines.write(SYSTEM, "four")
    said = [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in output.getvalue().splitlines()]
    assert said == ["jobs        | one", "jobs        | two", "camera.demo | three", "system      | four"]


def test_on_a_terminal_each_name_has_a_colour_of_its_own_and_the_text_has_none() -> None:
    output = Terminal()
    lines = Lines(output)
    for name in ("jobs", "dashboard", "jobs"):
        lines.add(name)
    for name in ("jobs", "dashboard", SYSTEM):
        lines.write(name, "text")
    jobs, dashboard, system = output.getvalue().splitlines()
    assert re.fullmatch(r"\033\[0m\033\[36m\S+ jobs      \| \033\[0mtext", jobs)
    assert re.fullmatch(r"\033\[0m\033\[33m\S+ dashboard \| \033\[0mtext", dashboard)
    assert re.fullmatch(r"\S+ system    \| text", system)


def test_an_output_whose_reader_is_gone_is_no_error() -> None:
    output = io.StringIO()
    lines = Lines(output)
    output.close()
    lines.write(SYSTEM, "nobody hears this")
    assert output.closed
