"""Sounds at another scale, silent or clipped: found by `mmbm init`, told by `mmbm check`."""

from pathlib import Path

import damaged
import numpy as np
import pytest
import soundfile

from mmbm.config.load import load, parse
from mmbm.data.check import check
from mmbm.data.table import open_table
from mmbm.init import infer, to_yaml

TONE = damaged.tone(0.5)


def make(folder: Path, waves: list[np.ndarray], subtype: str = "PCM_16") -> Path:
    lines = ["a,y"]
    for i, wave in enumerate(waves):
        soundfile.write(folder / f"{i}.wav", np.roll(wave, i, 0), 8000, subtype=subtype)
        lines.append(f"{i}.wav,{'ab'[i % 2]}")
    (folder / "t.csv").write_text("\n".join(lines))
    return folder / "t.csv"


@pytest.mark.parametrize(
    ("wave", "subtype", "gain"),
    [
        ((TONE * 32767).astype(np.float32), "FLOAT", 1 / 32768),
        ((TONE * 32767).astype(np.float64), "DOUBLE", 1 / 32768),
        ((TONE * 32767).astype(np.int32), "PCM_32", 65536.0),
        (TONE, "FLOAT", 1.0),
        (TONE * 3, "FLOAT", 1.0),
        (TONE, "PCM_32", 1.0),
    ],
)
def test_another_scale_is_found_written_and_said(wave, subtype, gain, tmp_path: Path):
    inferred = infer(open_table(make(tmp_path, [wave] * 20, subtype)), ["y"])

    assert inferred.inputs["a"].options.get("gain", 1.0) == gain
    assert any("full scale, so gain" in note for note in inferred.warnings) == (gain != 1)
    (tmp_path / "c.yaml").write_text(to_yaml(inferred, tmp_path / "c.yaml"))
    told = check(load(tmp_path / "c.yaml"), tmp_path / "cache", tmp_path / "bad.csv")
    assert any("clipped" in line for line in told) == (np.abs(wave).max() == 1.5)
    assert not any("silent" in line for line in told)


def test_silent_and_clipped_sounds_are_counted_with_the_first_row(tmp_path: Path):
    waves = [TONE] * 14 + [TONE * 0] * 3 + [np.clip(TONE * 4, -1, 1)] * 3
    config = {
        "data": {"table": str(make(tmp_path, waves))},
        "inputs": {"a": {"kind": "audio", "sample_rate": 8000, "seconds": 1}},
        "targets": {"y": "category"},
    }

    told = " ".join(check(parse(config), tmp_path / "cache", tmp_path / "bad.csv"))

    assert "3 of 20 sounds of 'a' are silent after decoding, the first in row 15" in told
    assert "3 of 20 sounds of 'a' are clipped at full scale, the first in row 18" in told
