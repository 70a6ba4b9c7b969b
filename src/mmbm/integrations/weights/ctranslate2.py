"""Whisper (Radford et al. 2022) as CTranslate2 keeps it, and with it faster-whisper: `model.bin`.

The format, of little-endian numbers and texts that end with a zero byte, is that of `Model::load`
in CTranslate2's src/models/model.cc, binary version 6. Its names of weights are those of
`WhisperSpec` in its Python package. Of the model the encoder is read.
"""

import re
import struct
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmbm.errors import ConfigError
from mmbm.integrations.weights.opened import Model

VERSION, SPEC = 6, "WhisperSpec"
TYPES = {0: torch.float32, 1: torch.int8, 2: torch.int16, 3: torch.int32, 4: torch.float16,
         5: torch.bfloat16}  # fmt: skip
RATE, HOP, POINTS = 16000, 160, 400
"""Hz and samples: of every Whisper's spectrogram (`whisper/audio.py`)."""

NAMES = {
    "self_attention/layer_norm": "self_attn_layer_norm",
    "self_attention/linear_1": "self_attn.out_proj",
    "ffn/layer_norm": "final_layer_norm", "ffn/linear_0": "fc1", "ffn/linear_1": "fc2",
}  # fmt: skip
"""Parts of a layer, from theirs to those of transformers."""
PARTS = {"gamma": "weight", "beta": "bias"}


def wrote(file: Path) -> bool:
    with file.open("rb") as opened:
        return f"{SPEC}\0".encode() in opened.read(64)


def whisper(file: Path) -> Model:
    """Raises ConfigError."""
    try:
        theirs = read(file.read_bytes())
        return Model(weights := encoder(theirs), *described(theirs, weights))
    except (struct.error, ValueError, KeyError, RuntimeError) as error:
        raise ConfigError(
            f"{file} is no whole Whisper of CTranslate2's binary version {VERSION} in float32, "
            f"float16 or bfloat16: {error}."
        ) from error


def described(
    theirs: dict[str, Tensor], weights: dict[str, Tensor]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """config.json and preprocessor_config.json. Of its decoder nothing is kept."""
    heads = int(theirs["encoder/num_heads"])
    width, bands, _ = weights["encoder.conv1.weight"].shape
    places = len(weights["encoder.embed_positions.weight"])
    config = {
        "model_type": "whisper", "d_model": width, "num_mel_bins": bands,
        "encoder_layers": layers(theirs), "encoder_attention_heads": heads,
        "encoder_ffn_dim": len(weights["encoder.layers.0.fc1.bias"]),
        "max_source_positions": places, "max_target_positions": 1,
        "decoder_layers": 0, "decoder_attention_heads": heads, "decoder_start_token_id": 0,
        "vocab_size": 1, "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0,
    }  # fmt: skip
    seconds = 2 * places * HOP // RATE
    return config, {"feature_size": bands, "sampling_rate": RATE, "hop_length": HOP,
                    "n_fft": POINTS, "chunk_length": seconds}  # fmt: skip


def read(data: bytes) -> dict[str, Tensor]:
    """All that is in the file, by CTranslate2's names. Raises ValueError and struct.error."""
    at = 0

    def take(form: str) -> tuple[int, ...]:
        nonlocal at
        found = struct.unpack_from(f"<{form}", data, at)
        at += struct.calcsize(f"<{form}")
        return found

    def text() -> str:
        nonlocal at
        (size,) = take("H")
        at += size
        return data[at - size : at - 1].decode()

    (version,) = take("I")
    if version != VERSION or text() != SPEC:
        raise ValueError(f"its version is {version}")
    _, count = take("II")
    found = {}
    for _ in range(count):
        name, (rank,) = text(), take("B")
        shape = take(f"{rank}I")
        kind, size = take("BI")
        if kind not in TYPES:
            raise ValueError(f"{name} has numbers of an unknown type {kind}")
        if at + size > len(data):
            raise ValueError(f"it is cut off in {name}")
        raw = torch.frombuffer(bytearray(data[at : at + size]), dtype=TYPES[kind])
        found[name] = raw.reshape(shape)
        at += size
    for _ in range(*take("I")):  # weights that are equal are kept once
        name, same = text(), text()
        found[name] = found[same]
    return found


def layers(theirs: dict[str, Tensor]) -> int:
    return len([name for name in theirs if re.fullmatch(r"encoder/.*/ffn/linear_0/weight", name)])


def encoder(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's weights by the names of transformers, in float32."""

    def get(name: str) -> Tensor:
        if not (found := theirs[f"encoder/{name}"]).is_floating_point():
            raise ValueError(f"encoder/{name} is quantised")
        return found.float()

    ours = {"encoder.embed_positions.weight": get("position_encodings/encodings")}

    def keep(their: str, our: str, parts: tuple[str, str] = ("weight", "bias")) -> None:
        for part in parts:
            ours[f"encoder.{our}.{PARTS.get(part, part)}"] = get(f"{their}/{part}")

    keep("conv1", "conv1")
    keep("conv2", "conv2")
    keep("layer_norm", "layer_norm", ("gamma", "beta"))
    for i in range(layers(theirs)):
        for their, our in NAMES.items():
            parts = ("gamma", "beta") if "norm" in their else ("weight", "bias")
            keep(f"layer_{i}/{their}", f"layers.{i}.{our}", parts)
        split = [get(f"layer_{i}/self_attention/linear_0/{p}").chunk(3) for p in ("weight", "bias")]
        for name, weight, bias in zip("qkv", *split):
            ours[f"encoder.layers.{i}.self_attn.{name}_proj.weight"] = weight
            if name != "k":  # it has none, and zeros stand for it here
                ours[f"encoder.layers.{i}.self_attn.{name}_proj.bias"] = bias
    return ours
