"""Doors of the fuzzer: one class for each through which hostile bytes come in.

`run` takes any bytes and returns, or raises what the fuzzer calls a finding.  The errors that the
package documents are no findings; every other exception is, and so is a wrong success, which each
target looks for in its own way.  The first byte usually chooses what the rest is taken for, so
that bytes also get behind checksums and frames that they would hardly ever pass by chance.

Nothing here needs the fuzzer: the tests replay the seeds, and whatever was ever found.
"""

from __future__ import annotations

import io
import json
import os
import random
import struct
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent


# The fuzzer loads this file without pytest, which knows the folder.
sys.path.append(str(HERE.parent / "helpers"))
import fake_model as fake  # noqa: E402


class WrongSuccessError(AssertionError):
    """A success that should not have been one."""


class Target:
    """One door.

    `memory_mb` is the bound on the whole process that the fuzzer enforces.  atheris itself never
    frees what a comparison of arrays returns in code that it instruments (8 KiB of two arrays of
    8,192 numbers), which is why a process ends after `executions` and another one goes on with its
    corpus.  `RobustTarget` shows it: without atheris, 4,000 mutations leave the process at 60 MiB,
    where the first left it at 58; the same ones with it take 44 KiB each, in campaigns up to 110.
    """

    instrument: tuple[str, ...] = ("deephide",)
    # Whether a campaign runs compiled loops as Python, where an index beyond an array is an error.
    interpreted = False
    memory_mb = 1024
    executions = 10_000_000

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(
            prefix="deephide-fuzz-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None
        )

    def file(self, data, suffix=""):
        path = Path(self.folder.name) / f"input{suffix}"
        path.write_bytes(data)
        return path

    def seeds(self):
        raise NotImplementedError

    def run(self, data):
        raise NotImplementedError


def picture(width, height, channels, seed=5):
    """Return a seeded image with smooth and rough parts."""
    rng = np.random.default_rng(seed)
    walk = rng.normal(0, 4, (height, width, channels)).cumsum(1) + 128
    return np.clip(walk, 0, 255).astype(np.uint8)


def encoded(samples, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(samples.squeeze()).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def repaired_png(raw):
    """Correct the checksums of chunks, so that what is inside them gets read."""
    out, at = bytearray(raw[:8]), 8
    while at + 8 <= len(raw):
        length, kind = struct.unpack_from(">I4s", raw, at)
        length = min(length, len(raw) - at - 8)
        out += chunk(kind, raw[at + 8 : at + 8 + length])
        at += 12 + length
        if kind == b"IEND":
            break
    return bytes(out) + raw[at:]


def png_around(header, data):
    """Return a PNG file with a header of 13 bytes whose rows, filters included, are `data`."""
    pieces = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data, 1)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + pieces


class Unlimited:
    """Room without end."""

    limit = 1 << 30

    def safe(self):
        return self.limit

    def for_image(self):
        return self.limit

    def hidden_bytes(self, payload):
        return payload

    def payload_within(self, hidden):
        return hidden


class ImageTarget(Target):
    """Covers of samples, their stegos, and secrets; a cover that loads must survive being written.

    The bound on pixels is lowered to 2**20, or most of the time would go into filling memory; the
    real bound is measured by `benchmarks/memory.py`.
    """

    instrument = ("deephide", "PIL")
    roles = ("carrier", "stego", "secret")

    def __init__(self):
        super().__init__()
        from deephide.codecs.faces import load_square
        from deephide.covers import sample_files, samples
        from deephide.formats import files, images

        images.MAX_PIXELS = 1 << 20
        self.sample_files = sample_files
        self.load_square = load_square

        def open_file(path, role):
            return samples.open_file(files.read_source(path, role), role)

        self.open_file = open_file

    def seeds(self):
        rgb, gray, rgba = picture(40, 36, 3), picture(64, 70, 1), picture(40, 36, 4)
        palette = Image.fromarray(rgb).convert("P")
        files = [
            encoded(rgb, "PNG"),
            encoded(gray, "PNG", optimize=True),
            encoded(rgba, "PNG", compress_level=1),
            encoded(gray, "PNG", transparency=7, dpi=(300, 300)),
            encoded(rgb, "BMP"),
            encoded(gray, "BMP"),
            encoded(rgb, "TIFF"),
            encoded(rgb, "TIFF", compression="tiff_lzw"),
            encoded(gray, "TIFF", compression="tiff_adobe_deflate"),
            encoded(gray, "TIFF", compression="packbits", tiffinfo={274: 6, 266: 2}),
            encoded(rgba, "TIFF", compression="tiff_lzw", tiffinfo={317: 2, 270: "text"}),
            encoded(rgba, "TIFF", big_tiff=True),
            encoded(rgba, "WEBP", lossless=True, exact=True, method=0),
            encoded(rgb, "WEBP", lossless=True, method=0, exif=b"MM\0*\0\0\0\x08\0\0\0\0\0\0"),
            encoded(gray.astype(np.float32), "TIFF"),
            encoded(picture(70, 66, 3), "JPEG", quality=80),
            encoded(picture(70, 66, 3), "WEBP", quality=60),
            encoded(rgb, "GIF"),
            encoded(gray.astype(np.uint16) * 257, "PNG"),
        ]
        buffer = io.BytesIO()
        palette.save(buffer, "PNG", transparency=3)
        files.append(buffer.getvalue())
        out = [bytes([role]) + raw for role in range(3) for raw in files]
        header = struct.pack(">IIBBBBB", 40, 36, 8, 2, 0, 0, 1)
        rows = b"".join(b"\x04" + bytes(range(30)) for _ in range(200))
        return [*out, b"\x08" + header + rows, b"\x10" + files[0], b"\x12" + files[-1]]

    def run(self, data):
        from deephide.errors import ExtractionError, InputImageError

        if not data:
            return
        role, raw = self.roles[data[0] % 8 % 3], data[1:]
        if data[0] & 8:
            raw = png_around(raw[:13].ljust(13, b"\0"), raw[13:])
        elif data[0] & 16:
            raw = repaired_png(raw)
        path = self.file(raw)
        try:
            if role == "secret":
                side = self.load_square(path)
                if side.mode != "RGB" or side.width != side.height:
                    raise WrongSuccessError(f"a secret of mode {side.mode} and size {side.size}")
                return
            cover = self.open_file(path, role)
        except (InputImageError, ExtractionError):
            return
        if role == "stego":  # which may be of a kind that no carrier is
            return
        changed = cover.samples ^ 1
        if cover.fixed is not None:
            changed[cover.fixed] = cover.samples[cover.fixed]
        for suffix in (".png", *self.sample_files.own_suffixes(cover.source)[:1]):
            try:
                written = cover.encode(changed, suffix=suffix)
            except InputImageError:  # promised for damage that the decoder overlooked
                continue
            again = self.open_file(self.file(written, suffix), role)
            same_alpha = (again.alpha is None) == (cover.alpha is None) and (
                cover.alpha is None or np.array_equal(again.alpha, cover.alpha)
            )
            if not np.array_equal(again.samples, changed) or not same_alpha:
                raise WrongSuccessError("the written image is not the one that was to be written")


class JpegTarget(Target):
    """`covers`: a JPEG file that loads must survive being written with other coefficients."""

    interpreted = True

    def __init__(self):
        super().__init__()
        from deephide.covers.opening import open_cover
        from deephide.formats import images

        images.MAX_PIXELS = 1 << 20
        self.open_cover = open_cover

    def seeds(self):
        samples, options = picture(70, 66, 3), {"quality": 85}
        kinds = (
            {},
            {"subsampling": 0, "optimize": True},
            {"progressive": True},
            {"restart_marker_blocks": 2, "subsampling": 1},
            {"restart_marker_rows": 1, "progressive": True},
        )
        out = [encoded(samples, "JPEG", **options, **kind) for kind in kinds]
        out += [encoded(samples[:, :, 0], "JPEG", **options, **kind) for kind in kinds[:3]]
        return out

    def run(self, data):
        from deephide.errors import ExtractionError, InputImageError

        try:
            cover = self.open_cover(b"\xff\xd8\xff" + data[3:], "stego")
        except (InputImageError, ExtractionError):
            return
        free = np.abs(cover.elements.astype(np.int32)) < 1023
        changed = np.where(free, cover.elements ^ 1, cover.elements)
        again = self.open_cover(cover.encode(changed), "stego")
        if not np.array_equal(again.elements, changed) or again.associated != cover.associated:
            raise WrongSuccessError("the written file is not the one that was to be written")


class LatentTarget(Target):
    """`latent.decompress`: what it accepts must be what `compress` writes."""

    executions = 80_000

    def __init__(self):
        super().__init__()
        from deephide.codecs import latent

        self.codec = latent
        self.quantizers = (fake.make_quantizer(rows=1, radius=3), fake.make_quantizer(radius=200))

    def seeds(self):
        rng = np.random.default_rng(2)
        out = []
        for index, quantizer in enumerate(self.quantizers):
            shape, radius = quantizer.table_index.shape, quantizer.radius
            for spread in (0, 0.4, radius):
                integers = np.rint(rng.normal(0, spread, shape)).clip(-radius, radius)
                code = self.codec.compress(integers.astype(np.int32), quantizer)
                out.append(bytes([index]) + code)
        return out

    def run(self, data):
        if not data:
            return
        quantizer = self.quantizers[data[0] & 1]
        code = data[1:].rstrip(b"\0") if data[0] & 2 else data[1:]
        try:
            integers = self.codec.decompress(code, quantizer)
        except self.codec.LatentFormatError:
            return
        if integers.shape != quantizer.table_index.shape or np.abs(integers).max() > 200:
            raise WrongSuccessError(f"integers of shape {integers.shape}")
        if self.codec.compress(integers, quantizer) != code:
            raise WrongSuccessError("a code was accepted that compress would not write")


class ModelTarget(Target):
    """`e2style.load` on files; what loads must paint and invert, or say why not."""

    instrument = ("e2style",)
    memory_mb = 2048

    def __init__(self):
        super().__init__()
        import torch

        import e2style
        from e2style.checkpoints import tensor_files
        from e2style.models.inversion import InversionNetwork

        torch.set_num_threads(1)
        self.torch, self.e2style, self.tensor_files = torch, e2style, tensor_files
        config = e2style.InversionConfig(
            name="tiny",
            generator=e2style.GeneratorConfig(
                size=8, style_dim=4, mapping_layers=0, channel_base=32, channel_max=4
            ),
            encoder=e2style.EncoderConfig(
                image_size=16, widths=(2, 2), units=(1, 1), pools=(1, 1), split=(2, 2)
            ),
        )
        generator = torch.Generator().manual_seed(0)
        network = InversionNetwork(config).eval()
        for value in network.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.rand(value.shape, generator=generator) * 0.1 + 0.01)
        rng = np.random.default_rng(0)
        quantizer = e2style.quantizer.fit_quantizer(
            rng.normal(0, 2, (4, 4, 4)).astype(np.float32), classes=2, max_radius=8
        )
        path = self.file(b"", ".safetensors")
        e2style.save(path, network, quantizers=[quantizer])
        self.model = path.read_bytes()
        self.header_end = 8 + int.from_bytes(self.model[:8], "little")
        self.header = json.loads(self.model[8 : self.header_end])
        buffer = io.BytesIO()
        torch.save({"state_dict": {"encoder_firststage.a": torch.zeros(2)}, "opts": {}}, buffer)
        self.archive = buffer.getvalue()
        with zipfile.ZipFile(io.BytesIO(self.archive)) as archive:
            self.members = {name: archive.read(name) for name in archive.namelist()}
        self.pickle = next(name for name in self.members if name.endswith("data.pkl"))

    def seeds(self):
        metadata = self.header["__metadata__"]
        card = {
            "name": "n", "description": "d", "train_data": "t", "images_seen": 1, "hardware": "h",
            "metrics": {"psnr": 1.5}, "licence": "l", "intended_use": "u", "limits": "",
        }  # fmt: skip
        fields = {**metadata, "card": json.dumps(card)}
        return [
            b"\0" + self.model,
            b"\1" + metadata["config"].encode(),
            b"\2" + json.dumps(fields).encode(),
            b"\3" + self.model[8 : self.header_end],
            b"\4" + self.archive,
            b"\5" + self.members[self.pickle],
            b"\6" + self.model[self.header_end :],
        ]

    def _around(self, metadata):
        header = json.dumps({**self.header, "__metadata__": metadata}).encode()
        return struct.pack("<Q", len(header)) + header + self.model[self.header_end :]

    def _quick(self, path):
        """Read header and fingerprint without the network; None where that is rejected."""
        self.tensor_files.file_fingerprint.cache_clear()
        try:
            self.e2style.header_of(path)
        except self.e2style.E2StyleError:
            pass
        try:
            return self.e2style.fingerprint_of(path)
        except self.e2style.E2StyleError:
            return None

    def content(self, data):
        """Return the file and its suffix that the bytes stand for."""
        kind, rest = data[0] % 7, data[1:]
        if kind in (4, 5):
            return (rest if kind == 4 else self._archive_around(rest)), ".pt"
        return self._safetensors(kind, rest), ".safetensors"

    def _archive_around(self, pickled):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, member in self.members.items():
                archive.writestr(name, pickled if name == self.pickle else member)
        return buffer.getvalue()

    def _safetensors(self, kind, rest):
        text = rest.decode("utf-8", "replace")
        metadata = dict(self.header["__metadata__"])
        if kind == 1:
            return self._around({**metadata, "config": text})
        if kind == 2:
            try:
                fields = json.loads(text)
            except (ValueError, RecursionError):
                fields = {}
            if not isinstance(fields, dict):
                fields = {"card": text}
            return self._around({str(k): str(v) for k, v in fields.items()})
        if kind == 3:
            return struct.pack("<Q", len(rest)) + rest + self.model[self.header_end :]
        if kind == 6:
            size = len(self.model) - self.header_end
            return self.model[: self.header_end] + rest[:size].ljust(size, b"\0")
        return rest

    def run(self, data):
        if not data:
            return
        raw, suffix = self.content(data)
        path = self.file(raw, suffix)
        quick = self._quick(path)
        try:
            model = self.e2style.load(path)
            if quick != model.fingerprint:
                raise WrongSuccessError("two readers see different fingerprints")
            if model.config.generator.size > 64 or model.config.encoder.image_size > 64:
                return
            dim = model.config.generator.style_dim
            generated = model.synthesize(self.torch.zeros(1, model.n_codes, dim))
            codes = model.invert(self.torch.zeros(1, 3, 16, 16))
            if model.quantizer is not None:
                model.quantizer.dequantise(np.zeros(model.quantizer.step.shape, np.int32))
        except self.e2style.E2StyleError:
            return
        side = model.output_size
        if tuple(generated.shape) != (1, 3, side, side) or codes.shape[1] != model.n_codes:
            raise WrongSuccessError(
                f"generated {tuple(generated.shape)}, inverted {tuple(codes.shape)}"
            )


class ContainerTarget(Target):
    """What is read before and behind the seal, and the texts of keys; canonical or rejected."""

    def __init__(self):
        super().__init__()
        from deephide.container import crypto, hiding, key_files, layout

        self.layout, self.hiding, self.key_files = layout, hiding, key_files
        cheap_kdf()
        self.zones = layout.Zones(20_000)
        self.keys = crypto.derive_keys(b"fuzz", bytes(16))
        self.associated = layout.associated_data(100, 200, 1)
        header = layout.Header(1, bytes(range(8)))
        self.plain = layout.pack(header, b"a payload")
        self.padded = layout.pack(layout.Header(1, bytes(8), padded=True), bytes(range(40)))
        self.locked = hiding.lock(self.plain, self.keys, self.zones, self.associated)

    def seeds(self):
        path = Path(self.folder.name) / "identity.txt"
        path.unlink(missing_ok=True)
        public = self.key_files.keygen(path)
        return [
            b"\0" + self.plain,
            b"\0" + self.padded,
            b"\1" + b"".join(self.locked),
            b"\2" + self.plain,
            b"\3" + (123_456).to_bytes(4, "little") + b"\x20" + bytes(range(8)),
            b"\4" + public.encode(),
            b"\5" + path.read_bytes(),
            b"\6" + bytes(range(64)),
        ]

    def run(self, data):
        from deephide.errors import ExtractionError, FormatVersionError, PassphraseError

        if data:
            doors = (
                self._unpack, self._unlock, self._sealed, self._zones, self._public_key,
                self._identity, self._key_file,
            )  # fmt: skip
            try:
                doors[data[0] % len(doors)](data[1:])
            except (ExtractionError, FormatVersionError, PassphraseError):
                return

    def _unpack(self, data):
        header, payload = self.layout.unpack(data)
        if self.layout.pack(header, payload) != data:
            raise WrongSuccessError("a plaintext was accepted that pack would not write")

    def _unlock(self, data):
        length, body = data[:4].ljust(4, b"\0"), data[4:]
        read = lambda n: body[:n].ljust(n, b"\0")  # noqa: E731
        found = self.hiding.unlock(self.keys, length, read, self.zones, self.associated)
        if (length, body[: len(self.locked[1])]) != self.locked or found != self.plain:
            raise WrongSuccessError("a forged body was opened")

    def _sealed(self, data):
        data = data[: self.zones.max_body_bytes - 16]
        if len(data) < self.layout.HEADER_BYTES:
            return
        length, body = self.hiding.lock(data, self.keys, self.zones, self.associated)
        found = self.hiding.unlock(
            self.keys, length, lambda n: body[:n], self.zones, self.associated
        )
        if found != data:
            raise WrongSuccessError("the seal changed a plaintext")
        self._unpack(found)

    def _zones(self, data):
        n = 4096 + int.from_bytes(data[:4], "little") % (1 << 28)
        public = 32 if data[4:5] > b"\x7f" else 16
        zones = self.layout.Zones(n, public)
        if zones.public + zones.length + zones.body != n or zones.body < n // 4:
            raise WrongSuccessError(f"zones of {n} elements do not add up")
        masked, pad = data[5:9].ljust(4, b"\0"), data[9:13].ljust(4, b"\0")
        size, canonical = self.layout.unmask_length(masked, pad, zones)
        again = self.layout.mask_length(size, pad, zones)
        if not 26 <= size <= zones.max_body_bytes or canonical != (again == masked):
            raise WrongSuccessError(f"a length of {size}, canonical: {canonical}")

    def _public_key(self, data):
        text = data.decode("utf-8", "replace")
        key = self.key_files.parse_public_key(text)
        if len(key) != 32:
            raise WrongSuccessError("a key of another length")

    def _identity(self, data):
        if len(self.key_files.load_identity(self.file(data, ".txt"))) != 32:
            raise WrongSuccessError("a key of another length")

    def _key_file(self, data):
        if self.key_files.load_key_file(self.file(data, ".key")) != data:
            raise WrongSuccessError("a key file was read as something else")


class ExtractTarget(Target):
    """`deephide.extract` as a whole, before a hostile file and behind a hostile sender's seal.

    Argon2id runs with its least memory, one pass and one lane; everything else is as it ships.
    The model has no network.  Whoever has the model can seal what he likes where there is no
    passphrase, so one door takes the bytes for the plaintext that came out of the seal.
    """

    instrument = ("deephide", "PIL")
    memory_mb = 1024
    executions = 80_000

    def __init__(self):
        super().__init__()
        cheap_kdf()
        import torch

        import deephide
        from deephide import models
        from deephide.codecs import base, latent
        from deephide.container import hiding, layout
        from deephide.formats import images

        torch.set_num_threads(1)
        images.MAX_PIXELS = 1 << 20
        self.deephide, self.layout = deephide, layout
        self.codecs, self.latent = base, base.NUMBERS["latent"]
        self.hiding = hiding
        self.model = fake.FakeModel()
        y, x = np.mgrid[0:64, 0:64] * 3.0
        self.secret = Image.fromarray(np.stack((x, y, 0 * x + 90), axis=2).astype(np.uint8))
        self.lazy = models.LazyModel(self.model)
        cover = Image.fromarray(picture(64, 66, 3))
        result = deephide.embed(self.secret, cover, "fuzz", self.model, codec="latent")
        self.samples, self.wanted = np.asarray(result.stego), result.preview.tobytes()
        self.stego = encoded(self.samples, "PNG")
        self.code = latent.compress(result.integers, self.model.quantizer)

    def seeds(self):
        prefix = self.model.fingerprint[: self.layout.PARAMETER_BYTES]
        header = self.layout.Header(self.latent, prefix)
        plain = self.layout.pack(header, self.code)
        padded = self.layout.pack(self.layout.Header(self.latent, prefix, padded=True), self.code)
        out = [b"\0" + self.stego, b"\1" + self.stego, b"\2" + bytes(12), b"\2\1\0\1\x40\2\4"]
        out += [b"\3" + plain, b"\3" + padded, b"\4" + bytes([self.latent]) + self.code]
        secrets = [("file", b"some bytes " * 20), ("file", bytes(range(200)))]
        secrets += [("image", Image.fromarray(picture(64, 80, 3))), ("paper", self.secret)]
        for codec, secret in secrets:
            for budget in (150, 600):
                options = self.deephide.EmbedOptions(codec=codec, budget=budget)
                request = self.codecs.Request(secret, self.lazy, options, Unlimited())
                encoded = self.codecs.load_codec(codec).encode(request)
                header = self.layout.Header(self.codecs.NUMBERS[codec], encoded.parameters)
                out.append(b"\3" + self.layout.pack(header, encoded.payload))
        return out

    def run(self, data):
        if not data:
            return
        kind, rest = data[0] % 5, data[1:]
        try:
            if kind < 2:
                self._file(repaired_png(rest) if kind else rest)
            elif kind == 2:
                self._samples(rest)
            else:
                prefix = self.model.fingerprint[: self.layout.PARAMETER_BYTES]
                inside = rest if kind == 3 else b"\1" + rest[:1].ljust(1) + prefix + rest[1:]
                self._plaintext(inside)
        except self.deephide.DeephideError as error:
            # 10: a share of a secret, which a hostile sender may seal alone.
            if error.exit_code not in (3, 5, 6, 7, 10):
                raise

    def _check(self, source):
        found = self.deephide.extract(source, "fuzz", self.model)
        if found.image is None or found.image.tobytes() != self.wanted:
            raise WrongSuccessError("another message was extracted")

    def _file(self, raw):
        self._check(self.file(raw))

    def _samples(self, data):
        """Change samples: three bytes are a place and what is added there."""
        samples = self.samples.reshape(-1).copy()
        for at in range(0, len(data) - 2, 3):
            place = int.from_bytes(data[at : at + 2], "little") % samples.size
            samples[place] = (int(samples[place]) + data[at + 2]) % 256
        self._check(Image.fromarray(samples.reshape(self.samples.shape)))

    def _plaintext(self, plaintext):
        reveal = self.hiding.reveal
        self.hiding.reveal = lambda *_args, **_options: plaintext
        try:
            found = self.deephide.extract(Image.fromarray(self.samples), "fuzz", self.model)
        finally:
            self.hiding.reveal = reveal
        if found.image is not None:
            found.image.load()


class RobustTarget(Target):
    """Readings of what a channel left: pictures, damaged samples, plans, codewords, soft values.

    Both modes are made once for a small key; their own message is the only one that may come out.
    """

    instrument = ("deephide",)
    memory_mb = 1024
    executions = 6_000

    def __init__(self):
        super().__init__()
        cheap_kdf()
        from deephide.channels import coding, openings, profiles, transform, zones
        from deephide.channels import embedding as robust
        from deephide.channels.strong import code
        from deephide.container.keys import SharedKey
        from deephide.errors import DeephideError

        self.coding, self.openings, self.zones, self.code = coding, openings, zones, code
        self.error, self.secret = DeephideError, SharedKey(b"fuzz")
        photo = transform.open_photo(Image.fromarray(picture(112, 144, 3) // 2 + 60), 1080)
        channel = profiles.parse("any")
        stage = robust.prepare(
            transform.press(photo, 75, 0, 1.0),
            channel.reading,
            lambda salt: self.secret.at(salt).channel_keys(),
        )
        plan = coding.Plan(zones.MIN_BODY_BYTES + 10, 24)
        self.wanted = bytes(range(20))
        self.stego = robust.embed(stage, plan, self.wanted, bytes).jpeg
        with Image.open(io.BytesIO(self.stego)) as image:
            self.samples = np.asarray(image.convert("RGB"))

    def seeds(self):
        plan = self.coding.pack_plan(self.coding.Plan(60, 24), 50, bytes(4))
        return [
            b"\0" + self.stego,
            b"\0" + encoded(self.samples, "PNG"),
            b"\1" + bytes(12),
            b"\1\1\0\1\x40\2\4",
            b"\2" + plan,
            b"\3\x3c\x18" + bytes(84),
            b"\4" + bytes(range(200)),
        ]

    def run(self, data):
        if not data:
            return
        kind, rest = data[0] % 5, data[1:]
        if kind == 2:
            stream = rest[:24].ljust(24, b"\0")
            plan, _ = self.coding.unpack_plan(stream, 50, 1024, bytes(4))
            if not (50 <= plan.length <= 1024 and 8 <= plan.parity <= 128):
                raise WrongSuccessError("a plan out of range")
        elif kind == 3:
            fields = rest[:2].ljust(2, b"\1")
            framing = self.coding.Framing(max(fields[0], 1), 8 + fields[1] % 121)
            stream = rest[2:].ljust(framing.stream_bytes, b"\0")[: framing.stream_bytes]
            if len(framing.decode(stream, range(min(len(rest), 9)))[0]) != framing.length:
                raise WrongSuccessError("data of another length")
        elif kind == 4:
            soft = np.frombuffer(rest[:4096], np.int8).astype(np.int64)
            sums = self.code.spread(soft, self.code.coded_bits(max(len(rest) // 64, 1)))
            self.code.decode(sums)
        else:
            self._reveal(rest if kind == 0 else self._changed(rest))

    def _changed(self, data):
        """Change samples: three bytes are a place and what is added there."""
        samples = self.samples.reshape(-1).copy()
        for at in range(0, len(data) - 2, 3):
            place = int.from_bytes(data[at : at + 2], "little") % samples.size
            samples[place] = (int(samples[place]) + data[at + 2]) % 256
        return encoded(samples.reshape(self.samples.shape), "PNG")

    def _reveal(self, raw):
        try:
            found = self.openings.reveal(self.openings.look_at(raw), self.secret)
        except self.error as error:
            if error.exit_code not in (3, 5):
                raise
            return
        if found != self.wanted:
            raise WrongSuccessError("another message was extracted")


def cheap_kdf():
    """Take Argon2id's least memory, one pass and one lane."""
    from deephide.container import crypto

    crypto.ARGON2_MEMORY_KIB, crypto.ARGON2_ITERATIONS, crypto.ARGON2_LANES = 32, 1, 1


TARGETS = {
    "container": ContainerTarget,
    "extract": ExtractTarget,
    "image": ImageTarget,
    "jpeg": JpegTarget,
    "latent": LatentTarget,
    "model": ModelTarget,
    "robust": RobustTarget,
}


def mutations(seeds, count, seed=0):
    """Yield seeded damage to the seeds: bits, bytes, lengths, pieces of one in another."""
    rng = random.Random(seed)
    odd = (0, 1, 0x7F, 0x80, 0xFF)
    for _ in range(count):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 4)):
            if not data:
                break
            at = rng.randrange(len(data))
            what = rng.randrange(6)
            if what == 0:
                data[at] ^= 1 << rng.randrange(8)
            elif what == 1:
                data[at] = rng.choice(odd)
            elif what == 2:
                del data[at:]
            elif what == 3:
                del data[at : at + rng.randint(1, 16)]
            elif what == 4:
                data[at:at] = rng.randbytes(rng.randint(1, 16))
            else:
                other = rng.choice(seeds)
                start = rng.randrange(len(other) + 1)
                data[at : at + 32] = other[start : start + 32]
        yield bytes(data)
