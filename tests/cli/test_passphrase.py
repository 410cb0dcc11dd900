import os

import pytest

from cli import passphrase
from cli.passphrase import VARIABLE, Sources, read_passphrase
from deephide.container import spoken
from deephide.errors import PassphraseError

EMBED = ("embed", "--secret", "face.png", "--carrier", "photo.png")


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


def read(**sources):
    return read_passphrase(Sources(**sources), confirm=True)


def test_no_source_is_no_passphrase():
    assert read() is None


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"two words", "two words"),
        (b"two words\n", "two words"),
        (b"two words\r\n", "two words"),
        (b" kept \n", " kept "),
        ("größe\n".encode(), "größe"),
    ],
)
def test_one_line_ending_is_stripped(tmp_path, raw, text):
    (tmp_path / "key").write_bytes(raw)
    assert read(file=str(tmp_path / "key")) == text


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"one\ntwo\n", "more than one line"),
        (b"\xff", "not valid UTF-8"),
        ("\ufefftwo words\r\n".encode("utf-16-le"), "not valid UTF-8 text but UTF-16"),
        (b"x" * 70000, "longer than"),
    ],
)
def test_unusable_files_are_refused(tmp_path, raw, message):
    (tmp_path / "key").write_bytes(raw)
    with pytest.raises(PassphraseError, match=message):
        read(file=str(tmp_path / "key"))


def test_missing_files_and_closed_descriptors_are_refused(tmp_path):
    with pytest.raises(PassphraseError, match="no such file"):
        read(file=str(tmp_path / "none"))
    with pytest.raises(PassphraseError, match="bad file descriptor"):
        read(descriptor=999)


def test_a_descriptor_is_read_and_left_open():
    reader, writer = os.pipe()
    os.write(writer, b"from a pipe\n")
    os.close(writer)
    assert read(descriptor=reader) == "from a pipe"
    os.close(reader)


def test_the_variable_is_read_and_must_not_be_empty(monkeypatch):
    monkeypatch.setenv(VARIABLE, "from outside")
    assert read() == "from outside"
    monkeypatch.setenv(VARIABLE, "")
    with pytest.raises(PassphraseError, match="DEEPHIDE_PASSPHRASE is empty"):
        read()


@pytest.mark.parametrize(
    "sources", [{"file": "x", "descriptor": 3}, {"file": "x", "prompt": True}, {"variable": 1}]
)
def test_two_sources_are_refused(monkeypatch, sources):
    if sources.pop("variable", None):
        monkeypatch.setenv(VARIABLE, "x")
        sources = {"prompt": True}
    with pytest.raises(PassphraseError, match=r"two sources: .* and "):
        read(**sources)


def test_prompting_needs_a_terminal(run):
    done = run("extract", "photo.png", "-p")
    assert done.exit_code == 9
    assert "no terminal to ask" in done.stderr and "--passphrase-file" in done.stderr


def test_the_command_line_never_takes_a_value(run):
    assert run("extract", "photo.png", "--passphrase=secret").exit_code == 2


def test_a_key_file_opens_and_closes(run):
    with open("key", "wb") as stream:
        stream.write(bytes(range(64)))
    done = run(*EMBED, "--key-file", "key")
    assert done.exit_code == 0 and "no passphrase" not in done.stderr
    assert run("extract", "stego.png").exit_code == 5
    assert run("extract", "stego.png", "--key-file", "key").exit_code == 0
    with open("key", "wb") as stream:
        stream.write(bytes(31))
    done = run("extract", "stego.png", "--key-file", "key", "--force")
    assert done.exit_code == 9 and "only 31 bytes" in done.stderr


def test_key_file_and_passphrase_are_both_needed(run):
    with open("key", "wb") as stream:
        stream.write(bytes(range(64)))
    options = ("--key-file", "key", "--passphrase-file", "-")
    assert run(*EMBED, *options, input="two words\n").exit_code == 0
    for given in (options[:2], options[2:]):
        assert run("extract", "stego.png", *given, input="two words\n").exit_code == 5
    assert run("extract", "stego.png", *options, input="two words\n").exit_code == 0


def test_recipients_need_no_passphrase(run, run_json):
    done = run("keygen", "-o", "one.txt")
    public = done.stdout.strip()
    assert done.exit_code == 0 and public.startswith("deephide-pub-")
    assert "one.txt: keep it secret" in done.stderr
    _, found = run_json("keygen", "-o", "two.txt")
    assert run("keygen", "-o", "two.txt").exit_code == 8
    assert run("keygen").exit_code == 0 and os.path.exists("identity.txt")
    done = run(*EMBED, "--recipient", public, "--recipient", found["public_key"], "--pad")
    assert done.exit_code == 0 and "no passphrase" not in done.stderr
    for name in ("one.txt", "two.txt"):
        assert run("extract", "stego.png", "--identity", name, "--force").exit_code == 0
    assert run("extract", "stego.png", "--identity", "identity.txt", "--force").exit_code == 5
    assert run("extract", "stego.png", "--force").exit_code == 5
    assert run("extract", "stego.png", "--identity", "one.txt", "-o", "one.txt").exit_code == 8


@pytest.mark.parametrize("shared", [("--key-file", "key"), ("--passphrase-file", "-")])
def test_public_keys_exclude_shared_secrets(run, shared, monkeypatch):
    done = run(*EMBED, "--recipient", "deephide-pub-x", *shared, input="p\n")
    assert done.exit_code == 9 and f"two sources: --recipient and {shared[0]}" in done.stderr
    done = run("extract", "photo.png", "--identity", "me", *shared, input="p\n")
    assert done.exit_code == 9 and f"two sources: --identity and {shared[0]}" in done.stderr
    monkeypatch.setenv(VARIABLE, "p")
    assert run("extract", "photo.png", "--identity", "me").exit_code == 9


def test_a_recipient_that_is_no_key_is_refused(run):
    done = run(*EMBED, "--recipient", "deephide-pub-x")
    assert done.exit_code == 9 and "copied wrongly" in done.stderr
    assert not os.path.exists("stego.png")


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
@pytest.mark.parametrize(("mode", "warned"), [(0o600, 0), (0o400, 0), (0o640, 1), (0o644, 1)])
def test_issue_16_passphrase_files_that_others_can_read_are_named(tmp_path, caplog, mode, warned):
    path = tmp_path / "pass"
    path.write_text("zebra lamp")
    path.chmod(mode)
    assert read(file=str(path)) == "zebra lamp"
    assert len([each for each in caplog.messages if "can be read by others" in each]) == warned
    assert "zebra" not in caplog.text


@pytest.mark.parametrize("raw", [b"\xef\xbb\xbfcorrect horse\r\n", b"correct horse\n"])
def test_a_byte_order_mark_is_no_part_of_a_passphrase(tmp_path, monkeypatch, raw):
    path = tmp_path / "key.txt"
    path.write_bytes(raw)
    path.chmod(0o600)
    assert passphrase.read_passphrase_file(str(path)) == "correct horse"
    monkeypatch.setenv(passphrase.VARIABLE, raw.decode().strip())
    assert passphrase.read_passphrase(passphrase.Sources(), confirm=False) == "correct horse"


@pytest.mark.parametrize(
    ("text", "weak"),
    [("hunter2", True), ("aaaaaaaaaaaaaaaa", True), ("correct horse", False), (None, False)],
)
def test_short_passphrases_are_weak_unless_a_key_file_helps(text, weak):
    assert passphrase.Secrets(text, None).weak is weak
    assert not passphrase.Secrets(text, "key.bin").weak


def test_a_short_passphrase_is_warned_of_and_a_made_one_is_not(run_json):
    embed = ("embed", "--text", "x", "--carrier", "photo.png", "--force", "--passphrase-file", "-")
    _, said = run_json(*embed, input="hunter2\n")
    assert any("deephide passphrase makes a good one" in note for note in said["warnings"])
    _, made = run_json("passphrase")
    assert made["bits"] == 80 and len(made["passphrase"].split("-")) == 5
    _, said = run_json(*embed, input=made["passphrase"] + "\n")
    assert not any("short" in note for note in said["warnings"])
    _, other = run_json("passphrase", "--words", "4")
    assert other["bits"] == 64 and other["passphrase"] not in made["passphrase"]


def test_words_are_all_different():
    words = {spoken.to_word(number) for number in range(1 << spoken.WORD_BITS)}
    assert len(words) == 1 << spoken.WORD_BITS and {len(word) for word in words} == {5}
    assert spoken.draw_words(3, lambda most: most - 1) == ["zuzuz"] * 3
    with pytest.raises(ValueError, match="allowed"):
        spoken.to_word(1 << 16)
