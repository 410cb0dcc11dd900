import errno
import os

import pytest

from deephide import output
from deephide.errors import OutputError


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.webp", "a.gif"])
def test_lossy_names_are_refused(tmp_path, name):
    with pytest.raises(OutputError, match="would be lossy") as caught:
        output.check_output(tmp_path / name)
    assert "use a.png" in caught.value.hint and "destroy" in caught.value.hint


@pytest.mark.parametrize("name", ["a", "a.bmp", "a.tiff"])
def test_names_of_other_formats_are_refused(tmp_path, name):
    with pytest.raises(OutputError, match=r"does not end in \.png"):
        output.check_output(tmp_path / name)


def test_an_existing_file_needs_force(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    with pytest.raises(OutputError, match="exists"):
        output.check_output(path)
    output.check_output(path, force=True)


def test_a_dangling_link_counts_as_existing(tmp_path):
    path = tmp_path / "a.png"
    path.symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(OutputError, match="exists"):
        output.check_output(path)


@pytest.mark.parametrize("link", ["same", "symbolic", "hard", "folder"])
def test_an_input_is_never_the_output(tmp_path, link):
    source = tmp_path / "in.png"
    source.write_bytes(b"cover")
    path = tmp_path / "out.png"
    if link == "same":
        path = tmp_path / "." / "in.png"
    elif link == "symbolic":
        path.symlink_to(source)
    elif link == "hard":
        os.link(source, path)
    else:
        (tmp_path / "other").symlink_to(tmp_path)
        path = tmp_path / "other" / "in.png"
    with pytest.raises(OutputError, match="is the input"):
        output.check_output(path, [source], force=True)


def test_folders_are_checked(tmp_path, monkeypatch):
    with pytest.raises(OutputError, match="does not exist"):
        output.check_output(tmp_path / "none" / "a.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputError, match="is a directory"):
        output.check_output(tmp_path / "folder.png")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="cannot be written"):
        output.check_output(tmp_path / "a.png")


def test_files_are_written_whole_with_ordinary_rights(tmp_path):
    path = tmp_path / "a.png"
    seen = []
    output.write_atomically(path, b"data", verify=lambda file: seen.append(file.read_bytes()))
    assert path.read_bytes() == b"data" and seen == [b"data"]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask
    assert os.listdir(tmp_path) == ["a.png"]


def test_force_replaces(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    output.write_atomically(path, b"new", force=True)
    assert path.read_bytes() == b"new"


def test_a_name_taken_meanwhile_is_not_overwritten(tmp_path):
    path = tmp_path / "a.png"
    with pytest.raises(OutputError, match="exists"):
        output.write_atomically(path, b"new", verify=lambda _: path.write_bytes(b"theirs") and None)
    assert path.read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["a.png"]


def test_without_hard_links_a_rename_serves(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    output.write_atomically(tmp_path / "a.png", b"data")
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_whatever_goes_wrong_leaves_no_file(tmp_path, failure):
    def fail(_):
        raise failure

    with pytest.raises(failure):
        output.write_atomically(tmp_path / "a.png", b"data", verify=fail)
    assert os.listdir(tmp_path) == []


def test_a_failed_replacement_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def fail(_):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        output.write_atomically(path, b"new", force=True, verify=fail)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize(
    ("code", "text"), [(errno.ENOSPC, "no space left"), (errno.EROFS, "read-only file system")]
)
def test_what_the_system_refuses_is_said_in_one_sentence(tmp_path, monkeypatch, code, text):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OutputError, match=text):
        output.write_atomically(tmp_path / "a.png", b"data")
    assert os.listdir(tmp_path) == []
