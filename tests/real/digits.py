"""A table of spoken digits: recordings of people, and in its train split what espeak-ng says too.

The recordings (the set `fsdd`) stay where they are. What espeak-ng says, in many voices and English
accents, goes through a random microphone and room, with noise, hum and silence around it.

python tests/real/digits.py FOLDER [ROWS]
"""

import csv
import sys
from pathlib import Path

import numpy as np
import soundfile
import soxr
from sets import DATA

from mmbm.demo.dataset import WORDS
from mmbm.demo.speech import VOICES, Utterance, speak

ACCENTS = ("", "-us", "-gb-scotland", "-gb-x-rp", "-029", "-gb-x-gbclan", "-gb-x-gbcwmd")  # en…
RATE = 8000  # Hz, of the recordings
COPIES = 2
"""How often each recording of the train split is in the table: people count more than what is
synthetic."""
CURVE = (0, 150, 300, 600, 1200, 2000, 3000, RATE // 2)
"""Hz where a microphone's gain is drawn."""


def make(
    folder: Path, rows: int, seed: int = 0, test: str = "lucas", valid: str = "george"
) -> Path:
    """Write media and data.csv: audio, label, text, split. -> data.csv

    test, valid: who is heard in those splits alone; the others are trained on.
    """
    parts = {test: "test", valid: "valid"}
    generator = np.random.default_rng(seed)
    (folder / "media").mkdir(parents=True, exist_ok=True)
    source = DATA / "fsdd"
    lines = [["audio", "label", "text", "split"]]
    with (source / "data.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            split = parts.get(row["speaker"], "train")
            line = [str((source / row["audio"]).resolve()), row["label"], row["text"], split]
            lines += [line] * (COPIES if rows and split == "train" else 1)
    said = []
    for i in range(rows):
        file, digit = folder / f"media/{i:05}.wav", i % 10
        voice = f"en{generator.choice(ACCENTS)}+{generator.choice(VOICES)}"
        rate, pitch = generator.integers((120, 20), (230, 80)).tolist()
        said.append(Utterance(str(file), WORDS["en"][digit], voice, rate, pitch))
        lines.append([str(file.relative_to(folder)), str(digit), WORDS["en"][digit], "train"])
    speak(said)
    for one in said:
        wave, rate = soundfile.read(one.file)
        wave = recorded(soxr.resample(wave, rate, RATE), generator)
        soundfile.write(one.file, wave, RATE, subtype="PCM_16")
    with (folder / "data.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    return folder / "data.csv"


def recorded(wave: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """As if by some microphone in some room, at some level. [T] -> [T'], within -1..1"""
    wave = heard_in_a_room(filtered(wave, generator), generator)
    loud = np.sqrt(np.mean(wave**2))
    silence = RATE * np.array([0.15, 0.3]) * generator.random(2) ** 2  # before and after
    wave = np.pad(wave, silence.astype(int))
    wave = wave + decibels(-generator.uniform(15, 60)) * loud * hiss(len(wave), generator)
    if generator.random() < 0.3:
        turns = generator.choice([50, 60]) * np.arange(len(wave)) / RATE + generator.random()
        wave = wave + decibels(-generator.uniform(0, 30)) * loud * np.sin(2 * np.pi * turns)
    return wave * decibels(generator.uniform(-28, -2)) / np.abs(wave).max()


def decibels(gain: np.ndarray | float) -> np.ndarray:
    return 10 ** (np.asarray(gain) / 20)


def filtered(wave: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """By a smooth random gain that may leave out the lowest frequencies."""
    gain = generator.normal(0, 5, len(CURVE))
    gain[0] -= generator.uniform(0, 30)
    size = 2 * len(wave)  # a filter is no circle
    curve = decibels(np.interp(np.fft.rfftfreq(size, 1 / RATE), CURVE, gain))
    return np.fft.irfft(np.fft.rfft(wave, size) * curve)[: len(wave)]


def heard_in_a_room(wave: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Half of them: with an echo that fades in 20 to 150 ms."""
    if generator.random() < 0.5:
        return wave
    size = int(generator.uniform(0.02, 0.15) * RATE)
    echo = generator.normal(0, 1, size) * np.exp(-6 * np.arange(size) / size)
    echo *= generator.uniform(0.05, 0.4) / np.linalg.norm(echo)
    echo[0] = 1  # the sound itself
    return np.convolve(wave, echo)


def hiss(size: int, generator: np.random.Generator) -> np.ndarray:
    """Noise, white or darker, of unit power."""
    spectrum = np.fft.rfft(generator.normal(0, 1, size))
    spectrum *= np.linspace(1, RATE / 2, len(spectrum)) ** -generator.uniform(0, 0.7)
    noise = np.fft.irfft(spectrum, size)
    return noise / np.sqrt(np.mean(noise**2))


if __name__ == "__main__":
    print(make(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2000))
