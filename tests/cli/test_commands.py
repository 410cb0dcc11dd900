import json
import os
import shutil
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import deephide
from cli.deephide_app import app
from cli.e2style_group import app as e2style_app
from cli.exit_codes import ExitCode, of_error
from cli.render import Terminal, problem
from deephide import errors, pipeline
from e2style.checkpoints import shipped

EMBED = ("embed", "--secret", "face.png", "--carrier", "photo.png")
INPUTS = ["face.png", "noise.png", "photo.png"]
NO_PASSPHRASE = "deephide: warning: no passphrase is set: anyone who has the model can extract"


def listing():
    return sorted(os.listdir())


def test_the_first_compilation_is_announced(run, monkeypatch):
    told = "deephide: compiling the coder, once on this machine: this takes some seconds\n"
    args = ("embed", "--secret", "face.png", "--carrier", "photo.png", "--force")
    assert told not in run(*args).stderr
    monkeypatch.setattr("stc.is_compiled", lambda: False, raising=False)
    assert run(*args).stderr.count(told) == 1
    assert told not in run(*args, "-q").stderr


def test_the_first_compilation_for_jpeg_files_is_announced_before_one_is_read(run, monkeypatch):
    with Image.open("photo.png") as photo:
        photo.save("photo.jpg", quality=92)
    told = "compiling the coder, once on this machine"
    args = ("embed", "--secret", "face.png", "--codec", "file", "--force", "-o")
    monkeypatch.setattr("deephide.formats.jpeg.coder.is_compiled", lambda progressive: False)
    assert told not in run(*args, "stego.png", "--carrier", "photo.png").stderr
    assert run(*args, "stego.jpg", "--carrier", "photo.jpg").stderr.count(told) == 1
    monkeypatch.setattr("deephide.formats.jpeg.coder.decode", None)
    done = run(*args, "stego.jpg", "--carrier", "photo.jpg")
    assert done.exit_code == 1 and told in done.stderr
    Path("photo.jpg").write_bytes(b"\xff\xd8\xff")
    done = run(*args, "stego.jpg", "--carrier", "photo.jpg")
    assert done.exit_code == 3 and told not in done.stderr


def test_embed_and_extract_with_default_names(run):
    done = run(*EMBED)
    assert (done.exit_code, done.stdout) == (0, "stego.png\n")
    assert done.stderr.count(NO_PASSPHRASE) == 1
    done = run("extract", "stego.png")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "secret.png\n", "")
    with Image.open("secret.png") as picture:
        assert picture.size == (64, 64)
    assert listing() == sorted([*INPUTS, "secret.png", "stego.png"])


def test_a_photo_without_an_option_gets_the_next_number(run):
    for arguments, name in (
        (("face.png", "photo.png"), "photo-1.png"),
        (("-s", "face.png", "photo.png"), "photo-2.png"),
        (("--text", "x", "photo.png"), "photo-3.png"),
        (("face.png", "-c", "photo.png"), "stego.png"),
        (("-s", "face.png", "-c", "photo.png", "--force"), "stego.png"),
    ):
        done = run("embed", *arguments)
        assert (done.exit_code, done.stdout) == (0, f"{name}\n"), done.stderr
        again = f"photo-1.png exists, so the stego is {name}: two stegos of one photo"
        assert (again in done.stderr) == (name in ("photo-2.png", "photo-3.png"))
    assert run("extract", "photo-1.png").exit_code == 0


def test_photos_without_an_option_share_the_secret_and_are_never_replaced(run, folder):
    shutil.copy("photo.png", "other.png")
    (folder / "out").mkdir()
    done = run("embed", "face.png", "photo.png", "other.png", "-o", "out")
    assert done.stdout.split() == [str(Path("out", each)) for each in ("photo.png", "other.png")]
    for output in ("photo.png", "face.png"):
        done = run("embed", "face.png", "photo.png", "-o", output, "--force")
        assert done.exit_code == 8 and "is the input" in done.stderr


def test_stderr_speaks_in_whole_lines_behind_the_name(run):
    done = run(*EMBED, "-v")
    assert all(line.startswith("deephide: ") for line in done.stderr.splitlines())


def test_quiet_says_nothing_but_the_result(run):
    done = run(*EMBED, "-q")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "stego.png\n", "")


def test_json_reports_what_was_done(run_json):
    done, found = run_json(*EMBED)
    assert done.exit_code == 0 and done.stderr == ""
    assert found["schema"] == 1 and found["ok"] is True and found["output"] == "stego.png"
    hidden = found["payload_bits"]
    assert hidden > 8 * 54
    assert 0 < found["change_rate"] < found["alpha"] < 0.5
    assert found["elapsed_s"] > 0
    assert any("no passphrase" in note for note in found["warnings"])
    done, found = run_json("extract", "stego.png")
    assert found["ok"] and found["output"] == "secret.png" and found["model"] == "fake"
    assert found["payload_bits"] == hidden


def test_json_reports_failures_with_the_same_exit_code(run_json):
    done, found = run_json("extract", "photo.png")
    assert done.exit_code == 5 and done.stderr == ""
    assert found["ok"] is False
    assert found["error"]["code"] == 5 and found["error"]["name"] == "ExtractionError"
    assert found["error"]["hint"]
    done, found = run_json("extract")
    assert done.exit_code == found["error"]["code"] == 2


def test_stdout_can_carry_the_picture(run):
    done = run(*EMBED, "-o", "-")
    assert done.exit_code == 0 and done.stdout_bytes.startswith(b"\x89PNG")
    assert listing() == INPUTS
    Path("piped.png").write_bytes(done.stdout_bytes)
    done = run("extract", "piped.png", "-o", "-")
    assert done.exit_code == 0 and done.stdout_bytes.startswith(b"\x89PNG")
    assert run(*EMBED, "-o", "-", "--json").exit_code == 2


def test_preview_is_what_the_receiver_sees(run):
    assert run(*EMBED, "--preview", "preview.png").exit_code == 0
    assert run("extract", "stego.png").exit_code == 0
    assert Path("preview.png").read_bytes() == Path("secret.png").read_bytes()
    assert run(*EMBED, "-o", "b.png", "--preview", "preview.png").exit_code == 8
    assert not os.path.exists("b.png")


def test_a_preview_that_cannot_be_written_leaves_no_stego(run, monkeypatch):
    link = os.link

    def refuse(source, target, **options):
        if Path(target).name == "preview.png":
            raise OSError(28, os.strerror(28))
        link(source, target, **options)

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "replace", refuse)
    done = run(*EMBED, "--preview", "preview.png")
    assert done.exit_code == 8 and "preview.png cannot be written" in done.stderr
    assert done.stdout == "" and listing() == INPUTS
    assert run(*EMBED, "--preview", "stego.png", "--force").exit_code == 8
    assert listing() == INPUTS


def test_an_existing_output_needs_force(run):
    assert run(*EMBED).exit_code == 0
    before = Path("stego.png").read_bytes()
    done = run(*EMBED)
    assert done.exit_code == 8
    assert "deephide: error: the output stego.png exists\n" in done.stderr
    assert "--force" in done.stderr
    assert Path("stego.png").read_bytes() == before
    assert run(*EMBED, "--force").exit_code == 0
    assert Path("stego.png").read_bytes() != before


@pytest.mark.parametrize("output", ["photo.png", "face.png", "./photo.png", "link.png"])
def test_the_output_is_never_an_input(run, output):
    os.symlink("photo.png", "link.png")
    before = Path("photo.png").read_bytes()
    done = run(*EMBED, "-o", output, "--force")
    assert done.exit_code == 8 and "is the input" in done.stderr
    assert Path("photo.png").read_bytes() == before


def test_lossy_outputs_are_refused_with_the_right_name(run):
    done = run(*EMBED, "-o", "stego.jpg")
    assert done.exit_code == 8
    assert "deephide: hint: use stego.png; JPG would destroy what is hidden" in done.stderr


@pytest.mark.parametrize(("carrier", "kind"), [("photo.bmp", "BMP"), ("photo.tiff", "TIFF")])
def test_a_stego_has_the_format_of_its_carrier_unless_its_name_says_png(run, carrier, kind):
    with Image.open("photo.png") as photo:
        photo.save(carrier)
    hide = ("embed", "--secret", "face.png", "--carrier", carrier, "--codec", "file")
    done = run(*hide)
    assert done.stdout == f"stego{Path(carrier).suffix}\n"
    assert run(*hide, "-o", "stego.png").exit_code == 0
    for name, expected in ((done.stdout.strip(), kind), ("stego.png", "PNG")):
        with Image.open(name) as stego:
            assert stego.format == expected
        assert run("extract", name, "-o", "back.png", "--force").exit_code == 0
        assert Path("back.png").read_bytes() == Path("face.png").read_bytes()
    done = run(*hide, "-o", "stego.jpg")
    assert done.exit_code == 8 and f"hint: use stego{Path(carrier).suffix}; JPG" in done.stderr
    done = run(*hide, "-o", "stego.gif2")
    assert done.exit_code == 8 and "or .png" in done.stderr


def test_a_jpeg_carrier_gives_a_jpeg(run, run_json):
    with Image.open("photo.png") as photo:
        photo.save("photo.jpg", quality=92)
    hide = ("embed", "--secret", "face.png", "--carrier", "photo.jpg", "--codec", "file")
    done, fields = run_json(*hide, "--cost", "uerd")
    assert done.exit_code == 0 and fields["output"] == "stego.jpg"
    assert run("extract", "stego.jpg", "-o", "back.png").exit_code == 0
    assert Path("back.png").read_bytes() == Path("face.png").read_bytes()
    done = run(*hide, "-o", "-")
    assert done.stdout_bytes.startswith(b"\xff\xd8\xff\xe0") and done.exit_code == 0
    assert " coefficients; " in done.stderr
    with Image.open("stego.jpg") as stego:
        stego.save("again.jpg", quality=92)
    done = run("extract", "again.jpg")
    assert done.exit_code == 5 and "no hidden image found" in done.stderr
    done = run(*hide, "-o", "stego.png")
    assert done.exit_code == 8 and "hint: use stego.jpg" in done.stderr
    done = run(*hide, "--cost", "hill", "--force")
    assert done.exit_code == 3 and "use one of: juniward, uerd" in done.stderr
    assert run("capacity", "photo.jpg").stdout.startswith("safe  ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize(
    ("mode", "said"), [(0o500, "the folder shut cannot be written"), (0, "permission denied")]
)
def test_a_folder_that_cannot_be_written(run, mode, said):
    os.mkdir("shut")
    os.chmod("shut", mode)
    done = run(*EMBED, "-o", "shut/stego.png")
    assert done.exit_code == 8 and said in done.stderr
    os.chmod("shut", 0o700)
    assert os.listdir("shut") == []


@pytest.mark.parametrize("length", [249, 255, 256, 300])
def test_names_of_any_length_are_written_or_refused(run, length):
    name = "n" * (length - 4) + ".png"
    done = run(*EMBED, "-o", name)
    if length <= 255:
        assert done.exit_code == 0 and listing() == sorted([*INPUTS, name])
    else:
        assert done.exit_code == 8 and "cannot be written: file name too long" in done.stderr
        assert listing() == INPUTS


def test_what_was_secret_is_for_its_owner_alone(run):
    assert run(*EMBED, "--preview", "preview.png").exit_code == 0
    assert run("extract", "stego.png").exit_code == 0
    umask = os.umask(0)
    os.umask(umask)
    modes = {name: os.stat(name).st_mode & 0o777 for name in listing() if name not in INPUTS}
    assert modes == {"preview.png": 0o600, "secret.png": 0o600, "stego.png": 0o666 & ~umask}


def test_a_system_that_refuses_to_write(run, monkeypatch):
    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "fsync", refuse)
    done = run(*EMBED)
    assert done.exit_code == 8 and "read-only file system" in done.stderr
    assert listing() == INPUTS


def test_a_secret_without_a_face(run):
    done = run("embed", "--secret", "noise.png", "--carrier", "photo.png")
    assert done.exit_code == 0 and "aligned face" in done.stderr
    assert "deephide: codec image, because " in done.stderr
    latent = ("--codec", "latent", "-o", "b.png")
    done = run("embed", "--secret", "noise.png", "--carrier", "photo.png", *latent)
    assert done.exit_code == 0 and "deephide: codec latent: " in done.stderr


@pytest.mark.parametrize(
    ("make", "code", "message"),
    [
        (lambda: Path("bad.png").write_bytes(b"no picture"), 3, "not an image"),
        (lambda: Path("bad.png").touch(), 3, "empty file"),
        (lambda: None, 3, "does not exist"),
        (lambda: Image.new("RGB", (1, 1)).save("bad.png"), 3, "too small"),
        (lambda: Image.new("P", (90, 90)).save("bad.png"), 3, "palette"),
        (lambda: Image.new("RGB", (90, 90), "white").save("bad.png"), 4, "too small or too flat"),
        (lambda: Image.new("RGB", (90, 90)).save("bad.png", "WEBP"), 3, "is a lossy WebP file"),
    ],
)
def test_bad_carriers_give_one_sentence_and_no_file(run, make, code, message):
    make()
    before = listing()
    done = run("embed", "--secret", "face.png", "--carrier", "bad.png", "-q")
    assert done.exit_code == code
    errors_said = [line for line in done.stderr.splitlines() if line.startswith("deephide: error")]
    assert len(errors_said) == 1 and message in errors_said[0]
    assert listing() == before


def test_who_gives_no_key_is_told_how(run):
    run(*EMBED, "--passphrase-file", "-", input="right\n")
    told = "deephide: hint: no passphrase or key was given: -p asks for a passphrase"
    for stego in ("stego.png", "photo.png"):
        done = run("extract", stego)
        assert done.exit_code == 5 and done.stderr.count(told) == 1
    done = run("extract", "stego.png", "--passphrase-file", "-", input="wrong\n")
    assert done.exit_code == 5 and told not in done.stderr


def test_extraction_failures_are_indistinguishable(run):
    run(*EMBED, "--passphrase-file", "-", input="right\n")
    with Image.open("stego.png") as stego:
        altered = np.asarray(stego).copy()
    altered[3, 4, 2] ^= 1
    Image.fromarray(altered).save("altered.png")
    Image.new("RGB", (9, 9)).save("small.png")
    said = set()
    for stego, passphrase in (
        ("stego.png", "wrong"),
        ("photo.png", "x"),
        ("altered.png", "right"),
        ("small.png", "x"),
    ):
        done = run("extract", stego, "--passphrase-file", "-", input=f"{passphrase}\n")
        assert done.exit_code == 5 and not os.path.exists("secret.png")
        said.add((done.stdout, done.stderr))
    assert len(said) == 1
    done = run("extract", "stego.png", "--passphrase-file", "-", input="right\n")
    assert (done.exit_code, done.stderr) == (0, "")


def test_capacity(run, run_json):
    done = run("capacity", "photo.png")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0].startswith("safe  ")
    assert "warning: the carrier is tiny" in done.stderr
    _, found = run_json("capacity", "photo.png")
    assert 0 < found["safe_bits"] < found["hard_bits"] < found["elements"]


def test_a_carrier_that_betrays_every_stego_holds_nothing_safely(run, run_json):
    with Image.open("photo.png") as photo:
        photo.save("decoded.jpg", quality=90)
    with Image.open("decoded.jpg") as decoded:
        decoded.save("decoded.png")
    done = run("capacity", "decoded.png")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == "safe  0 bits (0 bytes)"
    assert "hide in the JPEG file itself" in done.stderr
    _, found = run_json("capacity", "decoded.png")
    assert found["safe_bits"] == 0 and any("JPEG" in note for note in found["warnings"])
    Path("note.txt").write_text("hello")
    options = ["--secret", "note.txt", "--carrier", "decoded.png", "--codec", "file"]
    _, sent = run_json("embed", *options, "-o", "stego.png")
    assert sent["safe_bits"] == sent["detector_error"] == 0
    assert any("nothing is safe here" in note for note in sent["warnings"])


@pytest.mark.parametrize(("room", "said"), [(4, "not safely"), (6, "most faces"), (8, "yes")])
def test_capacity_says_yes_where_faces_fit(run, monkeypatch, room, said):
    known = next(iter(shipped.TYPICAL_BYTES.values()))
    monkeypatch.setattr(shipped, "TYPICAL_BYTES", {bytes(range(32)).hex(): known})
    rng = np.random.default_rng(0)
    noise = rng.integers(1, 255, (40 * room, 40 * room)).astype(np.uint8)
    Image.fromarray(noise).save("noise.png")
    done = run("capacity", "noise.png")
    line = f"a face    {said} (usually 327 bytes, at most 631)"
    assert line in [each.strip() for each in done.stdout.splitlines()]


def test_models(run, run_json, monkeypatch):
    assert run("models").stdout == "fake  0001020304050607  no card\n"
    _, found = run_json("models")
    assert found["models"][0]["fingerprint"] == bytes(range(32)).hex()

    import e2style

    def missing(*_):
        raise e2style.CheckpointError("no such file")

    monkeypatch.setattr(e2style, "fingerprint_of", missing)
    monkeypatch.setattr(e2style, "load_for_inference", missing)
    done = run("models")
    assert done.stdout == "fake  unusable\n" and "no such file" in done.stderr
    done = run(*EMBED)
    assert done.exit_code == 7 and listing() == INPUTS


def test_unexpected_errors_are_one_line(run, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr(pipeline, "hide", fail)
    done = run(*EMBED)
    assert done.exit_code == 1
    assert "deephide: error: unexpected RuntimeError: first line\n" in done.stderr
    assert "--debug" in done.stderr and "Traceback" not in done.stderr
    done = run(*EMBED, "--debug")
    assert "Traceback" in done.stderr and "numpy" in done.stderr


def test_interrupts_exit_with_130(run, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "hide", interrupt)
    done = run(*EMBED)
    assert done.exit_code == 130 and done.stderr.endswith("deephide: error: interrupted\n")


def test_usage_errors_look_like_all_others(run):
    done = run("embed", "--secret", "face.png")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "deephide: error: missing option '--carrier'\ndeephide: hint: see deephide embed --help\n"
    )
    assert run("hide").exit_code == 2
    assert run(*EMBED, "-q", "-v").exit_code == 2


def test_no_command_at_all_shows_the_help(run):
    wanted = run("--help").stdout
    for program in (app, e2style_app):
        done = CliRunner().invoke(program, [])
        assert done.exit_code == 2 and done.stdout == ""
        assert done.stderr == CliRunner().invoke(program, ["--help"]).stdout
    assert "Commands:\n" in wanted
    done = run("--json")
    assert done.exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--codec", "file", "--budget", "99"), "--budget has no effect with --codec file"),
        (("--refine", "5"), "--refine and --features need one another"),
        (("--features", "."), "--refine and --features need one another"),
        (
            ("--codec", "image", "--refine", "5", "--features", "."),
            "--refine has no effect with --codec image",
        ),
        (("--codec", "image", "--quality", "2"), "--quality has no effect with --codec image"),
        (("--rounding", "floor"), "--rounding has no effect without --codec paper"),
        (("--dry-run", "--keep-times"), "--keep-times has no effect with --dry-run"),
        (("--dry-run", "--strip-metadata"), "--strip-metadata has no effect with --dry-run"),
        (("--keep-times", "-o", "-"), "--keep-times has no effect on stdout"),
    ],
)
def test_options_without_effect_are_refused(run, arguments, said):
    done = run(*EMBED, *arguments)
    assert done.exit_code == 2 and said in done.stderr and listing() == INPUTS


def test_an_identity_is_not_written_to_stdout(run):
    done = run("keygen", "-o", "-")
    assert done.exit_code == 2 and listing() == INPUTS


def test_the_warning_names_what_is_hidden(run):
    done = run(*EMBED, "--codec", "file", "--dry-run")
    assert "anyone who has the model can extract what is hidden" in done.stderr


@pytest.mark.parametrize("arguments", [("-h",), ("embed", "--help"), ("models", "-h")])
def test_help(run, arguments):
    done = run(*arguments)
    assert done.exit_code == 0 and "Examples:" in done.stdout and done.stderr == ""


def test_the_help_of_embed_fits_on_a_screen_and_the_rest_is_one_word_away(run):
    short, whole = (run("embed", each).stdout.splitlines() for each in ("--help", "--help-all"))
    assert len(short) < 60 and max(map(len, whole)) <= 80
    options = [line.split()[0] for line in whole if line.lstrip().startswith("-")]
    assert set(options) > {line.split()[0] for line in short if line.lstrip().startswith("-")}
    for each in ("--needed", "--shrink", "--keep-times", "--model", "--debug"):
        assert any(each in line for line in whole) and not any(each in line for line in short)
    assert any("-h, --help" in line for line in short)


@pytest.mark.parametrize("program", [app, e2style_app])
def test_lists_of_commands_show_whole_sentences(program):
    text = " ".join(CliRunner().invoke(program, ["--help"]).stdout.split())
    assert "..." not in text.partition("Commands:")[2]
    for command in program.commands.values():
        assert command.help.splitlines()[0] in text


def commands_of(group, path):
    for name, command in group.commands.items():
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands_of(command, f"{path} {name}")


@pytest.mark.parametrize(("path", "command"), [*commands_of(app, "deephide")])
def test_every_command_has_a_short_first_line_and_examples(path, command):
    first = command.help.splitlines()[0]
    assert len(first) <= 70 and first.endswith(".")
    assert len(command._examples) == 2
    for example in command._examples:
        # The word "list" may be left out.
        assert f"{example} ".startswith((f"{path} ", f"{path.removesuffix('list')}--"))


def test_version(run):
    done = run("--version")
    assert done.stdout == f"deephide {deephide.__version__}\n"


def test_exit_codes_are_those_of_the_errors():
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert kind.exit_code in set(ExitCode)
    assert of_error(errors.ExtractionError()) is ExitCode.EXTRACTION
    assert of_error(KeyboardInterrupt()) is ExitCode.INTERRUPTED
    assert of_error(RuntimeError()) is ExitCode.BUG


def test_json_has_no_infinity(capsys):
    Terminal("deephide", as_json=True).result("", {"psnr": float("inf"), "alpha": 0.5})
    assert json.loads(capsys.readouterr().out)["psnr"] is None


def loader(reason):
    """Fail as llvmlite does, which does not pass on what the system's loader said."""
    try:
        raise OSError(f"libllvmlite.so: {reason}")
    except OSError:
        raise OSError("Could not find/load shared object file 'libllvmlite.so'")  # noqa: B904


def test_issue_16_too_little_memory_for_a_library_is_one_sentence():
    for reason, message in {
        "failed to map segment from shared object": "there is not enough memory for this",
        "invalid ELF header": "unexpected OSError: Could not find/load",
    }.items():
        with pytest.raises(OSError, match="Could not find") as caught:
            loader(reason)
        assert message in problem(caught.value).message
