"""Fuzzing of one parser with coverage feedback (atheris, the libFuzzer engine).

    python benchmarks/fuzz.py image --minutes 30 --json image.json

The doors are the classes of `tests/fuzz/targets.py`.  A run ends after the given processor time
or number of executions, whichever comes first, so that a busy machine takes nothing from it; after
a finding it goes on with the rest of the time.  A finding is an exception that no caller is
promised, a wrong success, a crash, an input that takes longer than 20 seconds, or a process beyond
the bound on memory.  Inputs that did so are kept in `--artifacts`; each belongs into
`tests/fuzz/regressions/<target>/` together with its fix.

Needs `pip install 'deephide[fuzz]'`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REGRESSIONS = ROOT / "tests" / "fuzz" / "regressions"
LONGEST_SECONDS = 20
MAX_FINDINGS = 20


def load_targets():
    spec = importlib.util.spec_from_file_location("targets", ROOT / "tests" / "fuzz" / "targets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def child(name, seconds, arguments):
    """Hand the process over to libFuzzer, which ends it unless its processor time is over first."""
    import atheris

    kind = load_targets().TARGETS[name]
    if kind.interpreted:
        os.environ["NUMBA_DISABLE_JIT"] = "1"
    # What is compiled cannot be instrumented.
    skipped = (
        []
        if kind.interpreted
        else ["deephide.formats.jpeg.reading", "deephide.formats.jpeg.writing"]
    )
    with atheris.instrument_imports(include=list(kind.instrument), exclude=skipped):
        target = load_targets().TARGETS[name]()
        for seed in target.seeds()[:1]:  # imports that are made late are made now
            target.run(seed)
    done = 0

    def run(data):
        nonlocal done
        target.run(data)
        done += 1
        if time.process_time() > seconds:
            target.folder.cleanup()
            os.write(2, f"stat::number_of_executed_units: {done}\n".encode())
            os._exit(0)

    atheris.Setup([sys.argv[0], *arguments], run)
    atheris.Fuzz()


def write_corpus(name, folder):
    target = load_targets().TARGETS[name]()
    for index, seed in enumerate(target.seeds()):
        (folder / f"seed-{index:03d}").write_bytes(seed)
    for path in sorted((REGRESSIONS / name).glob("*")):
        (folder / f"regression-{path.name}").write_bytes(path.read_bytes())


def one_run(name, corpus, artifacts, seconds, executions, max_len, bound):
    """Run the fuzzer until it ends or finds something; return what it did."""
    command = [
        sys.executable, __file__, name, "--child",
        str(seconds), str(corpus), f"-runs={executions}",
        f"-timeout={LONGEST_SECONDS}", f"-rss_limit_mb={bound}", f"-max_len={max_len}",
        f"-artifact_prefix={artifacts}/", "-print_final_stats=1", "-verbosity=1",
    ]  # fmt: skip
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stderr=log, stdout=subprocess.DEVNULL, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        text = log.read().decode("utf-8", "replace")

    def last(pattern):
        found = re.findall(pattern, text)
        return int(found[-1]) if found else 0

    return {
        "status": process.returncode,
        "executions": last(r"stat::number_of_executed_units:\s+(\d+)") or last(r"#(\d+)\t"),
        "coverage": last(r"cov: (\d+)"),
        "features": last(r"ft: (\d+)"),
        "corpus": last(r"corp: (\d+)"),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mb": round(usage.ru_maxrss / 1024),
        "tail": text[-4000:],
    }


def campaign(options):
    target = load_targets().TARGETS[options.target]
    bound = target.memory_mb
    artifacts = Path(options.artifacts) / options.target
    artifacts.mkdir(parents=True, exist_ok=True)
    report = {
        "target": options.target, "executions": 0, "cpu_seconds": 0.0, "peak_mb": 0,
        "bound_mb": bound, "findings": [],
    }  # fmt: skip
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(options.corpus or folder)
        corpus.mkdir(parents=True, exist_ok=True)
        write_corpus(options.target, corpus)
        while len(report["findings"]) < MAX_FINDINGS:
            seconds = 60 * options.minutes - report["cpu_seconds"]
            left = min(options.executions - report["executions"], target.executions)
            if seconds < 1 or left < 1:
                break
            done = one_run(options.target, corpus, artifacts, seconds, left, options.max_len, bound)
            for key in ("executions", "cpu_seconds"):
                report[key] = round(report[key] + done[key], 1)
            report["peak_mb"] = max(report["peak_mb"], done["peak_mb"])
            report |= {key: done[key] for key in ("coverage", "features", "corpus")}
            if done["status"] == 0:
                continue
            report["findings"].append({"status": done["status"], "tail": done["tail"]})
            print(done["tail"], file=sys.stderr)
            if not done["executions"]:
                break  # it did not even start
    report["wall_seconds"] = round(time.monotonic() - start, 1)
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("target", choices=sorted(load_targets().TARGETS))
    parser.add_argument("--minutes", type=float, default=30.0, help="of processor time")
    parser.add_argument("--executions", type=int, default=10_000_000)
    parser.add_argument("--max-len", type=int, default=65536, metavar="BYTES")
    parser.add_argument("--corpus", help="folder to keep the corpus in; none keeps nothing")
    parser.add_argument(
        "--artifacts", default="fuzz-artifacts", help="folder for inputs that failed"
    )
    parser.add_argument("--json", metavar="PATH", help="write the report here too")
    options = parser.parse_args()
    report = campaign(options)
    text = json.dumps(report, indent=1)
    if options.json:
        Path(options.json).write_text(text + "\n", encoding="utf-8")
    short = {**report, "findings": len(report["findings"])}
    print(json.dumps(short))
    return 1 if report["findings"] else 0


if __name__ == "__main__":
    if "--child" in sys.argv[2:3]:
        child(sys.argv[1], float(sys.argv[3]), sys.argv[4:])
    else:
        sys.exit(main())
