"""Rows of a list on a Ray cluster: journal and outputs as ever, and what a lost machine takes."""

import json
import pickle
import sys
import types

import pytest
from click.testing import CliRunner
from image_samples import texture
from PIL import Image

from cli.deephide_app import app


class FakeRay(types.ModuleType):
    """What this program uses of Ray, one task after the other, each pickled as it would be."""

    def __init__(self, lost=()):
        super().__init__("ray")
        self.exceptions = types.SimpleNamespace(RayError=type("RayError", (Exception,), {}))
        self.calls, self.most, self.open, self.lost = [], 0, 0, set(lost)

    def init(self, **options):
        self.calls.append("init")

    def shutdown(self):
        self.calls.append("shutdown")

    def cluster_resources(self):
        return {"CPU": 2.0}

    def remote(self, **options):
        assert options == {"num_cpus": 1, "max_retries": 0}
        return lambda function: types.SimpleNamespace(
            remote=lambda *args: self._submit(function, args)
        )

    def _submit(self, function, args):
        self.open += 1
        self.most = max(self.most, self.open)
        return pickle.dumps((function, args)), self.open

    def wait(self, pending, num_returns):
        return pending[-1:], pending[:-1]

    def get(self, reference):
        self.open -= 1
        function, args = pickle.loads(reference[0])
        if args[2].row.number in self.lost:
            raise self.exceptions.RayError("a machine has gone")
        return function(*args)


@pytest.fixture
def listed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key.txt").write_text("correct horse battery\n")
    (tmp_path / "secret.txt").write_text("a secret")
    rows = ["secret,carrier,output"]
    for k in range(3):
        Image.fromarray(texture(90, 80, 3, k)).save(f"photo{k}.png")
        rows.append(f"secret.txt,photo{k}.png,stego{k}.png")
    (tmp_path / "list.csv").write_text("\n".join(rows))
    (tmp_path / "back.csv").write_text(
        "stego,output\n" + "".join(f"stego{k}.png,found{k}.txt\n" for k in range(3))
    )
    return tmp_path


def run(*arguments):
    done = CliRunner().invoke(app, [*arguments, "--passphrase-file", "key.txt", "--json"])
    return done.exit_code, json.loads(done.stdout)


def test_a_cluster_does_the_rows_and_keeps_the_journal(listed, monkeypatch):
    ray = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", ray)
    code, told = run("embed-many", "list.csv", "--codec", "file", "--cluster")
    assert (code, told["done"], ray.most) == (0, 3, 2)
    assert ray.calls == ["init", "shutdown"]
    # Without a cluster, the journal says that nothing is left.
    code, told = run("embed-many", "list.csv", "--codec", "file")
    assert (code, told["skipped"]) == (0, 3)
    code, told = run("extract-many", "back.csv", "--cluster")
    assert (code, told["done"]) == (0, 3)
    assert {(listed / f"found{k}.txt").read_text() for k in range(3)} == {"a secret"}


def test_what_is_lost_with_a_machine_is_repeated_by_the_next_run(listed, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", FakeRay(lost={2}))
    code, told = run("embed-many", "list.csv", "--codec", "file", "--cluster")
    assert code != 0
    assert [row["status"] for row in told["rows"]] == ["done", "failed", "done"]
    assert told["rows"][1]["error"]["name"] == "ProcessError"
    monkeypatch.setitem(sys.modules, "ray", FakeRay())
    code, told = run("embed-many", "list.csv", "--codec", "file", "--cluster")
    assert (code, told["done"], told["skipped"]) == (0, 1, 2)


def test_without_ray_the_extra_is_named(listed, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    code, told = run("embed-many", "list.csv", "--codec", "file", "--cluster")
    assert code != 0 and "deephide[cluster]" in told["error"]["hint"]
    assert not (listed / "stego0.png").exists()
