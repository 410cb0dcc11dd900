"""`deephide doctor` on installations that work and on some that do not."""

from pathlib import Path

import pytest

import stc
from deephide import doctor
from deephide.errors import DeephideError
from e2style import CheckpointError
from e2style.checkpoints import shipped
from stc import precompiled


@pytest.fixture
def examine(run_json, monkeypatch):
    """Run the command with a quick answer for the checks that are not asked for."""

    def call(*names):
        for name in doctor.CHECKS:
            if name not in names:
                monkeypatch.setitem(doctor.CHECKS, name, lambda name=name: finding(name))
        done, found = run_json("doctor")
        assert [check["name"] for check in found["checks"]] == list(doctor.CHECKS)
        return done.exit_code, found, {check["name"]: check for check in found["checks"]}

    return call


def finding(name):
    return doctor.Finding(name, "ok", "not asked for")


def broken(error):
    def check():
        raise error

    return check


def test_an_installation_that_works(folder):
    findings = {each.name: each for each in doctor.examine()}
    assert [each for each in findings.values() if each.state == "broken"] == []
    assert {"numpy", "onnxruntime", "pillow"} < findings["versions"].details.keys()
    known = next(iter(shipped.SKETCHES))
    assert findings["models"].details["face256"].startswith(known[:16])
    assert findings["machine"].details["cores"] >= 1
    assert findings["round trip"].details["payload_bits"] > 8 * 54
    assert "robust" in findings["extras"].details


@pytest.mark.parametrize(
    ("name", "error", "code"),
    [
        ("models", CheckpointError("model face256: hash 0000… differs"), 7),
        ("round trip", DeephideError("a face was hidden, and something else came back"), 1),
        ("machine", ImportError("libcudart.so.12: cannot open\nshared object file"), 1),
    ],
)
def test_what_is_broken_is_one_sentence_and_gives_its_exit_code(
    examine, run, monkeypatch, name, error, code
):
    monkeypatch.setitem(doctor.CHECKS, name, broken(error))
    status, found, checks = examine(name)
    assert status == code == found["error"]["code"] and found["ok"] is False
    assert checks[name]["state"] == "broken"
    assert found["error"]["message"] == f"{name}: {' '.join(str(error).split())}"
    assert sum(check["state"] == "ok" for check in checks.values()) == len(checks) - 1
    done = run("doctor")
    assert done.exit_code == code and f"deephide: error: {name}: " in done.stderr
    assert f"broken   {name}" in done.stdout


def test_a_missing_package_is_named(examine, monkeypatch):
    monkeypatch.setattr(
        doctor, "_version", lambda name: None if name in ("rich", "tensorboard") else "1.0"
    )
    status, _, checks = examine("versions", "extras")
    assert status == 1 and checks["versions"]["text"] == "missing: rich"
    assert checks["extras"]["state"] == "ok"
    assert checks["extras"]["details"]["train"] == ["tensorboard"]


def test_a_source_tree_that_is_not_installed_says_so(examine, monkeypatch):
    def absent(name):
        raise doctor.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.metadata, "distribution", absent)
    _, found, _ = examine("versions")
    assert "not installed" in found["error"]["message"]


@pytest.mark.parametrize(
    ("where", "compiled", "state", "said"),
    [
        (None, False, "warning", "NUMBA_CACHE_DIR"),
        ("x", False, "ok", "not compiled yet"),
        ("x", True, "ok", "x: compiled"),
        (precompiled.FOLDER, True, "ok", "came compiled"),
    ],
)
def test_the_cache(examine, monkeypatch, where, compiled, state, said):
    folder = None if where is None else Path(where)
    monkeypatch.setattr(stc, "cache_folder", lambda: folder, raising=False)
    monkeypatch.setattr(stc, "is_compiled", lambda: compiled, raising=False)
    status, _, checks = examine("cache")
    assert (status, checks["cache"]["state"]) == (0, state) and said in checks["cache"]["text"]
