import errno
import os
import stat

import pytest

from deephide import output, staging
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
    with pytest.raises(OutputError, match="file name too long"):
        output.check_output(tmp_path / f"{'a' * 300}.png")


@pytest.mark.parametrize("asked", ["stat", "unlink"])
def test_a_system_that_answers_nothing_ends_in_one_error(tmp_path, monkeypatch, asked):
    """A folder without search permission, as root never meets it."""

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, asked, refuse)
    if asked == "unlink":
        monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OutputError, match="permission denied"):
        output.check_output(tmp_path / "a.png")
        output.write_atomically(tmp_path / "a.png", b"data")


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
    def refuse(*_, **__):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    output.write_atomically(tmp_path / "a.png", b"data")
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize("link", ["taken", "dangling"])
def test_without_hard_links_a_name_taken_meanwhile_is_not_overwritten(tmp_path, monkeypatch, link):
    path = tmp_path / "a.png"

    def refuse(*_, **__):
        if link == "taken":
            path.write_bytes(b"theirs")
        else:
            path.symlink_to(tmp_path / "nowhere.png")
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(OutputError, match="exists"):
        output.write_atomically(path, b"data")
    assert os.listdir(tmp_path) == ["a.png"]
    assert path.is_symlink() if link == "dangling" else path.read_bytes() == b"theirs"


def test_without_hard_links_a_failed_rename_leaves_no_file(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OutputError, match="not permitted"):
        output.write_atomically(tmp_path / "a.png", b"data")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_synced_is_no_failure(tmp_path, monkeypatch):
    sync, seen = os.fsync, []

    def refuse(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            seen.append(handle)
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        sync(handle)

    monkeypatch.setattr(os, "fsync", refuse)
    output.write_atomically(tmp_path / "a.png", b"data")
    assert len(seen) == 1 and os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize("taken", ["a.png", "b.png"])
def test_files_written_together_appear_together(tmp_path, taken):
    one, two = tmp_path / "a.png", tmp_path / "b.png"
    files = [output.File(one, b"one"), output.File(two, b"two")]
    with pytest.raises(OutputError, match=taken):
        output.write_together(
            files, verify=lambda _: (tmp_path / taken).write_bytes(b"theirs") and None
        )
    assert os.listdir(tmp_path) == [taken]
    assert (tmp_path / taken).read_bytes() == b"theirs"
    output.write_together(files, force=True)
    assert (one.read_bytes(), two.read_bytes()) == (b"one", b"two")
    assert sorted(os.listdir(tmp_path)) == ["a.png", "b.png"]


def test_outputs_must_differ(tmp_path):
    path = tmp_path / "a.png"
    with pytest.raises(OutputError, match="are the same file"):
        output.check_output(tmp_path / "." / "a.png", [], [path], force=True)


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


def test_times_are_copied_to_the_nanosecond(tmp_path):
    source, path = tmp_path / "a.png", tmp_path / "b.png"
    source.write_bytes(b"old")
    os.utime(source, ns=(1_234_567_890_123_456_789, 987_654_321_123_456_789))
    output.write_atomically(path, b"new", verify=lambda new: output.copy_times(source, new))
    assert path.stat().st_mtime_ns == source.stat().st_mtime_ns == 987_654_321_123_456_789


@pytest.fixture(params=["device", "pipe", "link", "dangling link"])
def special(request, tmp_path):
    """A name of what is no ordinary file; a device is stood for by a socket where none is made."""
    path = tmp_path / "special.png"
    if request.param == "device":
        try:
            os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        except (PermissionError, OSError):
            pytest.skip("no device can be made here")
    elif request.param == "pipe":
        os.mkfifo(path)
    else:
        target = tmp_path / "target.png"
        if request.param == "link":
            target.write_bytes(b"theirs")
        path.symlink_to(target)
    return path


def test_issue_16_force_replaces_ordinary_files_alone(special):
    before = os.lstat(special)
    with pytest.raises(OutputError, match="no ordinary file"):
        output.check_output(special, force=True)
    with pytest.raises(OutputError, match="no ordinary file"):
        output.write_atomically(special, b"new", force=True)
    assert os.lstat(special).st_ino == before.st_ino
    with pytest.raises(OutputError, match="exists"):
        output.check_output(special)


def test_a_file_that_becomes_a_device_meanwhile_stays(tmp_path):
    path = tmp_path / "a.png"
    with pytest.raises(OutputError, match="no ordinary file"):
        output.write_atomically(path, b"new", force=True, verify=lambda _: os.mkfifo(path))
    assert stat.S_ISFIFO(os.lstat(path).st_mode)


def names_seen(folder, **options):
    """The names in a folder while a file is verified there."""
    seen = []
    output.write_atomically(
        folder / "a.png", b"data", verify=lambda _: seen.extend(os.listdir(folder)), **options
    )
    return seen


def test_issue_16_a_file_has_no_name_before_its_own(tmp_path, monkeypatch):
    if not hasattr(os, "O_TMPFILE"):
        pytest.skip("this system cannot write a file without a name")
    monkeypatch.setattr(staging, "_open_unnamed", wrap := Counting(staging._open_unnamed))
    seen = names_seen(tmp_path, private=True)
    if wrap.last is None:
        pytest.skip("this file system cannot write a file without a name")
    assert seen == []
    assert (tmp_path / "a.png").stat().st_mode & 0o777 == 0o600
    assert names_seen(tmp_path, force=True) == ["a.png"]
    assert os.listdir(tmp_path) == ["a.png"]


class Counting:
    def __init__(self, function):
        self._function = function

    def __call__(self, *args):
        self.last = self._function(*args)
        return self.last


@pytest.mark.parametrize("force", [False, True])
def test_systems_that_cannot_do_that_use_a_hidden_name(tmp_path, monkeypatch, force):
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    if force:
        (tmp_path / "a.png").write_bytes(b"old")
    seen = [name for name in names_seen(tmp_path, force=force) if name != "a.png"]
    assert len(seen) == 1 and seen[0].startswith(".") and seen[0].endswith(".part.png")
    assert os.listdir(tmp_path) == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == b"data"


def test_without_proc_a_hidden_name_serves(tmp_path, monkeypatch):
    monkeypatch.setattr(staging, "_DESCRIPTORS", str(tmp_path / "nothing"))
    assert len(names_seen(tmp_path)) == 1
    assert os.listdir(tmp_path) == ["a.png"]


def test_times_survive_a_file_system_without_links(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    source, path = tmp_path / "a.png", tmp_path / "b.png"
    source.write_bytes(b"old")
    os.utime(source, ns=(1_234_567_890_123_456_789, 987_654_321_123_456_789))
    monkeypatch.setattr(os, "link", refuse)
    output.write_atomically(path, b"new", verify=lambda new: output.copy_times(source, new))
    assert path.stat().st_mtime_ns == source.stat().st_mtime_ns
    assert path.read_bytes() == b"new"
