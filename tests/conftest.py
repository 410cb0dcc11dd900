import os

# Workers share the cores; each computes with one of them. Before torch is loaded.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import e2style_vectors
import machine
import pytest

# What a person or a CI runner may have set and what changes the output that tests look at.
_PERSONAL = (
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "COLUMNS",
    "DEEPHIDE_BACKEND",
    "DEEPHIDE_MODEL_DIR",
    "DEEPHIDE_PASSPHRASE",
    "FORCE_COLOR",
    "LINES",
    "NO_COLOR",
    "PYTHONIOENCODING",
    "PYTHONWARNINGS",
    "SOURCE_DATE_EPOCH",
    "TTY_COMPATIBLE",
    "TTY_INTERACTIVE",
)


def pytest_configure():
    """Start every test, and every process that it starts, from the same settings."""
    for name in _PERSONAL:
        os.environ.pop(name, None)
    os.environ["TERM"] = "xterm"


def pytest_report_header():
    return machine.describe()


def pytest_terminal_summary(terminalreporter, config):
    """Say it where `-q` leaves the header out, too."""
    if config.get_verbosity() < 0:
        for line in machine.describe():
            terminalreporter.write_line(line)


def pytest_collection_modifyitems(items):
    """Keep the users of one large file in one worker: it is made once, and read once at a time."""
    for item in items:
        if "official_file" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("official_file"))


@pytest.fixture(scope="session")
def official_file(tmp_path_factory):
    """A full-size two-stage checkpoint in the official format, about 1 GB; deleted at the end."""
    import torch

    if not e2style_vectors.VECTORS.is_dir():
        pytest.skip(f"no vectors at {e2style_vectors.VECTORS}")
    path = tmp_path_factory.mktemp("official") / "e2style_inversion.pt"
    content = {
        "state_dict": e2style_vectors.filled("e2style_2stage"),
        "opts": {"training_stage": 2, "start_from_latent_avg": True, "device": "cuda:0"},
        "latent_avg": torch.from_numpy(e2style_vectors.fill().latent_avg()),
    }
    torch.save(content, path)
    del content
    yield path
    path.unlink()
