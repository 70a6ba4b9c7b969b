"""Cells no column may trip over: whole, odd and damaged pictures, sounds, texts and values.

Generated when a test runs, from fixed seeds; nothing binary is kept in the repository.
"""

import base64
import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

PICTURE_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000")
SOUND_FORMATS = ("WAV", "FLAC", "OGG", "MP3")


def pixels(height: int = 40, width: int = 60) -> np.ndarray:
    """A smooth colour picture, uint8 [height, width, 3]: survives JPEG."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([4 * x, 6 * y, 2 * (x + y)], axis=-1).clip(0, 255).astype(np.uint8)


def picture(array: np.ndarray | None = None, format: str = "PNG", **options: Any) -> bytes:
    return save(Image.fromarray(pixels() if array is None else array), format, **options)


def save(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def tone(seconds: float = 0.5, rate: int = 8000, hertz: float = 440.0) -> np.ndarray:
    """float32 [T], amplitude 0.5."""
    t = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * hertz * t)).astype(np.float32)


def sound(
    wave: np.ndarray | None = None, rate: int = 8000, format: str = "WAV", **options
) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, tone() if wave is None else wave, rate, format=format, **options)
    return buffer.getvalue()


def m4a(wave: np.ndarray, rate: int = 16000) -> bytes:
    """AAC in an MP4 container, which libsndfile doesn't read."""
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=rate, layout="mono")
        for start in range(0, len(wave), 1024):
            block = np.ascontiguousarray(wave[None, start : start + 1024], dtype=np.float32)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def bomb(width: int = 60_000, height: int = 60_000) -> bytes:
    """A PNG of a few hundred bytes whose header promises 3.6 billion pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 10_000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def flipped(data: bytes, seed: int, count: int = 8) -> bytes:
    """`count` bytes replaced at places drawn from `seed`, half of them in the header."""
    rng = np.random.default_rng(seed)
    broken = bytearray(data)
    near = rng.integers(0, min(64, len(data)), count // 2)
    for place in [*near, *rng.integers(0, len(data), count - count // 2)]:
        broken[place] = rng.integers(0, 256)
    return bytes(broken)


def corpus(folder: Path) -> dict[str, Any]:
    """Every cell by what is wrong with it. Files are written into `folder`."""
    cells = {**_pictures(), **_sounds(), **_values()}
    (folder / "a folder.png").mkdir()
    (folder / "empty.wav").write_bytes(b"")
    (folder / "wrong ending.png").write_bytes(sound())
    (folder / "wrong ending.wav").write_bytes(picture())
    cells |= {
        "path: of a folder": folder / "a folder.png",
        "path: of an empty file": folder / "empty.wav",
        "path: of a sound that is called png": folder / "wrong ending.png",
        "path: of a picture that is called wav": folder / "wrong ending.wav",
        "path: of nothing": folder / "nothing.png",
        "path: through a file": folder / "empty.wav" / "x.png",
        "path: with a zero byte": Path("a\0b.png"),
        "path: too long": folder / ("x" * 5000),
    }
    return cells


def contents(folder: Path) -> dict[str, Any]:
    """The corpus as it is sent over a network: what files hold instead of their paths."""
    return {
        name: cell.read_bytes() if isinstance(cell, Path) and os.path.isfile(cell) else cell
        for name, cell in corpus(folder).items()
    }


def _pictures() -> dict[str, bytes]:
    whole = {format: picture(format=format) for format in PICTURE_FORMATS}
    rgb = Image.fromarray(pixels())
    cells = {f"picture: {format}": data for format, data in whole.items()}
    for format, data in whole.items():
        for part in (0.1, 0.5, 0.9, 0.99):
            cells[f"picture: {part:.0%} of a {format}"] = data[: int(part * len(data))]
        for seed in range(6):
            cells[f"picture: {format} with bytes flipped ({seed})"] = flipped(data, seed)
    frames = [Image.new("P", (9, 9), color) for color in (1, 2, 3)]
    cells |= {
        "picture: 1x1": picture(np.zeros((1, 1, 3), np.uint8)),
        "picture: 1x3000": picture(np.zeros((3000, 1, 3), np.uint8)),
        "picture: CMYK": save(rgb.convert("CMYK"), "JPEG"),
        "picture: YCbCr": save(rgb.convert("YCbCr"), "TIFF"),
        "picture: 1 bit": save(rgb.convert("1")),
        "picture: palette": save(rgb.quantize(16)),
        "picture: grey with alpha": save(rgb.convert("LA")),
        "picture: 16 bit": save(Image.fromarray(np.full((5, 5), 40_000, np.uint16))),
        "picture: 32 bit": save(Image.fromarray(np.full((5, 5), 1 << 20, np.int32)), "TIFF"),
        "picture: float": save(Image.fromarray(np.full((5, 5), 0.5, np.float32)), "TIFF"),
        "picture: float NaN": save(Image.fromarray(np.full((5, 5), np.nan, np.float32)), "TIFF"),
        "picture: animated": save(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "picture: bomb": bomb(),
        "picture: SVG": b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
        "picture: HEIC": b"\0\0\0\x18ftypheic" + b"\0" * 40,
        "picture: EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
        "picture: broken EXIF": save(
            rgb, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + b"\x01" * 9
        ),
    }
    return cells


def _sounds() -> dict[str, bytes]:
    whole = {format: sound(format=format) for format in SOUND_FORMATS}
    whole["M4A"] = m4a(tone(rate=16000))
    cells = {f"sound: {format}": data for format, data in whole.items()}
    for format, data in whole.items():
        for part in (0.01, 0.3, 0.8):
            cells[f"sound: {part:.0%} of a {format}"] = data[: int(part * len(data))]
        for seed in range(6):
            cells[f"sound: {format} with bytes flipped ({seed})"] = flipped(data, seed)
    header = bytearray(whole["WAV"])
    header[24:28] = struct.pack("<I", 0xFFFF_FFFF)
    nan = np.full(99, np.nan, np.float32)
    cells |= {
        "sound: no samples": sound(np.zeros(0, np.float32)),
        "sound: one sample": sound(np.ones(1, np.float32)),
        "sound: NaN": sound(nan, subtype="FLOAT"),
        "sound: infinite": sound(np.full(99, np.inf, np.float32), subtype="FLOAT"),
        "sound: over full scale": sound(np.full(99, 9.0, np.float32), subtype="FLOAT"),
        "sound: 8 channels": sound(np.zeros((99, 8), np.float32)),
        "sound: 200 channels": sound(np.zeros((9, 200), np.float32)),
        "sound: 4 GHz": bytes(header),
        "sound: playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n",
        "sound: concat list": b"ffconcat version 1.0\nfile /etc/hostname\n",
    }
    return cells


def _values() -> dict[str, Any]:
    png = base64.b64encode(picture()).decode()
    return {
        "value: absent": None,
        "value: empty text": "",
        "value: blank text": " \n\t",
        "value: text": "a plain text",
        "value: Chinese": "请把客厅的灯打开。",
        "value: emoji and joiners": "👩‍👩‍👧 é \u202e\u200d",
        "value: zero bytes": "a\0b\x01c",
        "value: half a surrogate pair": "a\ud800b",
        "value: a megabyte of words": "word " * 200_000,
        "value: a megabyte without a space": "x" * 1_000_000,
        "value: a megabyte of separators": ";" * 1_000_000,
        "value: special tokens": "<start><pad>[CLS]</s>",
        "value: bytes that aren't UTF-8": b"\xff\xfe\x80abc",
        "value: no bytes": b"",
        "value: noise": np.random.default_rng(0).bytes(5000),
        "value: zero": 0,
        "value: true": True,
        "value: NaN": float("nan"),
        "value: infinite": float("inf"),
        "value: a huge integer": 10**400,
        "value: a huge float": 1.7e308,
        "value: number in text": " 3.50 ",
        "value: number with commas": "1,234,567.8",
        "value: ambiguous number": "1,234",
        "value: infinite in text": "-Infinity",
        "value: number with underscores": "1_000",
        "value: a million digits": "9" * 1_000_000,
        "value: list": ["a", "b", "a"],
        "value: empty list": [],
        "value: list of anything": [None, 3, 3.0, True, ""],
        "value: nested list": [["a"], {"b": 1}],
        "value: date": "2024-01-31T10:30",
        "value: vector": [0.5, -1.25, 3.0],
        "value: vector with NaN": [0.5, float("nan"), float("inf")],
        "value: vector in text": "[0.5, -1.25, 3]",
        "value: series": [[0.5, 1.0], [None, 2.0]],
        "value: series in text": "time,a,b\n0,1,2\n0.5,,3\n",
        "value: dict": {"bytes": None, "path": None},
        "value: dict of bytes": {"bytes": b"\x89PNG", "path": "x.png"},
        "value: object": object(),
        "uri: picture": f"data:image/png;base64,{png}",
        "uri: without base64": "data:text/plain,hello%20world",
        "uri: with a foreign character": f"data:image/png;base64,{png[:40]}*{png[40:]}",
        "uri: cut off": f"data:image/png;base64,{png[:41]}",
        "uri: without a comma": "data:image/png;base64",
        "uri: empty": "data:,",
        "base64: picture": png,
        "url: of another machine": "https://localhost:1/x.png",
        "path: outside": "../../../../etc/passwd",
    }
