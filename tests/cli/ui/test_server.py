"""Answers of the server of the page, and to whom, without a browser."""

import io
import json
import logging
import queue
import re
import socket
import threading
from pathlib import Path

import image_samples
import numpy as np
import pytest
from files import files_in
from PIL import Image

import deephide
from cli.ui import connections, work
from cli.ui.files import Files
from cli.ui.guard import Address
from cli.ui.jobs import MAX_JOBS
from cli.ui.words import plainly
from deephide.errors import DeephideError
from deephide.formats import files as file_reading

SECONDS = 120  # the machine may be busy with something else


def upload(ask, role, path):
    return ask(f"look/{role}", path.read_bytes()).lines[-1]["result"]


@pytest.fixture
def order(ask, pictures):
    """What it takes to hide the face in the photo."""
    return {
        "secret": upload(ask, "secret", pictures / "face.png")["file"],
        "carrier": upload(ask, "carrier", pictures / "holiday.png")["file"],
        "passphrase": "correct horse",
        "again": "correct horse",
    }


def test_it_listens_on_the_loopback_interface_alone(served):
    port = served.address.port
    outside = {found[4][0] for found in socket.getaddrinfo(socket.gethostname(), port)}
    for address in outside - {"127.0.0.1", "::1"}:
        with pytest.raises(OSError):
            socket.create_connection((address, port), timeout=5).close()


def test_every_start_has_another_address():
    one, other = Address(8000), Address(8000)
    assert len({one.token, other.token, one.ticket, other.ticket}) == 4
    assert len(one.token) >= 43  # 256 bits
    assert one.token not in repr(one) and one.ticket not in repr(one)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 200),
        ("localhost:{port}", 200),
        ("evil.example:{port}", 403),
        ("evil.example", 403),
        ("127.0.0.1", 403),
        ("127.0.0.1.evil.example:{port}", 403),
        ("[::1]:{port}", 403),
        ("", 403),
    ],
)
def test_a_rebound_name_is_refused(ask, served, host, status):
    assert ask("", headers={"Host": host.format(port=served.address.port)}).status == status


@pytest.mark.parametrize(
    "base",
    ["/", "/files/x", "/page.js", "/{wrong}/", "/{short}/", "/{token}", "//{token}/", "/%C3%A9/"],
)
def test_without_the_token_there_is_nothing(ask, served, base):
    token = served.address.token
    answer = ask("", base=base.format(token=token, wrong=token[::-1], short=token[:-1]))
    assert answer.status == 404 and token.encode() not in answer.content


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_pages_cannot_send(ask, served, headers):
    assert ask("forget", [], headers=headers).status == 403
    assert ask("quit", b"", headers=headers).status == 403
    assert not served.server.should_exit


def test_what_sends_must_say_where_it_comes_from(ask):
    assert ask("forget", method="POST").status == 403
    assert ask("forget", []).status == 204


def test_other_pages_cannot_read(ask):
    assert ask("page.js", headers={"Sec-Fetch-Site": "cross-site"}).status == 403
    assert ask("page.js", headers={"Sec-Fetch-Site": "same-origin"}).status == 200
    assert ask("", headers={"Sec-Fetch-Site": "none"}).status == 200


def test_the_address_for_a_browser_works_once(ask, served):
    path = "/" + served.address.ticket
    assert ask("", base=path, headers={"Host": "evil.example"}).status == 403
    # A file has no origin: a browser calls what it leads to cross-site.
    answer = ask("", base=path, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/html")
    assert f"url=/{served.address.token}/".encode() in answer.content
    assert ask("", base=path).status == 404
    assert ask("", base="/" + served.address.ticket, method="HEAD").status == 404


@pytest.mark.parametrize("path", ["", "page.js", "page.css", "icon.svg", "nothing", "../"])
def test_every_answer_has_the_headers_that_shut_others_out(ask, path):
    for answer in (ask(path), ask(path, headers={"Host": "evil.example"})):
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy
        assert "http" not in policy and "*" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Server" not in answer.headers


def test_a_face_goes_in_and_comes_out(ask, order, pictures, model):
    lines = ask("embed", order).lines
    stages = [line["stage"] for line in lines[:-1]]
    assert stages == ["starting", *deephide.STAGES]
    result = lines[-1]["result"]
    assert result["codec"] == "latent" and result["suffix"] == ".png"
    assert 0 < result["changes"] < result["elements"] == 180 * 240 * 3
    stego = ask(f"files/{result['stego']}")
    assert stego.headers["Content-Disposition"] == "attachment"
    uploaded = ask("look/stego", stego.content).lines[-1]["result"]
    lines = ask("extract", {"stego": uploaded["file"], "passphrase": "correct horse"}).lines
    found = lines[-1]["result"]
    expected = deephide.extract(stego.content, "correct horse", model).file
    assert ask(f"files/{found['found']}").content == expected


@pytest.mark.parametrize(
    ("kind", "suffix"), [("PNG", ".png"), ("JPEG", ".jpg"), ("BMP", ".png"), ("TIFF", ".png")]
)
def test_every_kind_of_carrier_will_do(ask, order, pictures, kind, suffix):
    stream = io.BytesIO()
    with Image.open(pictures / "holiday.png") as photo:
        photo.save(stream, kind)
    carrier = ask("look/carrier", stream.getvalue()).lines[-1]["result"]
    assert (carrier["width"], carrier["height"]) == (240, 180) and carrier["safe_bytes"] > 0
    result = ask("embed", {**order, "carrier": carrier["file"]}).lines[-1]["result"]
    assert result["suffix"] == suffix
    stego = ask(f"files/{result['stego']}").content
    assert ask("look/stego", stego).lines[-1]["result"]["width"] == 240


def test_what_was_secret_never_reaches_a_disk(ask, order, monkeypatch, tmp_path):
    """The only file is the stego, in a folder of its owner that is gone afterwards."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    seen = []
    original = deephide.pipeline.verify

    def look(job, written):
        (folder,) = tmp_path.iterdir()
        seen.append((folder.stat().st_mode & 0o777, [path.name for path in folder.iterdir()]))
        original(job, written)

    monkeypatch.setattr("deephide.pipeline.verify", look)
    assert "result" in ask("embed", order).lines[-1]
    ((mode, names),) = seen
    assert mode == 0o700 and len(names) <= 1  # none, where a file needs no name
    assert not list(tmp_path.iterdir())


def test_a_preview_is_what_is_sent(ask, order, model):
    asked = {"secret": order["secret"], "safe_bytes": 4096}
    usual = ask("preview", asked).lines[-1]["result"]
    assert usual["codec"] == "latent" and usual["takes"] == usual["sizes"][usual["step"] - 1]
    assert list(usual["sizes"]) == sorted(usual["sizes"])
    assert usual["reason"].startswith("It travels as a face")
    for step in (1, len(usual["sizes"])):
        shown = ask("preview", {**asked, "step": step}).lines[-1]["result"]
        result = ask("embed", {**order, **shown["options"]}).lines[-1]["result"]
        assert shown["step"] == step and result["payload_bits"] == 8 * shown["takes"]
        seen = [ask(f"files/{each['picture']}").content for each in (shown, result["preview"])]
        assert seen[0] == seen[1]


def test_a_small_picture_has_steps_in_bytes(ask, order):
    asked = {"secret": order["secret"], "codec": "image", "safe_bytes": 700}
    usual = ask("preview", asked).lines[-1]["result"]
    assert usual["sizes"][usual["step"] - 1] == 700 >= usual["takes"]
    assert usual["options"] == {"codec": "image", "budget": 700}
    less = ask("preview", {**asked, "step": 1}).lines[-1]["result"]
    assert less["takes"] <= 200
    result = ask("embed", {**order, **less["options"]}).lines[-1]["result"]
    assert result["payload_bits"] == 8 * less["takes"]


def test_a_square_is_cut_out_before_anything_else(ask, order, pictures):
    whole = upload(ask, "secret", pictures / "holiday.png")
    asked = {"secret": whole["file"], "codec": "image", "safe_bytes": 1000}
    shown = ask("preview", {**asked, "square": "100 90 80 10"}).lines[-1]["result"]
    assert shown["cut"]["width"] == shown["cut"]["height"] == 80
    sent = {**order, "secret": whole["file"], "square": "100 90 80 10", **shown["options"]}
    result = ask("embed", sent).lines[-1]["result"]
    assert result["cut"]["width"] == 80 and result["payload_bits"] == 8 * shown["takes"]
    for wrong in ("100 90 80", "a b c d", "nan 1 80 0", "100 90 10 0", "-1 90 80 0", "9 9 1e9 0"):
        error = ask("preview", {**asked, "square": wrong}).lines[-1]["error"]
        assert error["name"] == "InputImageError" and "square" in error["message"]


def test_faces_are_where_the_detector_finds_them(ask):
    found = ask("look/secret", ask("samples/face.jpg").content).lines[-1]["result"]
    (face,) = found["faces"]
    assert 150 < face["x"] < 300 and 50 < face["y"] < 200 and 90 < face["side"] < 250


def test_several_photos_share_a_secret(ask, order, pictures, model):
    other = upload(ask, "carrier", pictures / "beach.jpeg")["file"]
    asked = {**order, "carrier": f"{order['carrier']} {other}", "needed": 2}
    found = ask("embed", asked).lines[-1]["result"]["photos"]
    assert [each["suffix"] for each in found] == [".png", ".jpg"]
    stegos = [ask(f"files/{each['stego']}").content for each in found]
    expected = deephide.extract(stegos, "correct horse", model).file
    names = [ask("look/stego", each).lines[-1]["result"]["file"] for each in stegos]
    got = {"stego": " ".join(names), "passphrase": "correct horse"}
    result = ask("extract", got).lines[-1]["result"]
    assert ask(f"files/{result['found']}").content == expected
    error = ask("extract", {**got, "stego": names[0]}).lines[-1]["error"]
    assert error["name"] == "IncompleteError"


def test_a_key_file_is_needed_besides_the_passphrase(ask, order):
    key = ask("look/key", bytes(range(64))).lines[-1]["result"]["file"]
    result = ask("embed", {**order, "key_file": key}).lines[-1]["result"]
    stego = ask("look/stego", ask(f"files/{result['stego']}").content).lines[-1]["result"]["file"]
    asked = {"stego": stego, "passphrase": "correct horse"}
    assert ask("extract", asked).lines[-1]["error"]["name"] == "ExtractionError"
    assert "result" in ask("extract", {**asked, "key_file": key}).lines[-1]


def test_the_owner_of_a_public_key_needs_no_passphrase(ask, order, tmp_path):
    public = deephide.keygen(tmp_path / "identity.txt")
    asked = {**order, "passphrase": "", "again": "", "recipients": public}
    result = ask("embed", asked).lines[-1]["result"]
    assert not any("passphrase" in text for text in result["warnings"])
    stego = ask("look/stego", ask(f"files/{result['stego']}").content).lines[-1]["result"]["file"]
    identity = upload(ask, "key", tmp_path / "identity.txt")["file"]
    assert "result" in ask("extract", {"stego": stego, "identity": identity}).lines[-1]
    assert ask("extract", {"stego": stego}).lines[-1]["error"]["name"] == "ExtractionError"
    both = ask("embed", {**order, "recipients": public}).lines[-1]["error"]
    assert both["name"] == "PassphraseError"


def test_a_passphrase_is_made_up(ask):
    made = [json.loads(ask("passphrase", b"").content)["passphrase"] for _ in range(2)]
    assert made[0] != made[1] and all(
        re.fullmatch(r"[a-z]{5}(-[a-z]{5}){4}", each) for each in made
    )


def test_reasons_have_no_decibels():
    for codec, reason, said in (
        ("latent", "codec latent, quality 7 of 12: the model reconstructs the face at 24.3 dB", ""),
        ("image", "codec image, because the secret is not square (8 x 9), and of a face only the "
         "central square would travel: WebP", "because it is not square"),
        ("image", "codec image, because the face's code takes 400 bytes, and 90 are safe here or "
         "allowed: WebP", "a face takes 400 bytes, and 90 are safe here"),
        ("image", "codec image", "It travels as a small picture."),
    ):  # fmt: skip
        found = plainly(codec, reason)
        assert said in found and " dB" not in found and "codec" not in found


def test_a_failure_leaves_no_file(ask, order, monkeypatch, tmp_path, served):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def fail(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr("deephide.pipeline.verify", fail)
    error = ask("embed", order).lines[-1]["error"]
    assert error["code"] == 1 and error["message"] == "unexpected RuntimeError: a bug"
    assert not list(tmp_path.iterdir())
    assert isinstance(served.noticed[-1], RuntimeError)


def test_errors_are_those_of_the_commands(ask, order, pictures):
    stego = upload(ask, "stego", pictures / "holiday.png")["file"]
    error = ask("extract", {"stego": stego, "passphrase": "wrong"}).lines[-1]["error"]
    expected = deephide.ExtractionError()
    assert error["code"] == 5 and error["name"] == "ExtractionError"
    assert (error["message"], error["hint"]) == (expected.message, expected.hint)
    error = ask("embed", {**order, "again": "other"}).lines[-1]["error"]
    assert (error["code"], error["message"]) == (9, "the two passphrases differ")
    error = ask("look/carrier", b"no picture").lines[-1]["error"]
    assert error["code"] == 3 and "the carrier is not an image" in error["message"]
    error = ask("look/secret", b"").lines[-1]["error"]
    assert error["message"] == "the secret is an empty file"


def test_without_a_passphrase_there_is_a_warning(ask, order):
    result = ask("embed", {**order, "passphrase": "", "again": ""}).lines[-1]["result"]
    assert "no passphrase is set: anyone who has the model" in result["warnings"][0]
    assert "no passphrase" not in " ".join(ask("embed", order).lines[-1]["result"]["warnings"])


@pytest.mark.parametrize(
    ("role", "word"), [("secret", "secret"), ("carrier", "carrier"), ("file", "secret")]
)
def test_uploads_have_the_limits_of_the_commands(ask, monkeypatch, role, word):
    assert work.limit_of("carrier") == file_reading.MAX_FILE_BYTES
    monkeypatch.setattr("deephide.formats.files.MAX_FILE_BYTES", 1000)
    monkeypatch.setattr("deephide.codecs.file.MAX_FILE_BYTES", 1000)
    error = ask(f"look/{role}", bytes(1001)).lines[-1]["error"]
    assert error["message"] == f"the {word} is a file of 1001 bytes, at most 1000 are allowed"
    assert error["code"] == 3


@pytest.mark.parametrize(
    "body",
    [
        b"no json",
        [],
        {},
        {"stego": 1},
        {"stego": "a", "more": "b"},
        {"stego": "a", "passphrase": None},
        {"stego": ["a"]},
        b"[" * 100_000,
        b'{"stego":' * 10_000,
    ],
)
def test_what_the_page_never_sends_is_refused(ask, body):
    assert ask("extract", body).status == 400
    assert ask("forget", {"a": "b"}).status == 400
    assert ask("forget", [1]).status == 400
    assert ask("forget", b"[" * 60_000 + b"]" * 60_000).status == 400
    assert ask("look/other", b"x").status == 404
    assert ask("embed").status == 405


def test_orders_have_a_limit(ask):
    assert ask("extract", {"stego": "a", "passphrase": "b" * (1 << 17)}).status == 413


def test_forgotten_files_are_gone(ask, order):
    assert ask(f"files/{order['carrier']}").status == 200
    assert ask("forget", [order["carrier"], "unknown"]).status == 204
    assert ask(f"files/{order['carrier']}").status == 404
    error = ask("embed", order).lines[-1]["error"]
    assert error["message"] == "the file is no longer held here" and error["hint"]


def test_the_oldest_files_make_room():
    files = Files(max_bytes=10)
    names = [files.put(bytes(4)) for _ in range(3)]
    with pytest.raises(DeephideError, match="no longer held"):
        files.get(names[0])
    assert [len(files.get(name).data) for name in names[1:]] == [4, 4]
    huge = files.put(bytes(20))
    assert len(files.get(huge).data) == 20
    with pytest.raises(DeephideError):
        files.get(names[2])


def test_a_hidden_page_is_a_download_and_never_shown(ask, order, pictures):
    body = b"<!doctype html><script>fetch('quit', {method: 'POST'})</script>"
    secret = ask("look/file", body).lines[-1]["result"]["file"]
    result = ask("embed", {**order, "secret": secret, "codec": "file"}).lines[-1]["result"]
    assert result["preview"] is None
    stego = ask("look/stego", ask(f"files/{result['stego']}").content).lines[-1]["result"]["file"]
    found = ask("extract", {"stego": stego, "passphrase": "correct horse"}).lines[-1]["result"]
    assert found["shown"] is None and found["codec"] == "file"
    answer = ask(f"files/{found['found']}")
    assert answer.content == body
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == "attachment"


@pytest.mark.parametrize(
    ("name", "found_name", "save_as"),
    [
        ("plän & more.html", "plän & more.html", "plän & more.html"),
        ("C:\\fakepath\\..", None, "secret.txt"),
        ("", None, "secret.txt"),
    ],
)
def test_issue_16_the_name_of_a_hidden_file_travels(ask, order, name, found_name, save_as):
    secret = ask("look/file", b"at noon").lines[-1]["result"]["file"]
    asked = {**order, "secret": secret, "codec": "file", "name": name}
    result = ask("embed", asked).lines[-1]["result"]
    stego = ask("look/stego", ask(f"files/{result['stego']}").content).lines[-1]["result"]["file"]
    found = ask("extract", {"stego": stego, "passphrase": "correct horse"}).lines[-1]["result"]
    assert (found["name"], found["save_as"]) == (found_name, save_as)


def test_a_photo_that_will_be_compressed(ask, order, tmp_path):
    rng = np.random.default_rng(5)
    image_samples.blocky_photo(rng, 90, 120).resize((480, 360)).save(tmp_path / "scene.png")
    carrier = upload(ask, "carrier", tmp_path / "scene.png")["file"]
    secret = ask("look/file", b"at noon").lines[-1]["result"]["file"]
    asked = {**order, "secret": secret, "carrier": carrier, "codec": "file", "channel": "any"}
    result = ask("embed", asked).lines[-1]["result"]
    assert result["suffix"] == ".jpg"
    assert result["survived"] >= 52
    assert result["detector_error"] is None
    stream = io.BytesIO()
    Image.open(io.BytesIO(ask(f"files/{result['stego']}").content)).save(
        stream, "WEBP", lossless=True
    )
    back = ask("look/stego", stream.getvalue()).lines[-1]["result"]["file"]
    found = ask("extract", {"stego": back, "passphrase": "correct horse"}).lines[-1]["result"]
    assert ask(f"files/{found['found']}").content == b"at noon"


def test_one_job_at_a_time_and_few_that_wait(ask, order, model):
    model.gate.clear()
    answers = queue.Queue()

    def send():
        answers.put(ask("embed", order).lines)

    threads = [threading.Thread(target=send) for _ in range(MAX_JOBS + 1)]
    try:
        for thread in threads:
            thread.start()
        # The one that is too many has its answer before the first has begun to invert.
        (refused,) = answers.get(timeout=SECONDS)
        assert refused["error"]["message"] == "too much is waiting already"
        assert answers.empty()
    finally:
        model.gate.set()
        for thread in threads:
            thread.join()
    served = [answers.get_nowait() for _ in range(MAX_JOBS)]
    assert all("result" in lines[-1] for lines in served)
    assert sum({"stage": "waiting"} in lines for lines in served) == MAX_JOBS - 1


def test_nothing_secret_is_logged(ask, order, caplog, capfd, served):
    with caplog.at_level(logging.DEBUG):
        result = ask("embed", order).lines[-1]["result"]
        stego = ask("look/stego", ask(f"files/{result['stego']}").content).lines[-1]["result"]
        ask("extract", {"stego": stego["file"], "passphrase": "a wrong donkey"})
    written = caplog.text + "".join(capfd.readouterr())
    for secret in ("correct horse", "wrong donkey", served.address.token, order["secret"]):
        assert secret not in written


def half_open(served, count, head=b"GET / HTTP/1.1\r\nHost: x\r\n"):
    found = []
    for _ in range(count):
        found.append(socket.create_connection(("127.0.0.1", served.address.port), timeout=SECONDS))
        found[-1].sendall(head)
    return found


def is_dropped(connection):
    connection.settimeout(SECONDS)
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_issue_16_half_open_requests_do_not_stop_it(ask, served):
    begun = half_open(served, 320)
    try:
        assert ask("").status == 200
        assert len(served.server.server_state.connections) <= connections.MAX_CONNECTIONS
        assert is_dropped(begun[0])  # the oldest makes room
    finally:
        for each in begun:
            each.close()
    assert ask("").status == 200


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST /look/stego HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\nabc",
    ],
)
def test_what_comes_too_slowly_is_dropped(served, monkeypatch, head):
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.1)
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.1)
    (begun,) = half_open(served, 1, head)
    with begun:
        begun.settimeout(SECONDS)
        data = b"x"
        while data:  # an answer may come first
            try:
                data = begun.recv(1 << 16)
            except ConnectionError:
                break


def test_a_connection_that_was_kept_has_a_deadline_again(served, monkeypatch):
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.2)
    host = f"127.0.0.1:{served.address.port}"
    request = f"GET /{served.address.token}/ HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    (begun,) = half_open(served, 1, request)
    with begun:
        begun.settimeout(SECONDS)
        assert begun.recv(15) == b"HTTP/1.1 200 OK"
        begun.sendall(request[:20])
        while begun.recv(1 << 16):
            pass


def test_what_is_no_request_is_not_logged(served, capfd, caplog):
    for junk in (b"\x00\xff\r\n\r\n", b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n" * 9):
        (begun,) = half_open(served, 1, junk)
        begun.close()
    assert "".join(capfd.readouterr()) == ""
    assert not [each for each in caplog.records if each.name != "asyncio"]


def test_the_page_asks_for_nothing_outside():
    static = Path(work.__file__).parent / "static"
    for path in files_in(static, "*"):
        if path.suffix == ".jpg":
            continue
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "//" not in text.replace("// ", "").replace("/**", ""), path
        assert "innerHTML" not in text and "eval(" not in text
    page = (static / "page.html").read_text(encoding="utf-8")
    assert "style=" not in page and " onclick" not in page
    assert page.count("<script") == 1
