"""Shell completion: file names and models by the metavar, everything else as click does it."""

from __future__ import annotations

import click

from cli.program import command
from cli.render import Terminal

__all__ = ["add_completion"]

_SHELLS = ("bash", "zsh", "fish")


def add_completion(app: click.Group, program: str) -> None:
    """Give a program the command `completion`."""

    @command(
        app,
        program,
        examples=(
            f"{program} completion bash > ~/.local/share/bash-completion/completions/{program}",
            f"{program} completion fish > ~/.config/fish/completions/{program}.fish",
        ),
    )
    @click.argument("shell", metavar="|".join(_SHELLS), type=click.Choice(_SHELLS))
    def completion(terminal: Terminal, shell: str) -> None:
        """Print the lines that let a shell complete commands and options.

        In zsh, and where bash has no such folder, a line such as eval "$(deephide completion zsh)"
        in ~/.zshrc, below compinit, or in ~/.bashrc does it. Options that take a file complete file
        names, and those that take a model its name too.
        """
        from click.shell_completion import get_completion_class

        kind = get_completion_class(shell)
        if kind is None:
            raise click.UsageError(f"click knows no completion for {shell}")
        script = kind(app, {}, program, f"_{program.upper()}_COMPLETE").source()
        terminal.result(script.strip(), {"shell": shell, "script": script})
