"""Output of --json against docs/json.schema.json; see also the fixture `published_json`."""

import json
from pathlib import Path

import click
import jsonschema
import pytest
from loading import load_script

from cli.deephide_app import app
from cli.e2style_app import app as e2style_app
from cli.render import Terminal

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = json.loads((DOCS / "json.schema.json").read_text(encoding="utf-8"))
HIDE = ("--carrier", "photo.png", "--codec", "file")


def commands_of(group, path):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands_of(command, f"{path} {name}")
        else:
            yield f"{path} {name}"


def test_every_command_has_a_schema():
    known = {name for name in SCHEMA["$defs"] if " " in name}
    assert known >= {*commands_of(app, "deephide"), *commands_of(e2style_app, "e2style")}


def objects(found):
    if isinstance(found, dict):
        if "properties" in found:
            yield found
        for each in found.values():
            yield from objects(each)
    elif isinstance(found, list):
        for each in found:
            yield from objects(each)


def test_the_schema_is_one_and_explains_every_field():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    fields = [item for found in objects(SCHEMA) for item in found["properties"].items()]
    assert len(fields) > 100
    assert [name for name, field in fields if not field.get("description")] == []


def test_the_page_is_made_from_the_schema():
    made = load_script("docs/make_json.py").page()
    assert (DOCS / "json.md").read_text(encoding="utf-8") == made


def test_the_check_of_what_is_printed_can_fail():
    terminal = Terminal("deephide", as_json=True)
    fields = {"output": "identity.txt", "public_key": "age"}
    with click.Context(app, info_name="deephide") as parent:
        with click.Context(app.commands["keygen"], parent, info_name="keygen"):
            terminal.result("", fields)
            for wrong in (fields | {"more": 1}, {"output": "x"}, fields | {"output": 3}):
                with pytest.raises(jsonschema.ValidationError):
                    terminal.result("", wrong)


@pytest.mark.parametrize(
    "arguments",
    [
        (
            "embed",
            "--secret",
            "photo.png",
            *HIDE,
            "--budget",
            "400",
            "--codec",
            "image",
            "--dry-run",
        ),
        ("capacity", "photo.png"),
        ("keygen", "-o", "identity.txt"),
        ("completion", "zsh"),
        ("models",),
        ("models", "list"),
        ("embed", "--secret", "missing", *HIDE),
        ("embed",),
        ("extract", "photo.png"),
    ],
)
def test_what_is_printed_is_valid(run_json, arguments):
    """The fixture `published_json` does the validation; other tests run the other commands."""
    done, found = run_json(*arguments)
    assert found["schema"] == 1
    assert found["ok"] is (done.exit_code == 0) and ("error" in found) is (done.exit_code != 0)
    assert "KeyError" not in done.stdout and done.exit_code != 1
