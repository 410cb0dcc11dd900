"""Commands of `deephide` for lists of photos."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from cli.deephide_group import app
from cli.encoding import arguments, encoding_options, keyed
from cli.exit_codes import ExitCode
from cli.journal import Journal, digest, state
from cli.manifest import EMBED, EXTRACT, read_manifest
from cli.options import hygiene_options, key_options, limit_option, model_option
from cli.passphrase import WEAK, Sources, read_secrets
from cli.program import command
from cli.render import Problem, Terminal
from cli.reports import announce_compilation, open_to_all
from cli.rows import LOST, Outcome, Task, extract_row, hide_row
from cli.workers import run_tasks

if TYPE_CHECKING:
    from deephide.options import EmbedOptions

__all__ = ["embed_many", "extract_many"]

_MANIFEST = click.argument("manifest", metavar="MANIFEST")
_FORCE = click.option(
    "--force",
    is_flag=True,
    help="Output: do all rows again and replace existing files.",
)
_JOBS = click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="N",
    help="Advanced: rows at once, each in a process of its own with its own copy of the model.",
)
_CLUSTER = click.option(
    "--cluster",
    is_flag=True,
    help="Advanced: spread the rows over the Ray cluster that RAY_ADDRESS names, whose machines "
    "see the same folders and are told the keys; needs the extra cluster.",
)


@command(
    app,
    examples=(
        "deephide embed-many photos.csv -p",
        "deephide embed-many photos.jsonl --passphrase-file key.txt --jobs 4 --json",
    ),
    name="embed-many",
)
@_MANIFEST
@_FORCE
@key_options(sending=True)
@model_option
@encoding_options
@_JOBS
@_CLUSTER
@hygiene_options
def embed_many(
    terminal: Terminal,
    manifest: str,
    force: bool,
    sources: Sources,
    model: str | None,
    options: EmbedOptions,
    jobs: int,
    cluster: bool,
    hygiene: dict[str, Any],
) -> ExitCode:
    """Hide many secrets in many photos, as a list says, and go on later.

    The list is CSV with a header (also with semicolons or tabs), or JSON Lines: secret, carrier,
    output, and where a row has keys of its own, passphrase_file, key_file or recipients; other
    columns are not looked at. Names are looked up from the folder of the
    list. What is done is noted in MANIFEST.journal: the same command goes on where it stopped,
    skips rows whose files are as they were then, and repeats those that failed. The journal knows
    no passphrases: for another one use --force. The exit code is that of the first row that failed.
    """
    start = time.monotonic()
    rows = read_manifest(manifest, EMBED)
    secrets = read_secrets(sources, confirm=True)
    if secrets.missing and not all(row.has_keys for row in rows):
        terminal.warning(open_to_all(options.codec))
    elif secrets.weak:
        terminal.warning(WEAK)
    settings = arguments(keyed(options, secrets, model)) | hygiene
    del settings["passphrase"]  # which no journal may hold
    del settings["max_pixels"]  # which changes no file
    settings["to"] = settings.pop("recipients")
    journal = Journal(manifest, settings, digest, forget=force)
    tasks = [Task(row, secrets, model, force, options, hygiene) for row in rows]
    announce_compilation(terminal, [row.files["carrier"] for row in rows])
    outcomes, skipped = _run_rows(terminal, "hiding", tasks, hide_row, journal, jobs, cluster)
    return _report(terminal, tasks, outcomes, skipped, start)


@command(
    app,
    examples=(
        "deephide extract-many stegos.csv -p",
        "deephide extract-many stegos.jsonl --identity identity.txt --jobs 4 --json",
    ),
    name="extract-many",
)
@_MANIFEST
@_FORCE
@key_options(sending=False)
@model_option
@limit_option
@_JOBS
@_CLUSTER
def extract_many(
    terminal: Terminal,
    manifest: str,
    force: bool,
    sources: Sources,
    model: str | None,
    max_pixels: int | None,
    jobs: int,
    cluster: bool,
) -> ExitCode:
    """Get back what is hidden in many images, as a list says.

    The list is as that of embed-many: stego, output, and where a row has keys of its own,
    passphrase_file, key_file or identity. It is resumed in the same way.
    """
    start = time.monotonic()
    rows = read_manifest(manifest, EXTRACT)
    secrets = read_secrets(sources, confirm=False)
    settings = {"model": model, "key_file": secrets.key_file, "identity": secrets.identity}
    journal = Journal(manifest, settings, state, forget=force)
    tasks = [Task(row, secrets, model, force, max_pixels=max_pixels) for row in rows]
    outcomes, skipped = _run_rows(
        terminal, "extracting", tasks, extract_row, journal, jobs, cluster
    )
    return _report(terminal, tasks, outcomes, skipped, start)


def _run_rows(
    terminal: Terminal,
    label: str,
    tasks: Sequence[Task],
    work: Callable[[Task], Outcome],
    journal: Journal,
    jobs: int,
    cluster: bool,
) -> tuple[dict[int, Outcome], set[int]]:
    """Return the outcomes by number of the row, and which rows were done before."""
    outcomes = {}
    for task in tasks:
        report = journal.finished(task.row)
        if report is not None:
            outcomes[task.row.number] = Outcome(report)
    skipped = {*outcomes}
    left = [task for task in tasks if task.row.number not in skipped]
    with terminal.bar(label, "rows") as progress:
        progress(len(skipped), len(tasks))

        def begin(task: Task) -> Task:
            return replace(task, force=task.force or journal.begin(task.row))

        def settle(task: Task, outcome: Outcome) -> None:
            outcomes[task.row.number] = outcome
            if outcome is not LOST:  # nobody knows how far such a row came
                journal.end(task.row, outcome.report)
            progress(len(outcomes), len(tasks))

        run_tasks(left, begin, work, LOST, settle, jobs, cluster=cluster)
    return outcomes, skipped


def _report(
    terminal: Terminal,
    tasks: Sequence[Task],
    outcomes: dict[int, Outcome],
    skipped: set[int],
    start: float,
) -> ExitCode:
    """Report the outcomes of the rows in the order of the list, whatever order they ended in."""
    rows: list[dict[str, Any]] = []
    first, failed = None, 0
    for task in tasks:
        number, outcome = task.row.number, outcomes[task.row.number]
        status = "skipped" if number in skipped else "done"
        for note in outcome.warnings:
            terminal.warning(f"row {number}: {note}")
        if outcome.problem is not None:
            status, failed = "failed", failed + 1
            first = first or outcome.problem
            if not terminal.as_json:
                message = f"row {number}: {outcome.problem.message}"
                terminal.report(replace(outcome.problem, message=message))
        rows.append(
            {
                "row": number,
                "output": task.row.output,
                "status": status,
                "error": asdict(outcome.problem) if outcome.problem else None,
                "warnings": outcome.warnings,
                "report": outcome.report,
            }
        )
    fields = {
        "rows": rows,
        "done": len(rows) - failed - len(skipped),
        "skipped": len(skipped),
        "failed": failed,
        "warnings": terminal.warnings,
        "elapsed_s": round(time.monotonic() - start, 3),
    }
    terminal.info(f"{fields['done']} rows done, {len(skipped)} done before, {failed} failed")
    text = "\n".join(row["output"] for row in rows if row["status"] != "failed")
    if first is not None:
        message = f"{failed} of {len(rows)} rows failed"
        first = Problem(first.code, first.name, message, "run the command again to repeat them")
    return terminal.outcome(text, fields, first)
