import json
from pathlib import Path

import click
import fake_model
import image_samples
import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner

import e2style
from cli import render
from cli.deephide_app import app
from deephide.container import crypto

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs" / "json.schema.json").read_text(encoding="utf-8")
)


@pytest.fixture(autouse=True)
def published_json(monkeypatch):
    """Hold whatever a command says in this process against the schema, with --json or without."""
    printed, told = render._print_json, render.Terminal.result

    def check(fields):
        context = click.get_current_context(silent=True)
        if context is not None:
            failed = "error" in fields and len(fields) == 2
            path = "failure" if failed else context.command_path.replace(" ", "%20")
            found = json.loads(json.dumps(render.finite({"schema": 1, **fields})))
            jsonschema.validate(found, {**SCHEMA, "$ref": f"#/$defs/{path}"})

    def print_json(fields):
        check(fields)
        printed(fields)

    def result(terminal, text, fields):
        check({"ok": True, **fields})
        told(terminal, text, fields)

    monkeypatch.setattr(render, "_print_json", print_json)
    monkeypatch.setattr(render.Terminal, "result", result)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a photo and a face."""
    rng = np.random.default_rng(11)
    image_samples.blocky_photo(rng, 30, 40).save(tmp_path / "photo.png")
    image_samples.smooth_face().save(tmp_path / "face.png")
    image_samples.checks(rng, 100, 1).save(tmp_path / "noise.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEEPHIDE_PASSPHRASE", raising=False)
    monkeypatch.setenv("DEEPHIDE_MODEL_DIR", str(tmp_path.parent / "models"))
    return tmp_path


@pytest.fixture
def run(folder, monkeypatch):
    """Run the command in this process with the fake model and a quick key derivation."""
    monkeypatch.setattr(
        e2style, "load_for_inference", lambda *_: fake_model.FakeModel(), raising=False
    )
    fingerprint = fake_model.FakeModel().fingerprint
    monkeypatch.setattr(e2style, "fingerprint_of", lambda *_: fingerprint, raising=False)
    header_of = e2style.header_of

    def header(name=None):
        return {} if name == "fake" else header_of(name)

    monkeypatch.setattr(e2style, "header_of", header, raising=False)
    monkeypatch.setattr(e2style, "names", lambda: ["fake"], raising=False)
    monkeypatch.setattr(crypto, "ARGON2_MEMORY_KIB", 32)
    # What is said does not depend on what earlier tests left in numba's cache.
    monkeypatch.setattr("stc.is_compiled", lambda: True, raising=False)

    def call(*args, **options):
        return CliRunner().invoke(app, [str(each) for each in args], **options)

    return call


@pytest.fixture
def run_json(run):
    def call(*args, **options):
        result = run(*args, "--json", **options)
        return result, json.loads(result.stdout)

    return call
