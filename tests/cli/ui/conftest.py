import contextlib
import json
import threading
from http.client import HTTPConnection
from types import SimpleNamespace
from urllib.parse import urlsplit

import fake_model
import image_samples
import numpy as np
import pytest

from deephide.container import crypto

SECONDS = 120  # the machine may be busy with something else


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder with a face that the fake model paints well, photos, and what is no image."""
    folder = tmp_path_factory.mktemp("pictures")
    photo = image_samples.blocky_photo(np.random.default_rng(11), 45, 60)
    photo.save(folder / "holiday.png")
    photo.save(folder / "beach.jpeg", quality=90)
    image_samples.smooth_face().save(folder / "face.png")
    (folder / "letter.txt").write_text("meet me at the usual place\n")
    return folder


@contextlib.contextmanager
def running(model):
    """Serve the page from a thread of this process."""
    from cli.ui.guard import Address
    from cli.ui.server import listen, make_server

    noticed = []
    with listen() as listening:
        address = Address(listening.getsockname()[1])
        server = make_server(address, noticed.append, model)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield SimpleNamespace(address=address, url=address.url, noticed=noticed, server=server)
        finally:
            server.should_exit = True
            thread.join(SECONDS)
            assert not thread.is_alive()


@pytest.fixture
def running_server(quick_keys):
    return running


@pytest.fixture(scope="module")
def quick_keys():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crypto, "ARGON2_MEMORY_KIB", 32)
        patch.setattr(crypto, "ARGON2_ITERATIONS", 1)
        patch.setattr("stc.is_compiled", lambda: True)
        yield


class GatedModel:
    """The fake model, which inverts only while its gate is open."""

    def __init__(self, model):
        self._model = model
        self.gate = threading.Event()
        self.gate.set()

    def __getattr__(self, name):
        return getattr(self._model, name)

    def invert(self, images):
        assert self.gate.wait(SECONDS)
        return self._model.invert(images)


@pytest.fixture(scope="module")
def model():
    return GatedModel(fake_model.FakeModel())


@pytest.fixture(scope="module")
def served(model, quick_keys):
    pytest.importorskip("starlette", reason="the extra ui is not installed")
    pytest.importorskip("uvicorn", reason="the extra ui is not installed")
    with running(model) as found:
        yield found


@pytest.fixture
def ask(served):
    """Send one request as the page would; headers and host can be overruled."""

    def call(path, body=None, method=None, headers=(), base=None):
        parts = urlsplit(served.url)
        wanted = {"Origin": f"http://{parts.netloc}"} if body is not None else {}
        wanted.update(headers)
        connection = HTTPConnection(parts.hostname, parts.port, timeout=SECONDS)
        data = json.dumps(body) if isinstance(body, dict | list) else body
        where = (parts.path if base is None else base) + path
        connection.request(method or ("GET" if body is None else "POST"), where, data, wanted)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        lines = None
        if answer.getheader("Content-Type", "").startswith("application/x-ndjson"):
            lines = [json.loads(line) for line in content.splitlines()]
        return SimpleNamespace(
            status=answer.status, headers=answer.headers, content=content, lines=lines
        )

    return call
