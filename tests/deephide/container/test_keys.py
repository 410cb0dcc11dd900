import os
import random
import stat

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import deephide
import stc
from deephide.container import crypto, elligator, hiding, key_files, keys, layout
from deephide.container.zones import public_zone
from deephide.errors import CapacityError, ExtractionError, OutputError, PassphraseError

PRIVATES = [bytes([k]) * 32 for k in range(1, 20)]
PUBLICS = [crypto.x25519_public(each) for each in PRIVATES]
SHAPE = layout.associated_data(160, 120, 1)
N = 160 * 120
PLAINTEXT = layout.pack(layout.Header(1, bytes(8)), b"payload")
KEY_FILE = bytes(range(64))


def hide(key, n=N, plaintext=PLAINTEXT, **options):
    rng = np.random.default_rng(0)
    cover = rng.integers(0, 256, n).astype(np.uint8)
    p1, m1 = stc.costs.wet(cover, rng.random(n) + 0.05)
    return cover, hiding.hide(cover, p1, m1, key, plaintext, SHAPE, **options)


@pytest.mark.parametrize("count", [1, 2, 5, 16])
def test_each_recipient_and_nobody_else_can_open(count):
    key = keys.Recipients(PUBLICS[:count])
    cover, hidden = hide(key)
    assert np.abs(hidden.elements.astype(int) - cover).max() == 1
    assert hidden.message_bits == 8 * (70 + 16 * count + 7)
    for private in PRIVATES[:count]:
        assert hiding.reveal(hidden.elements, keys.Identity(private), SHAPE) == PLAINTEXT
    for other in (keys.Identity(PRIVATES[count]), keys.SharedKey(b"x").at(bytes(16))):
        with pytest.raises(ExtractionError):
            hiding.reveal(hidden.elements, other, SHAPE)


def test_the_sender_verifies_every_stanza_but_cannot_open_other_files():
    key = keys.Recipients(PUBLICS[:3])
    _, hidden = hide(key)
    assert hiding.reveal(hidden.elements, key, SHAPE) == PLAINTEXT
    _, later = hide(key)
    assert hiding.reveal(later.elements, key, SHAPE) == PLAINTEXT
    with pytest.raises(ExtractionError):
        hiding.reveal(hidden.elements, key, SHAPE)
    with pytest.raises(ExtractionError):
        hiding.reveal(hidden.elements, keys.Recipients(PUBLICS[:3]), SHAPE)


def test_a_damaged_stanza_is_found_by_the_sender():
    key = keys.Recipients(PUBLICS[:2])
    opening = key.begin(os.urandom)
    stanzas = {each.order_key: each.data for each in opening.stanzas}
    assert key.open(opening.public, stanzas.__getitem__) == opening.keys
    last = opening.stanzas[-1]
    stanzas[last.order_key] = bytes(16) if last.data != bytes(16) else bytes([1]) * 16
    with pytest.raises(ExtractionError):
        key.open(opening.public, stanzas.__getitem__)


def test_any_changed_sample_is_noticed_by_a_recipient():
    _, hidden = hide(keys.Recipients(PUBLICS[:1]), n=4096)
    identity = keys.Identity(PRIVATES[0])
    for place in np.random.default_rng(5).choice(4096, 60, replace=False):
        damaged = hidden.elements.copy()
        damaged[place] += 1 if damaged[place] < 255 else -1
        with pytest.raises(ExtractionError):
            hiding.reveal(damaged, identity, SHAPE)


def test_everything_is_fresh_for_every_container():
    key = keys.Recipients(PUBLICS[:1])
    one, two = key.begin(os.urandom), key.begin(os.urandom)
    assert one.public != two.public and one.keys != two.keys
    assert one.stanzas[0].data != two.stanzas[0].data
    assert one.stanzas[0].order_key != two.stanzas[0].order_key
    assert one.keys.order.hex() not in repr(one)
    assert one.stanzas[0].order_key.hex() not in repr(one)


def test_a_shared_secret_of_zero_is_rejected_after_the_same_work():
    # Anyone can compute such a container; only the flag keeps it out.
    identity = keys.Identity(PRIVATES[0])
    assert crypto.x25519(PRIVATES[0], elligator.from_representative(bytes(32))) is None
    wrap = crypto.derive_wrap(bytes(32), bytes(32), PUBLICS[0])
    found = identity.open(bytes(32), lambda order: wrap.pad if order == wrap.order else b"")
    assert not found.usable
    assert found.seal_key == crypto.derive_file_keys(bytes(16), bytes(32)).seal_key


def test_recipients_are_counted_once_and_bounded():
    assert keys.Recipients([PUBLICS[0], PUBLICS[0], PUBLICS[1]]).stanza_count == 2
    with pytest.raises(PassphraseError, match="17 recipients"):
        keys.Recipients(PUBLICS[:17])
    with pytest.raises(PassphraseError, match="low order"):
        keys.Recipients([bytes(32)]).begin(os.urandom)


def test_too_many_stanzas_for_a_small_picture_are_a_lack_of_capacity():
    with pytest.raises(CapacityError):
        hide(keys.Recipients(PUBLICS[:16]), n=4096)


def test_the_key_is_derived_once_for_embedding_and_once_for_extracting(
    face, photo, model, monkeypatch
):
    calls = []
    harden = crypto.harden
    monkeypatch.setattr(crypto, "ARGON2_MEMORY_KIB", 32)
    monkeypatch.setattr(crypto, "harden", lambda *a: calls.append(1) or harden(*a))
    result = deephide.embed(face, photo, "passphrase", model)
    assert len(calls) == 1
    deephide.extract(result.stego, "passphrase", model)
    assert len(calls) == 2
    for other in ({"passphrase": "other"}, {"key_file": KEY_FILE}, {}):
        with pytest.raises(ExtractionError):
            deephide.extract(result.stego, model=model, **other)
    assert len(calls) == 5


def test_a_kept_derivation_is_for_one_picture_only(cheap_kdf):
    secret = keys.SharedKey(b"x")
    key = secret.at(bytes(16))
    opening = key.begin(os.urandom)
    assert key.open(opening.public, bytes) == opening.keys != key.open(bytes(16), bytes)
    assert secret.at(bytes(16)) is key
    other = secret.at(bytes(15) + b"\x01")
    assert other.open(opening.public, bytes) != opening.keys
    hardened = crypto.harden(b"x", other.picture)
    assert other.channel_keys() == crypto.derive_channel_keys(hardened) != key.channel_keys()


@pytest.mark.parametrize(
    ("sent", "received", "overhead"),
    [
        ({"passphrase": "p"}, {"passphrase": "p"}, 54),
        ({"key_file": KEY_FILE}, {"key_file": KEY_FILE}, 54),
        (
            {"passphrase": "p", "key_file": KEY_FILE},
            {"passphrase": "p", "key_file": KEY_FILE},
            54,
        ),
        ({"recipients": PUBLICS[:1]}, {"identity": PRIVATES[0]}, 86),
        ({"recipients": PUBLICS[:3]}, {"identity": PRIVATES[2]}, 118),
    ],
)
@pytest.mark.parametrize("pad", [False, True])
def test_the_whole_program_with_every_kind_of_key(
    sent, received, overhead, pad, face, photo, model, tmp_path, cheap_kdf
):
    from deephide.codecs import latent

    sent, received = dict(sent), dict(received)
    if "recipients" in sent:
        sent["recipients"] = [key_files.format_public_key(each) for each in sent["recipients"]]
        path = tmp_path / "identity"
        path.write_text(f"# mine\n{key_files.format_identity(received['identity'])}\n")
        received["identity"] = path
    result = deephide.embed(face, photo, model=model, pad=pad, **sent)
    found = deephide.extract(result.stego, model=model, **received)
    assert np.array_equal(np.asarray(found.image), np.asarray(result.preview))
    payload = len(latent.compress(result.integers, model.quantizer))
    if pad:
        payload = layout.padded_bytes(payload + 1)
    assert result.payload_bits == 8 * (overhead + payload)
    # A recipient knows of no stanza but the own one.
    known = 16 * (len(sent.get("recipients", [0])) - 1)
    assert found.info.payload_bits == result.payload_bits - 8 * known


def test_public_keys_and_shared_secrets_exclude_each_other(face, photo, model, tmp_path):
    public = key_files.format_public_key(PUBLICS[0])
    with pytest.raises(PassphraseError, match="recipients and a passphrase"):
        deephide.embed(face, photo, "p", model, recipients=[public])
    with pytest.raises(PassphraseError, match="recipients and a key file"):
        deephide.embed(face, photo, None, model, recipients=[public], key_file=KEY_FILE)
    deephide.keygen(tmp_path / "identity")
    with pytest.raises(PassphraseError, match="an identity and a passphrase"):
        deephide.extract(photo, "p", model, identity=tmp_path / "identity")


class TestFiles:
    def test_keygen_writes_what_load_identity_reads(self, tmp_path):
        path = tmp_path / "identity"
        public = deephide.keygen(path)
        private = key_files.load_identity(path)
        assert key_files.parse_public_key(public) == crypto.x25519_public(private)
        assert key_files.parse_public_key(f" {public}\n") == crypto.x25519_public(private)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert public in path.read_text()
        path.write_text(f"\ufeff{path.read_text()}", encoding="utf-8")  # as editors of Windows do
        assert key_files.load_identity(path) == private
        assert len(public) == len("deephide-pub-") + 56

    def test_the_mode_does_not_depend_on_the_umask(self, tmp_path):
        before = os.umask(0)
        try:
            deephide.keygen(tmp_path / "identity")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "identity").stat().st_mode) == 0o600

    def test_keygen_replaces_nothing_and_follows_no_link(self, tmp_path):
        path = tmp_path / "identity"
        path.write_text("precious")
        (tmp_path / "link").symlink_to(tmp_path / "nowhere")
        for name in ("identity", "link"):
            with pytest.raises(OutputError, match="exists"):
                deephide.keygen(tmp_path / name)
        assert path.read_text() == "precious" and not (tmp_path / "nowhere").exists()
        with pytest.raises(OutputError, match="cannot be written"):
            deephide.keygen(tmp_path / "missing" / "identity")

    @pytest.mark.parametrize(
        ("trouble", "expected"),
        [(OSError(28, os.strerror(28)), OutputError), (KeyboardInterrupt(), KeyboardInterrupt)],
    )
    def test_trouble_leaves_no_identity(self, tmp_path, monkeypatch, trouble, expected):
        def fail(_):
            raise trouble

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(expected):
            deephide.keygen(tmp_path / "identity")
        assert not (tmp_path / "identity").exists()

    @pytest.mark.parametrize("place", range(len("deephide-pub-"), len("deephide-pub-") + 56))
    def test_a_mistyped_public_key_is_noticed(self, place):
        text = key_files.format_public_key(PUBLICS[0])
        letter = "a" if text[place] != "a" else "b"
        with pytest.raises(PassphraseError, match="copied wrongly"):
            key_files.parse_public_key(text[:place] + letter + text[place + 1 :])

    @pytest.mark.parametrize("text", ["", "deephide-pub-", "deephide-pub-ä", "age1xyz", "x" * 69])
    def test_other_texts_are_no_public_keys(self, text):
        with pytest.raises(PassphraseError, match="not a public key"):
            key_files.parse_public_key(text)

    @pytest.mark.parametrize("change", [str.upper, str.title, lambda text: text + "\u00a0"])
    def test_issue_16_public_keys_are_lower_case_ascii(self, change):
        text = key_files.format_public_key(PUBLICS[0])
        assert key_files.parse_public_key(f" {text}\n") == PUBLICS[0]
        with pytest.raises(PassphraseError, match="not a public key"):
            key_files.parse_public_key("deephide-pub-" + change(text[13:]))

    @pytest.mark.parametrize(("letter", "looks_like"), [("s", "\u017f"), ("i", "\u0131")])
    def test_letters_that_only_fold_to_ascii_are_refused(self, letter, looks_like):
        keys = (bytes([k]) + bytes(31) for k in range(9, 256))
        text = next(t for t in map(key_files.format_public_key, keys) if letter in t[13:])
        with pytest.raises(PassphraseError, match="not a public key"):
            key_files.parse_public_key(text[:13] + text[13:].replace(letter, looks_like))

    def test_public_keys_that_nobody_owns_are_refused(self):
        points = [point[0] for point in elligator._low_order_points()[1:]]
        for u in {*points, elligator.P, elligator.P + 1, elligator.P - 1, 2**255 + 9}:
            text = key_files.format_public_key(u.to_bytes(32, "little"))
            with pytest.raises(PassphraseError, match="nobody owns it"):
                key_files.parse_public_key(text)

    def test_a_private_key_is_no_recipient(self, tmp_path):
        deephide.keygen(tmp_path / "identity")
        line = (tmp_path / "identity").read_text().splitlines()[-1]
        for text in (line, line.lower(), "deephide-pub-" + line[13:].lower()):
            with pytest.raises(PassphraseError, match="not a public key"):
                key_files.parse_public_key(text)

    @pytest.mark.parametrize("change", ["empty", "twice", "letter", "public", "long"])
    def test_damaged_identities_are_refused(self, tmp_path, change):
        path = tmp_path / "identity"
        public = deephide.keygen(path)
        lines = path.read_text().splitlines()
        damaged = {
            "empty": [],
            "twice": [*lines, lines[-1]],
            "letter": [lines[-1][:-1] + ("A" if lines[-1][-1] != "A" else "B")],
            "public": [public],
            "long": ["#" * 70000],
        }[change]
        path.write_text("\n".join(damaged))
        with pytest.raises(PassphraseError, match=r"exactly one undamaged key|longer than"):
            key_files.load_identity(path)

    def test_a_missing_identity_is_a_clear_error(self, tmp_path):
        with pytest.raises(PassphraseError, match="identity file cannot be read: no such file"):
            key_files.load_identity(tmp_path / "none")

    def test_key_files_are_bounded_on_both_sides(self, tmp_path):
        assert key_files.load_key_file(None) is None
        for content in (random.Random(0).randbytes(32), random.Random(0).randbytes(1 << 20)):
            (tmp_path / "key").write_bytes(content)
            assert key_files.load_key_file(tmp_path / "key") == content
            assert key_files.load_key_file(content) == content
        for content, problem in (
            (b"", "empty"),
            (KEY_FILE[:31], "only 31 bytes"),
            (bytes(64), "nearly constant"),
            (b"0123456" * 9, "nearly constant"),
            (KEY_FILE * 16384 + b"x", "longer than 1048576"),
        ):
            (tmp_path / "key").write_bytes(content)
            for source in (content, tmp_path / "key"):
                with pytest.raises(PassphraseError, match=problem):
                    key_files.load_key_file(source)
        with pytest.raises(PassphraseError, match="key file cannot be read"):
            key_files.load_key_file(tmp_path / "none")

    @settings(
        max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
    )
    @given(st.binary(max_size=200), st.booleans())
    def test_any_bytes_are_an_identity_or_an_error(self, tmp_path, data, framed):
        path = tmp_path / "identity"
        path.write_bytes(b"DEEPHIDE-KEY-" + data if framed else data)
        with pytest.raises(PassphraseError):
            key_files.load_identity(path)
        with pytest.raises(PassphraseError):
            key_files.parse_public_key(("deephide-pub-" if framed else "") + data.decode("latin1"))


def work_of(monkeypatch, elements, key):
    """What a failing `reveal` computes, call by call with the sizes of inputs; bits read in all."""
    calls, message_bits = [], []

    def watch(module, name, describe):
        function = getattr(module, name)

        def watched(*args, **options):
            calls.append((name, *describe(*args)))
            return function(*args, **options)

        monkeypatch.setattr(module, name, watched)

    watch(crypto, "harden", lambda *_: ())
    watch(crypto, "derive_keys", lambda *_: ())
    watch(crypto, "x25519", lambda *_: ())
    watch(crypto, "open_sealed", lambda *_: ())
    watch(hiding, "keyed_zones", lambda zones, _: (zones,))
    watch(hiding, "stanza_zone", lambda zones, _: (zones,))
    watch(hiding, "public_zone", lambda zones: (zones,))
    watch(stc, "extract_ternary_from", lambda _, n, bits, __: message_bits.append(bits) or (n,))
    with pytest.raises(ExtractionError):
        hiding.reveal(elements, key, SHAPE)
    monkeypatch.undo()
    return [*calls, sum(message_bits)]


@pytest.mark.parametrize("kind", ["shared", "identity"])
def test_failures_do_the_same_work_call_by_call(kind, monkeypatch):
    # A fresh opener each time: one that is used again leaves out a derivation it has made already.
    if kind == "shared":
        sealer = keys.SharedKey(b"right").at(bytes(16))
        right, wrong = (
            lambda name=name: keys.SharedKey(name).at(bytes(16)) for name in (b"right", b"wrong")
        )
    else:
        sealer = keys.Recipients(PUBLICS[:2])
        right, wrong = (lambda k=k: keys.Identity(PRIVATES[k]) for k in (1, 2))
    cover, hidden = hide(sealer)
    zones = layout.Zones(N, sealer.public_bytes)
    public_places = np.sort(public_zone(zones).places())
    others = np.setdiff1d(np.arange(N), public_places)
    altered = []
    for place in (public_places[0], public_places[-1], others[0], others[-1]):
        damaged = hidden.elements.copy()
        damaged[place] += 1 if damaged[place] < 255 else -1
        altered.append(damaged)
    cases = [(cover, right), (hidden.elements, wrong), (np.zeros(N, np.uint8), right)]
    cases += [(each, right) for each in altered]
    works = [work_of(monkeypatch, samples, make()) for samples, make in cases]
    assert all(work == works[0] for work in works)
    assert len(works[0]) >= 6


def test_key_inputs_of_all_kinds_differ():
    found = {
        crypto.key_input(passphrase, bytes(32), key_file)
        for passphrase in (None, "p", "q")
        for key_file in (None, KEY_FILE, KEY_FILE[::-1])
    }
    assert len(found) == 9


def test_transparent_and_saturated_samples_stay_with_recipients_too(cheap_kdf, face, model):
    rng = np.random.default_rng(8)
    pixels = rng.integers(60, 200, (96, 120, 4)).astype(np.uint8)
    pixels[:, :, 3] = np.where(rng.random((96, 120)) < 0.2, 0, 255)
    pixels[:20, :, :3] = 255
    pixels[20:30, :, :3] = 0
    recipients = [key_files.format_public_key(each) for each in PUBLICS[:2]]
    stego = deephide.embed(face, Image.fromarray(pixels), model=model, recipients=recipients).stego
    found = np.asarray(stego).astype(int)
    delta = found - pixels
    assert np.abs(delta).max() == 1 and not delta[:, :, 3].any()
    assert not delta[pixels[:, :, 3] == 0].any()
    assert found[:, :, :3].min() >= 0 and found[:, :, :3].max() <= 255


@pytest.mark.parametrize("what", ["identity", "key file"])
def test_keys_that_others_can_read_are_named(tmp_path, caplog, what):
    path = tmp_path / "key"
    deephide.keygen(path)
    load = key_files.load_identity if what == "identity" else key_files.load_key_file
    load(path)
    assert not caplog.messages
    path.chmod(0o640)
    load(path)
    assert len(caplog.messages) == 1
    assert what in caplog.messages[0] and "can be read by others" in caplog.messages[0]
