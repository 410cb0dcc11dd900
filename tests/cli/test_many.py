"""`deephide embed-many` and `extract-many`: lists, journals, processes."""

import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import processes
import pytest
from PIL import Image

import deephide
from cli import manifest
from deephide import pipeline
from deephide.container import crypto

ARGON2_MEMORY_KIB = crypto.ARGON2_MEMORY_KIB
SECRETS = {"a.txt": b"first", "b.txt": b"second and longer", "ü 写.txt": b"third"}
FILES = ("--codec", "file")


@pytest.fixture
def rows(folder):
    """Three secrets, and a list of what goes where."""
    (folder / "list").mkdir()
    found = []
    for number, (name, data) in enumerate(SECRETS.items()):
        (folder / "list" / name).write_bytes(data)
        found.append({"secret": name, "carrier": "../photo.png", "output": f"süß {number}.png"})
    return found


def write_list(rows, name="list/l.csv"):
    path = Path(name)
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, list({key: None for row in rows for key in row}))
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n\n" for row in rows))
    return str(path)


def statuses(done):
    return [row["status"] for row in json.loads(done.stdout)["rows"]]


def stegos():
    return [f"list/süß {number}.png" for number in range(len(SECRETS))]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "ndjson"])
def test_a_list_is_hidden_and_got_back(run, rows, kind):
    path = write_list(rows, f"list/l.{kind}")
    done = run("embed-many", path, *FILES, "--passphrase-file", "-", input="zebra")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines() == stegos()
    assert "deephide: 3 rows done, 0 done before, 0 failed" in done.stderr
    back = [{"stego": f"süß {n}.png", "output": f"back {n}"} for n in range(3)]
    path = write_list(back, f"list/back.{kind}")
    done = run("extract-many", path, "--passphrase-file", "-", input="zebra")
    assert done.exit_code == 0, done.stderr
    found = [Path(f"list/back {n}").read_bytes() for n in range(3)]
    assert found == list(SECRETS.values())
    # Finished rows are skipped there too, unless the secret was taken away.
    os.remove("list/back 1")
    done = run("extract-many", path, "--passphrase-file", "-", "--json", input="zebra")
    assert statuses(done) == ["skipped", "done", "skipped"]


def test_what_is_done_is_verified_and_skipped(run, rows):
    path = write_list(rows)
    many = ("embed-many", path, *FILES, "--json")
    first = run(*many)
    assert statuses(first) == ["done"] * 3
    before = [Path(stego).read_bytes() for stego in stegos()]
    second = run(*many)
    assert second.exit_code == 0 and statuses(second) == ["skipped"] * 3
    reports = [
        [row["report"] for row in json.loads(each.stdout)["rows"]] for each in (first, second)
    ]
    assert reports[0] == reports[1]
    assert [Path(stego).read_bytes() for stego in stegos()] == before

    os.remove(stegos()[1])
    assert statuses(run(*many)) == ["skipped", "done", "skipped"]

    Path(stegos()[0]).write_bytes(b"altered")
    done = run(*many)
    assert done.exit_code == 8 and statuses(done) == ["failed", "skipped", "skipped"]
    assert Path(stegos()[0]).read_bytes() == b"altered"
    done = run(*many, "--force")
    assert done.exit_code == 0 and statuses(done) == ["done"] * 3
    # With other settings they are other rows, whose outputs are there already.
    assert statuses(run(*many, "--pad")) == ["failed"] * 3


def test_the_journal_is_private_and_knows_no_passphrase(run, rows):
    path = write_list(rows)
    assert run("embed-many", path, *FILES, "--passphrase-file", "-", input="zebra").exit_code == 0
    journal = Path(f"{path}.journal")
    assert journal.stat().st_mode & 0o777 == 0o600
    text = journal.read_text()
    assert "zebra" not in text and "first" not in text


def test_a_torn_journal_forgets_one_row_alone(run, rows):
    path = write_list(rows)
    many = ("embed-many", path, *FILES, "--json")
    assert run(*many).exit_code == 0
    journal = Path(f"{path}.journal")
    journal.write_text(journal.read_text()[:-30])
    # What the torn line spoke of was begun and not noted as done: it is ours to replace.
    assert statuses(run(*many)) == ["skipped", "skipped", "done"]
    assert statuses(run(*many)) == ["skipped"] * 3


def test_rows_fail_alone_and_are_repeated(run, rows):
    rows[1] |= {"secret": "missing.txt"}
    rows[2] |= {"carrier": "a.txt"}
    rows.append(rows[0] | {"output": "nowhere/x.png"})
    path = write_list(rows)
    many = ("embed-many", path, *FILES)
    done = run(*many)
    assert done.exit_code == 3 and done.stdout.splitlines() == stegos()[:1]
    lines = done.stderr.splitlines()
    assert "deephide: error: row 2: the secret does not exist: list/missing.txt" in lines
    assert any(
        line.startswith("deephide: error: row 3: the carrier is not an image") for line in lines
    )
    assert "deephide: error: row 4: the folder list/nowhere does not exist" in lines
    assert "deephide: error: 3 of 4 rows failed" in lines
    found = json.loads(run(*many, "--json").stdout)
    assert (found["done"], found["skipped"], found["failed"]) == (0, 1, 3)
    assert [row["error"] and row["error"]["code"] for row in found["rows"]] == [None, 3, 3, 8]
    assert found["error"]["code"] == 3 and found["ok"] is False

    Path("list/missing.txt").write_bytes(b"here now")
    os.mkdir("list/nowhere")
    assert statuses(run(*many, "--json")) == ["skipped", "done", "failed", "done"]


def test_a_bug_in_a_row_is_told_with_a_way_to_look_at_it(run, rows, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr(pipeline, "hide", fail)
    done = run("embed-many", write_list(rows[:1]), *FILES)
    assert done.exit_code == 1
    assert "deephide: error: row 1: unexpected RuntimeError: first line\n" in done.stderr
    assert "with the files of this row and --debug" in done.stderr


def test_what_somebody_put_in_the_place_of_a_failed_row_stays(run, rows):
    rows[0] |= {"secret": "missing.txt"}
    path = write_list(rows)
    assert run("embed-many", path, *FILES).exit_code == 3
    Path(stegos()[0]).write_bytes(b"precious")
    Path("list/missing.txt").write_bytes(b"here now")
    done = run("embed-many", path, *FILES)
    assert done.exit_code == 8 and Path(stegos()[0]).read_bytes() == b"precious"


def test_rows_may_have_keys_of_their_own(run, rows):
    done = run("keygen", "-o", "list/identity.txt")
    public = done.stdout.strip()
    Path("list/pass.txt").write_text("row's own\n")
    Path("list/key.bin").write_bytes(bytes(range(64)))
    keys = [{"passphrase_file": "pass.txt"}, {"recipients": public}, {"key_file": "key.bin"}]
    path = write_list([row | key for row, key in zip(rows, keys, strict=True)])
    done = run("embed-many", path, *FILES)
    assert done.exit_code == 0 and "no passphrase" not in done.stderr
    assert done.stderr.count("the passphrase is short") == 1  # that of the one row that has one
    back = [{"stego": f"süß {n}.png", "output": f"back {n}"} for n in range(3)]
    keys[1] = {"identity": "identity.txt"}
    path = write_list([row | key for row, key in zip(back, keys, strict=True)], "list/back.jsonl")
    # The keys of all are those of rows without any.
    done = run("extract-many", path, "--passphrase-file", "-", input="of nobody")
    assert done.exit_code == 0, done.stderr
    assert Path("list/back 1").read_bytes() == b"second and longer"
    Path("list/pass.txt").write_text("")
    done = run("extract-many", path, "--force", "--json")
    assert done.exit_code == 9 and statuses(done) == ["failed", "done", "done"]


def test_several_processes_give_what_one_gives(run, rows, monkeypatch):
    # The processes do not know of the quick key derivation that `run` puts in place.
    monkeypatch.setattr(crypto, "ARGON2_MEMORY_KIB", ARGON2_MEMORY_KIB)
    rows[1] |= {"secret": "missing.txt"}
    Path("pass.txt").write_text("zebra")
    both = []
    for jobs in (1, 2):
        path = write_list(
            [row | {"output": f"{jobs} {row['output']}"} for row in rows], f"list/{jobs}.csv"
        )
        key = ("--passphrase-file", "pass.txt")
        done = run("embed-many", path, *FILES, *key, "--jobs", jobs, "--json")
        found = json.loads(done.stdout)
        for row in found["rows"]:
            row["output"] = row["output"].replace(f"/{jobs} ", "/")
            if row["report"]:  # the salt decides which samples change
                assert row["report"].pop("psnr") > 60 and row["report"].pop("change_rate") < 0.1
        both.append((done.exit_code, found["rows"], found["error"], done.stderr))
        for name in ("süß 0.png", "süß 2.png"):
            back = deephide.extract(f"list/{jobs} {name}", "zebra")
            assert back.data in SECRETS.values()
    assert both[0] == both[1]


def rows_of_noise(count):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(1, 255, (300, 300, 3), dtype=np.uint8)).save("list/noise.png")
    return [{"secret": "a.txt", "carrier": "noise.png", "output": f"{n}.png"} for n in range(count)]


def wait_until_gone(group):
    """Wait for the last process of a group, which may be Python's own tracker of resources."""
    for _ in range(600):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError(f"processes of group {group} are left")


@pytest.mark.parametrize(
    ("number", "group"),
    [(signal.SIGINT, True), pytest.param(signal.SIGTERM, False, marks=pytest.mark.slow)],
)
def test_a_signal_ends_all_processes_and_the_same_command_goes_on(rows, number, group):
    path = write_list(rows_of_noise(6))
    root = os.path.dirname(os.path.dirname(deephide.__file__))
    code = "from cli.deephide_app import main; main()"
    command = [os.sys.executable, "-c", code, "embed-many", path, *FILES, "--jobs", "2"]
    place = {"env": {**os.environ, "PYTHONPATH": root}, "text": True, "start_new_session": True}
    process = processes.start(command, **place)
    journal = Path(f"{path}.journal")
    while not journal.exists() or journal.read_text().count('"done"') < 1:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    (os.killpg if group else os.kill)(process.pid, number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 128 + number and "Traceback" not in said
    wait_until_gone(process.pid)
    left = [name for name in os.listdir("list") if name.endswith(".part.png")]
    assert left == []
    there = journal.read_text().count('"done"')
    assert 1 <= there < 6
    done = subprocess.run([*command, "--json"], capture_output=True, check=False, **place)
    found = json.loads(done.stdout)
    assert done.returncode == 0, found
    assert found["skipped"] == there
    assert all(Path(f"list/{n}.png").exists() for n in range(6))


HEAD = "secret,carrier,output\n"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("l.txt", HEAD, "its name must end in one of .csv, .jsonl, .ndjson"),
        ("l.csv", "", "it has no rows"),
        ("l.csv", HEAD, "it has no rows"),
        ("l.csv", HEAD + "a,b\n", "row 1: 2 cells, the header has 3"),
        ("l.csv", HEAD + "a,b,c\n\na,,d\n", "row 2: there is no carrier"),
        ("l.csv", "secret,secret\n", "two columns of its header have the same name"),
        ("l.csv", "secret,carrier,output,key-fil\na,b,c,d\n", "is it meant to be 'key_file'?"),
        ("l.csv", "secret,carrier,output,Output\na,b,c,d\n", "column 'Output' is there twice"),
        ("l.csv", HEAD + '"a', "line 2 is no CSV"),
        ("l.csv", HEAD + "a,b,c\na,b,./c\n", "row 2: its output c is that of row 1, too"),
        ("l.csv", HEAD + "a,b,c\nc,b,d\n", "row 1: its output c is the secret of row 2"),
        ("l.csv", HEAD + "a,b,l.csv\n", "row 1: its output l.csv is the list itself"),
        ("l.csv", HEAD + "a,b,\0\n", "it has zero bytes"),
        ("l.csv", b"\xff\xfe" + HEAD.encode(), "it is not UTF-8 text"),
        ("l.jsonl", "[]", "row 1: not a JSON object on one line"),
        ("l.jsonl", "{", "row 1: not a JSON object on one line"),
        ("l.jsonl", '{"secret": 3, "carrier": "b", "output": "c"}', "secret: 3 is no file name"),
        ("l.jsonl", '{"secret": "\\u0000", "carrier": "b", "output": "c"}', "is no file name"),
        ("l.jsonl", '{"secret": "a", "carrier": "b", "output": "c", "recipients": [1]}', "texts"),
        (".", None, "its name must end in one of"),
        ("missing.csv", None, "missing.csv: cannot be read: no such file"),
        ("folder.csv", None, "folder.csv: cannot be read: is a directory"),
    ],
)
def test_bad_lists_are_refused_before_any_work(run, folder, name, text, said):
    if name == "folder.csv":
        os.mkdir(name)
    elif text is not None:
        Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    before = sorted(os.listdir())
    done = run("embed-many", name)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr.splitlines()[0] and done.stderr.count("error") == 1
    assert sorted(os.listdir()) == before


def test_a_journal_that_cannot_be_written_is_refused(run, rows):
    path = write_list(rows)
    os.mkdir(f"{path}.journal")
    done = run("embed-many", path, *FILES)
    assert done.exit_code == 8 and "l.csv.journal cannot be written: is a directory" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "secret;carrier;output\na.png;b.png;c.png\n",
        "\ufeffSecret;Carrier;Output;;\r\na.png;b.png;c.png;;\r\n",
        "\ufeffsep=;\r\nsecret;carrier;output\r\na.png;b.png;c.png\r\n",
        "secret\tcarrier\toutput\na.png\tb.png\tc.png\n",
        "note,secret,carrier,output,owner\nfirst; of all,a.png,b.png,c.png,jo\n",
        "secret,carrier,output\na.png,b.png,c.png,,\n",
    ],
)
def test_lists_may_be_as_spreadsheets_write_them(tmp_path, text):
    path = tmp_path / "list.csv"
    path.write_text(text, encoding="utf-8")
    (row,) = manifest.read_manifest(str(path), manifest.EMBED)
    names = {name: Path(value).name for name, value in row.files.items()}
    assert names == {"secret": "a.png", "carrier": "b.png", "output": "c.png"}


def test_a_column_of_keys_is_read_however_it_is_spelt(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("secret,carrier,output,Passphrase-File\na,b,c,k.txt\n", encoding="utf-8")
    (row,) = manifest.read_manifest(str(path), manifest.EMBED)
    assert row.has_keys and row.files["passphrase_file"].endswith("k.txt")
