"""Command of `deephide` that examines the installation."""

from __future__ import annotations

from dataclasses import replace

from cli.deephide_group import app
from cli.exit_codes import ExitCode
from cli.program import command
from cli.render import Terminal, problem

__all__ = ["doctor"]


@command(app, examples=("deephide doctor", "deephide doctor --json"))
def doctor(terminal: Terminal) -> ExitCode:
    """Report whether this installation works, and hide a face as a test.

    Looks at versions, machine, compiled coder, extras and models, and makes one round trip in
    memory; no file is written. The exit code is that of the first thing that is broken.
    """
    from deephide.doctor import CHECKS, examine

    with terminal.progress(tuple(CHECKS)) as progress:
        findings = list(examine(progress))
    problems = [
        replace(problem(each.error), message=f"{each.name}: {each.text}")
        for each in findings
        if each.error is not None
    ]
    width = max(map(len, CHECKS))
    lines = [f"{each.state:7}  {each.name:{width}}  {each.text}" for each in findings]
    rows = [
        {"name": each.name, "state": each.state, "text": each.text, "details": each.details}
        for each in findings
    ]
    return terminal.outcome("\n".join(lines), {"checks": rows}, problems[0] if problems else None)
