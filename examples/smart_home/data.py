"""Makes the dataset, an ordinary folder: config.yaml · data.csv · media/*.jpg · media/*.wav.

A row is a room as its camera sees it, what its sensors say, a spoken sentence, and the command that
it means there. No voice, no order of devices and no colour of the wall is in two splits. The same
rows and seed make the same folder.

    python data.py --folder home --rows 8000
"""

import argparse
import csv
import multiprocessing
import os
import shutil
import wave
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

import drawing
import numpy as np
import soxr
from commands import DEPENDING, DEVICES, INTENTS, SWITCHED, Command, Room
from drawing import Look
from PIL import Image, ImageFilter

from mmbm.demo.dataset import PARTS, divide
from mmbm.demo.speech import ACCENTS, VOICES, Espeak, trim

HERTZ = 16000
BEFORE, AFTER = (0.05, 0.35), (0.0, 0.35)
"""Seconds around the speech in a clip: the range of what the voice activity detection leaves."""
SPEAKERS = [name for name in VOICES if not name.startswith("klatt")]
"""Not Klatt's voices, the least human of espeak-ng: the detector doesn't take all that they say for
speech."""
HUES = 24
THERE, ON = 0.7, 0.5  # chances of a device
TOGETHER = 1000
"""Rows of one process; espeak-ng says the same thing twice only in a fresh one."""


class Scene(NamedTuple):
    """Somebody says something in a room."""

    split: str
    look: Look
    room: Room
    intent: str
    sentence: str
    voice: str  # of espeak-ng, accent+variant
    rate: int  # words per minute
    pitch: int  # 0 to 100
    seed: int  # of the noise in the sound and in the picture

    @property
    def command(self) -> Command:
        return INTENTS[self.intent].meaning(self.room)


class Pools(NamedTuple):
    """What a split may draw from."""

    voices: np.ndarray
    orders: np.ndarray
    hues: np.ndarray


def pools(seed: int) -> dict[str, Pools]:
    generator = np.random.default_rng(seed)
    voices = divide(np.array(SPEAKERS), generator)
    orders = divide(np.array(list(permutations(DEVICES))), generator)
    hues = divide(np.arange(HUES) / HUES, generator)
    return {split: Pools(voices[split], orders[split], hues[split]) for split in PARTS}


def draw(
    pool: Pools, split: str, rows: int, generator: np.random.Generator, new: bool = False
) -> list[Scene]:
    """Every intent equally often, but those that depend on more of the room more often.

    new: in sentences that are never trained on.
    """
    names = [*INTENTS, *DEPENDING]
    scenes = []
    for i in range(rows):
        language = str(generator.choice(list(ACCENTS)))
        intent = INTENTS[name := names[i % len(names)]]
        scenes.append(
            Scene(
                split=split,
                look=look(pool, generator),
                room=room(generator),
                intent=name,
                sentence=str(generator.choice(intent.phrasings(language, new))),
                voice=f"{generator.choice(ACCENTS[language])}+{generator.choice(pool.voices)}",
                rate=int(generator.integers(140, 200)),
                pitch=int(generator.integers(35, 66)),
                seed=int(generator.integers(2**32)),
            )
        )
    return [scenes[i] for i in generator.permutation(rows)]


def look(pool: Pools, generator: np.random.Generator) -> Look:
    order = tuple(str(name) for name in generator.choice(pool.orders))
    return Look(order, float(generator.choice(pool.hues)), int(generator.integers(2**32)))


def room(generator: np.random.Generator) -> Room:
    there = [name for name in DEVICES if generator.random() < THERE]
    dim = generator.random() < 0.5
    return Room(
        on={name: bool(generator.random() < ON) for name in there},
        temperature=int(generator.integers(17, 26)),
        light=int(generator.uniform(5, 200) if dim else generator.uniform(450, 2000)),
        hour=int(generator.integers(24)),
    )


def speech(espeak: Espeak, scene: Scene) -> np.ndarray:
    """float32 [T] at HERTZ, within -1 and 1, without silence around it."""
    samples = trim(espeak.say(scene.sentence, scene.voice, scene.rate, scene.pitch))
    resampled = soxr.resample(samples.astype(np.float32), espeak.hertz, HERTZ)
    return resampled / np.abs(resampled).max()


def speak(scenes: list[Scene]) -> list[np.ndarray]:
    """Only in a fresh process is it the same every time."""
    espeak = Espeak()
    return [speech(espeak, scene) for scene in scenes]


def record(
    said: np.ndarray, before: float, after: float, generator: np.random.Generator
) -> np.ndarray:
    """int16 [T]: speech in a room that echoes, before and after it only what hums and rustles.

    before, after: seconds.
    """
    count = round(before * HERTZ) + len(said) + round(after * HERTZ)
    size = 2 ** int(np.ceil(np.log2(count + HERTZ // 2)))
    time = np.arange(HERTZ // 2) / HERTZ
    echo = generator.normal(0, 1, len(time)) * np.exp(-6.9 * time / generator.uniform(0.1, 0.4))
    echo *= generator.uniform(0, 0.3) / np.sqrt(np.square(echo).sum())
    echo[0] = 1  # the direct way
    clean = np.zeros(size)
    clean[round(before * HERTZ) :][: len(said)] = said
    heard = np.fft.irfft(np.fft.rfft(clean) * np.fft.rfft(echo, size), size)[:count]
    noise = background(size, generator)[:count]
    loudness = np.sqrt(np.square(heard).sum() / len(said))
    noise *= loudness * 10 ** (-generator.uniform(18, 40) / 20)  # dB below the speech
    mixed = heard + noise
    mixed *= 32767 * 10 ** (-generator.uniform(1, 18) / 20) / np.abs(mixed).max()
    return np.rint(mixed).astype(np.int16)


def background(size: int, generator: np.random.Generator) -> np.ndarray:
    """Noise from white to pink, in some rooms with the hum of mains. float64 [size], of power 1."""
    hertz = np.fft.rfftfreq(size, 1 / HERTZ)
    shape = np.maximum(hertz, 20) ** -generator.uniform(0, 0.5)  # of amplitude
    noise = np.fft.irfft(np.fft.rfft(generator.normal(0, 1, size)) * shape, size)
    noise /= noise.std()
    if generator.random() < 0.3:
        time = np.arange(size) / HERTZ
        noise += sum(np.sin(2 * np.pi * 50 * k * time) / k for k in (1, 2, 3))
    return noise / noise.std()


def write(work: tuple[Path, int, list[Scene]]) -> None:
    """The media of some scenes, numbered from `first` on."""
    folder, first, scenes = work
    espeak = Espeak()
    for number, scene in enumerate(scenes, first):
        generator = np.random.default_rng(scene.seed)
        picture = drawing.draw(scene.look, scene.room, generator)
        picture.save(folder / f"media/{number:05}.jpg", quality=85)
        said = speech(espeak, scene)
        margins = generator.uniform(*BEFORE), generator.uniform(*AFTER)
        save(folder / f"media/{number:05}.wav", record(said, *margins, generator))


def save(file: Path, samples: np.ndarray) -> None:
    with wave.open(str(file), "wb") as out:
        out.setparams((1, 2, HERTZ, 0, "NONE", ""))  # one channel of two bytes
        out.writeframes(samples.astype("<i2").tobytes())


COLUMNS = (
    *("picture", "sound", "temperature", "light", "hour"),
    *("device", "action", "value", "asked", "seen", "split", "sentence", "voice"),
)


def rows(scenes: Iterable[Scene]) -> list[tuple]:
    """Lines of data.csv. The config doesn't show the model what stands behind `split`."""
    return [
        (
            *(f"media/{number:05}.jpg", f"media/{number:05}.wav"),
            *(scene.room.temperature, scene.room.light, scene.room.hour),
            *(*scene.command, scene.intent, ";".join(seen(scene.room))),
            *(scene.split, scene.sentence, scene.voice),
        )
        for number, scene in enumerate(scenes)
    ]


def seen(room: Room) -> list[str]:
    """Labels: the devices that are there, and those that run."""
    running = [f"{name} on" for name in SWITCHED if room.on.get(name)]
    return [*room.on, *running, *(["curtain open"] if room.on.get("curtain") else [])]


def make(folder: Path, count: int, seed: int) -> list[Scene]:
    """Write the folder, which must be new or empty. Returns its scenes in table order."""
    generator, pool = np.random.default_rng(seed), pools(seed)
    scenes = [
        scene
        for split, part in PARTS.items()
        for scene in draw(pool[split], split, round(count * part), generator)
    ]
    (folder / "media").mkdir(parents=True)
    work = [(folder, i, scenes[i : i + TOGETHER]) for i in range(0, count, TOGETHER)]
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), fresh, max_tasks_per_child=1) as processes:
        list(processes.map(write, work))
    with (folder / "data.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows(scenes)])
    shutil.copyfile(Path(__file__).with_name("config.yaml"), folder / "config.yaml")
    return scenes


def show(file: Path) -> None:
    """Two rooms, above as they are and below with every device switched: a PNG."""
    generator, pool = np.random.default_rng(11), pools(7)["test"]
    sheet = Image.new("RGB", (2 * drawing.WIDTH, 2 * drawing.HEIGHT))
    for i in range(2):
        shape, now = look(pool, generator), room(generator)
        other = now._replace(on={name: not running for name, running in now.on.items()})
        for j, one in enumerate((now, other)):
            picture = drawing.draw(shape, one, np.random.default_rng(i))
            sheet.paste(picture, (i * drawing.WIDTH, j * drawing.HEIGHT))
    smooth = sheet.filter(ImageFilter.MedianFilter(3))  # grain makes a PNG large
    smooth.quantize(128, dither=Image.Dither.NONE).save(file, optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("home"))
    parser.add_argument("--rows", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--show", type=Path, help="only draw some rooms, into this PNG")
    given = parser.parse_args()
    if given.show:
        show(given.show)
    else:
        make(given.folder, given.rows, given.seed)
