"""Programs and commands: groups, help in sections, and one way to fail."""

from __future__ import annotations

import _thread
import atexit
import functools
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import suppress
from importlib import import_module
from types import FrameType
from typing import Any

import click

from cli.exit_codes import ExitCode
from cli.file_types import of_metavar
from cli.inputs import check_outputs
from cli.render import Problem, Terminal
from cli.start import end_at_once
from deephide.errors import OutputError

__all__ = ["HELP_ALL", "App", "Family", "Grouped", "command", "exit_on_termination", "run_program"]

Function = Callable[..., Any]


class _WithExamples(click.Command):
    """A command or group that ends its help with lines to paste."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        if self._examples:
            with formatter.section("Examples"):
                for line in self._examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


class App(_WithExamples, click.Group):
    """A group whose usage errors look like every other error and exit with status 2.

    Commands of which only the module is known are imported when they are asked for.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._there: dict[str, click.Command] = {}
        self._modules: dict[str, str] = {}
        super().__init__(*args, **kwargs)

    def find_in(self, modules: dict[str, str]) -> None:
        """Take note of commands, by name, and of the modules that register them."""
        self._modules |= modules

    @property
    def commands(self) -> MutableMapping[str, click.Command]:
        """All commands; every module is imported for it."""
        for module in self._modules.values():
            import_module(module)
        return self._there

    @commands.setter
    def commands(self, commands: MutableMapping[str, click.Command]) -> None:
        self._there = dict(commands)

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Register a command."""
        self._there[name or cmd.name or ""] = cmd

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name."""
        if cmd_name not in self._there and cmd_name in self._modules:
            import_module(self._modules[cmd_name])
        return self._there.get(cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*self._there, *self._modules})

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, each with the whole first line of its help."""
        names = self.list_commands(ctx)
        found = [(name, self.get_command(ctx, name)) for name in names]
        rows = [(name, _first_line(each)) for name, each in found if each and not each.hidden]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        **extra: Any,
    ) -> Any:
        """Run the command and leave through `sys.exit`."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                # A name that the terminal's encoding does not know must not fail what is done.
                stream.reconfigure(errors="backslashreplace")
        given = list(sys.argv[1:] if args is None else args)
        name = prog_name or self.name or "deephide"
        terminal = Terminal(name, as_json="--json" in given, debug="--debug" in given)
        extra["standalone_mode"] = False
        try:
            if sys.stdout is None:
                raise OutputError("the result cannot be written: stdout is closed")
            code = super().main(given, prog_name=name, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            terminal.help(error.ctx.get_help())
            code = ExitCode.USAGE
        except click.ClickException as error:
            message = _plain(error.format_message())
            found = Problem(ExitCode.USAGE, "UsageError", message, _help_of(error, name))
            terminal.report(found)
            code = ExitCode.USAGE
        except (click.Abort, KeyboardInterrupt):
            code = terminal.failure(KeyboardInterrupt())
        except BrokenPipeError:
            code = terminal.hung_up()
        except Exception as error:
            code = terminal.failure(error)
        sys.exit(int(code or 0) if isinstance(code, int) else 0)


class Family(_WithExamples, click.Group):
    """A group inside a program; called without one of its words, it does what `default` does."""

    def __init__(self, *args: Any, default: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default word in front of options that no word precedes."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = [self._default, *args]
        return super().parse_args(ctx, args)


class Grouped(_WithExamples):
    """A command whose options are listed by the word their help starts with.

    What a shell completes in the place of a text follows from its metavar.

    Parameters
    ----------
    common : names of the parameters that `--help` lists; `--help-all` lists the others too.  None
        lists all of them with `--help`
    details : paragraphs that `--help-all` adds to the text
    """

    def __init__(
        self, *args: Any, common: Sequence[str] | None = None, details: str = "", **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._common = common
        self._details = details
        if common is not None:
            self.params.append(_help_all())
        for parameter in self.params:
            if parameter.type is click.STRING:
                parameter.type = of_metavar(parameter.metavar) or click.STRING

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section per group, in a fixed order."""
        groups: dict[str, list[tuple[str, str]]] = {name: [] for name in _GROUPS}
        for parameter in self.get_params(ctx):
            if self._is_left_out(parameter, ctx):
                continue
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                group, separator, text = record[1].partition(": ")
                known = separator and group in groups
                if known:
                    groups[group].append((record[0], text[:1].upper() + text[1:]))
                else:
                    groups[_GROUPS[-1]].append(record)
        for name, rows in groups.items():
            if rows:
                with formatter.section(name):
                    formatter.write_dl(rows)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the text, with the details where all is asked for."""
        super().format_help_text(ctx, formatter)
        if self._details and ctx.meta.get(HELP_ALL):
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(self._details)

    def _is_left_out(self, parameter: click.Parameter, ctx: click.Context) -> bool:
        if self._common is None or ctx.meta.get(HELP_ALL):
            return False
        general = parameter.name == "help_all" or "--help" in parameter.opts
        return not general and parameter.name not in self._common


HELP_ALL = "cli.program.help_all"
_GROUPS = ("Input", "Output", "Security", "Advanced", "General")


def _help_all() -> click.Option:
    def show(ctx: click.Context, _parameter: click.Parameter, asked: bool) -> None:
        if asked and not ctx.resilient_parsing:
            ctx.meta[HELP_ALL] = True
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()

    return click.Option(
        ["--help-all"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=show,
        help="Show every option and exit.",
    )


def _first_line(command: click.Command) -> str:
    lines = (command.help or "").strip().splitlines()
    return lines[0].rstrip(".") + "." if lines else ""


def _plain(message: str) -> str:
    text = " ".join(message.split()).rstrip(".")
    return text[:1].lower() + text[1:]


def _help_of(error: click.ClickException, name: str) -> str | None:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else name
    return f"see {path} --help"


_ENDINGS = {
    "SIGTERM": ExitCode.TERMINATED,
    "SIGHUP": ExitCode.HANGUP,
    "SIGQUIT": ExitCode.QUIT,
}


def run_program(app: App, program: str) -> None:
    """Run a command as a process does: signals unwind the stack, and then end it at once.

    Parameters
    ----------
    app : the group of its commands
    program : its name
    """
    exit_on_termination()
    exit_on_interrupt()
    try:
        app.main(prog_name=program)
    except SystemExit as ending:
        if ending.code == ExitCode.INTERRUPTED:
            # Whatever `exec` an interrupt passed through, Python would end as if nobody caught it.
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError, AttributeError):
                    stream.flush()
            os._exit(ExitCode.INTERRUPTED)
        end_at_once(program)
        leave_at_once(ending.code)
        raise
    finally:
        end_at_once(program)


def leave_at_once(code: object) -> None:
    """End the process without taking the interpreter apart, which can take a second.

    What was registered for the end of the program is done, and all output written.  Where threads
    still run, or something cannot be written, this returns, and Python ends as it always does.
    """
    if not isinstance(code, int | None) or threading.active_count() > 1:
        return
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return
    os._exit(int(code or 0))


def exit_on_interrupt() -> None:
    """Let a Ctrl-C unwind the stack, also where the code that it meets would swallow it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    usual = sys.unraisablehook

    def again(unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            _thread.interrupt_main()
        else:
            usual(unraisable)

    sys.unraisablehook = again


def exit_on_termination() -> None:
    """Let SIGTERM, SIGHUP and SIGQUIT unwind the stack, so that temporary files are removed.

    What is ignored stays so: nohup asks for that.
    """
    for name in _ENDINGS:
        number = getattr(signal, name, None)  # Windows knows SIGTERM alone
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _terminated)


def _terminated(number: int, _frame: FrameType | None) -> None:
    for name in _ENDINGS:  # a second one must not stop the cleaning up
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    raise SystemExit(int(_ENDINGS[signal.Signals(number).name]))


def command(
    app: click.Group,
    program: str = "deephide",
    examples: Sequence[str] = (),
    name: str | None = None,
    **more: Any,
) -> Callable[[Function], click.Command]:
    """Register a function as a command with the common options and one way to fail.

    The function gets a `Terminal` as its first argument, then its own options.  It returns None, or
    an exit code where something failed that it has reported itself.  `more` is for `Grouped`.
    """

    def decorate(function: Function) -> click.Command:
        @functools.wraps(function)
        def run(quiet: bool, verbose: bool, debug: bool, as_json: bool, **kwargs: Any) -> int:
            if quiet and (verbose or debug):
                raise click.UsageError("--quiet cannot be used with --verbose or --debug")
            terminal = Terminal(program, quiet=quiet, verbose=verbose, debug=debug, as_json=as_json)
            with terminal.logging():
                try:
                    check_outputs()
                    code = function(terminal, **kwargs)
                except (click.ClickException, click.exceptions.Exit):
                    raise
                except BrokenPipeError:
                    return int(terminal.hung_up())
                except (Exception, KeyboardInterrupt) as error:
                    return int(terminal.failure(error))
            return int(code or ExitCode.OK)

        wrapped: Function = run
        for option in (
            click.option("--debug", is_flag=True, help="Add tracebacks and versions to errors."),
            click.option("-v", "--verbose", is_flag=True, help="Log what is being done."),
            click.option(
                "-q",
                "--quiet",
                is_flag=True,
                help="Output: no messages but errors; the result still goes to stdout.",
            ),
            click.option("--json", "as_json", is_flag=True, help="Output: print one JSON object."),
        ):
            wrapped = option(wrapped)
        return app.command(name, cls=Grouped, examples=examples, **more)(wrapped)

    return decorate
