"""Clips per second that Whisper's encoder reads, filled with silence to a few seconds, against the
30 s that it was trained with.

A model of the size of Whisper base with random weights (time doesn't depend on them), clips of 1 s.

python bench/fill.py
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from side_by_side import options, show, speed
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

from mmbm.kinds.audio.spec import AudioSpec
from mmbm.kinds.column import build, collate
from mmbm.layers.batch import Field
from mmbm.nn.modalities import Modality

RATE, CLIPS = 16000, 4
FILLS = (2.5, 5.0, 10.0)


def base(folder: Path) -> Path:
    config = WhisperConfig(
        d_model=512, encoder_layers=6, encoder_attention_heads=8, encoder_ffn_dim=2048,
        decoder_layers=1, decoder_attention_heads=8,
    )  # fmt: skip
    WhisperModel(config).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    return folder


def reader(model: Path, fill: float | None):
    """Reads the same clips each time that it is called."""
    encoder = {"kind": "pretrained", "model": str(model), "tune": "frozen", "pad_to_seconds": fill}
    spec = AudioSpec.model_validate({"kind": "audio", "seconds": 1, "encoder": encoder})
    column = build(spec)
    column.fit([])
    modality = Modality("speech", spec, {"speech": column}, 64).eval()
    noise = np.random.default_rng(0).normal(0, 3000, (CLIPS, RATE)).astype(np.int16)
    field = Field(*map(torch.from_numpy, collate(column.storage, list(noise))))

    def read(_: int) -> None:
        with torch.inference_mode():
            modality.encode(field)

    return read


def main() -> None:
    parser = options(__doc__)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        model = base(Path(folder) / "model")
        whole = reader(model, None)
        ratios = [
            speed(f"{fill:g} s", reader(model, fill), whole, CLIPS, "clips/s", turns=5)
            for fill in FILLS
        ]
    show("Whisper base: filled to a few seconds / to 30", ratios, given.json)


if __name__ == "__main__":
    main()
