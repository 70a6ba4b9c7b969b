"""What ten lines of scikit-learn answer on the same rows: the yardsticks of `bench/quality.py`.

TF-IDF of words and of characters, one-hot categories and numbers, statistics of pictures and of
sounds; a linear model over each and over all of them, and boosted trees over the table and over the
principal components of the rest. What a model chooses (C, alpha, leaves) it chooses by
cross-validation inside the rows that it is given, by the metric that is asked for.
"""

import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from PIL import Image
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tasks import Cut, Row, Task

SCORING = {
    "accuracy": "accuracy", "balanced accuracy": "balanced_accuracy", "auc": "roc_auc",
    "r2": "r2", "r2 of log": "r2",
}  # fmt: skip
COMPONENTS = 30
"""Of each representation, for trees (arXiv 2605.10616)."""
WIDEST = 256
"""Principal components of a picture's or a sound's statistics, for linear models."""
BANDS, COEFFICIENTS = 40, 20


class Said(NamedTuple):
    """What a model answers on the held rows."""

    answers: list[str] | list[float]
    scores: list[float]
    """Probability of the positive class, where there is one."""
    truth: list[float]
    """Probability of the right class; empty for numbers."""
    seconds: float
    """Of processor time."""


# --- statistics of media ----------------------------------------------------------------------


def picture_statistics(path: Path) -> np.ndarray:
    """Colours of 32 x 32 squares, a histogram of colours, histograms of gradients. [F]"""
    with Image.open(path) as file:
        picture = file.convert("RGB")
    squares = np.asarray(picture.resize((32, 32), Image.Resampling.BOX), np.float32) / 255
    pixels = np.asarray(picture.resize((64, 64), Image.Resampling.BOX), np.float32) / 255
    colours, _ = np.histogramdd(pixels.reshape(-1, 3), bins=(4, 4, 4), range=[(0, 1)] * 3)
    parts = [squares.ravel(), np.sqrt(colours.ravel() / 64**2), gradients(pixels.mean(-1)).ravel()]
    return np.concatenate(parts).astype(np.float32)


def gradients(grey: np.ndarray) -> np.ndarray:
    """How strong edges of nine directions are in 8 x 8 cells, each cell to length one. [64, 9]"""
    down, right = np.gradient(grey)  # [64, 64]
    strength = np.hypot(down, right)
    direction = (np.arctan2(down, right) % np.pi * 9 / np.pi).astype(int) % 9
    edges = strength[..., None] * np.eye(9)[direction]  # [64, 64, 9]
    cells = edges.reshape(8, 8, 8, 8, 9).sum((1, 3)).reshape(64, 9)
    return cells / (np.linalg.norm(cells, axis=-1, keepdims=True) + 0.1)


def sound_statistics(path: Path) -> np.ndarray:
    """Mean, spread, slope and mean step of log-mel bands and of their cosines; the length. [F]"""
    wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mels = log_mel(wave.mean(1), rate)  # [T, BANDS]
    k = np.arange(COEFFICIENTS)[:, None] * (np.arange(BANDS) + 0.5) * np.pi / BANDS
    frames = np.concatenate([mels, mels @ np.cos(k).T / BANDS], 1)  # [T, BANDS + COEFFICIENTS]
    at = np.linspace(-1, 1, len(frames))[:, None]
    steps = np.abs(np.diff(frames, axis=0)).mean(0) if len(frames) > 1 else 0 * frames[0]
    slope = (at * frames).mean(0) / max((at**2).mean(), 1e-9)
    length = [np.log(len(wave) / rate + 1e-3)]
    return np.concatenate([frames.mean(0), frames.std(0), slope, steps, length]).astype(np.float32)


def log_mel(wave: np.ndarray, rate: int) -> np.ndarray:
    """Log energies of 25 ms windows every 10 ms in bands of the mel scale. [T, BANDS]"""
    size, hop = rate // 40, rate // 100
    wave = np.pad(wave, (0, max(0, size - len(wave))))
    windows = np.lib.stride_tricks.sliding_window_view(wave, size)[::hop] * np.hanning(size)
    power = np.abs(np.fft.rfft(windows, 512 * (1 + size // 512))) ** 2  # [T, bins]
    hertz = np.linspace(0, rate / 2, power.shape[1])
    low, high = 2595 * np.log10(1 + np.array([50, rate / 2]) / 700)
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    rise = (hertz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - hertz) / (edges[2:] - edges[1:-1])[:, None]
    bands = np.clip(np.minimum(rise, fall), 0, None)  # [BANDS, bins]
    return np.log(power @ bands.T + 1e-6)


def statistics(task: Task, rows: list[Row], kept: Path) -> dict[str, np.ndarray]:
    """Of all pictures and all sounds of a table; kept in a file per column. {modality: [N, F]}"""
    readers: dict[str, Callable[[Path], np.ndarray]] = {
        "pictures": picture_statistics,
        "sounds": sound_statistics,
    }
    return {
        kind: np.concatenate(
            [column(task, rows, c, readers[kind], kept) for c in task.modalities[kind]], 1
        )
        for kind in readers
        if kind in task.modalities
    }


def column(
    task: Task, rows: list[Row], name: str, reader: Callable[[Path], np.ndarray], kept: Path
) -> np.ndarray:
    file = kept / f"{task.folder}-{name}.npy"
    if file.exists():
        return np.load(file)
    read: dict[str, np.ndarray] = {}
    for row in rows:
        if row[name] not in read:
            read[row[name]] = reader(task.root / row[name])
    kept.mkdir(parents=True, exist_ok=True)
    values = np.stack([read[row[name]] for row in rows])
    np.save(file, values)
    return values


# --- representations of fitted and held rows ---------------------------------------------------


class Block(NamedTuple):
    """One representation: of the rows that a model is fitted on, and of the held ones. [N, F]"""

    fit: Any
    held: Any

    def even(self) -> "Block":
        """Rows of length one on the average, so that blocks side by side have an equal say."""
        length = float(np.sqrt(self.fit.multiply(self.fit).sum(1).mean())) if sparse.issparse(
            self.fit
        ) else float(np.sqrt((self.fit**2).sum(1).mean()))  # fmt: skip
        return Block(self.fit / max(length, 1e-9), self.held / max(length, 1e-9))


def text_block(task: Task, fit: list[Row], held: list[Row], **options: Any) -> Block:
    parts = []
    for name in task.texts:
        tfidf = TfidfVectorizer(sublinear_tf=True, **options)
        learned = tfidf.fit_transform([row[name] for row in fit])
        parts.append((learned, tfidf.transform([row[name] for row in held])))
    return Block(*(sparse.hstack(side, "csr") for side in zip(*parts)))


def media_block(values: np.ndarray, fit: list[int], held: list[int]) -> Block:
    """Standardised and turned to the directions in which rows differ."""
    count = min(WIDEST, len(fit) - 1, values.shape[1])
    turn = make_pipeline(StandardScaler(), PCA(count, random_state=0))
    return Block(turn.fit_transform(values[fit]), turn.transform(values[held]))


def table_cells(task: Task, rows: list[Row]) -> np.ndarray:
    """Numbers, NaN where there is none, then categories as strings. [N, columns] of objects"""
    cells = np.empty((len(rows), len(task.numbers) + len(task.categories)), object)
    for i, row in enumerate(rows):
        cells[i] = [float(row[n]) if row[n] else np.nan for n in task.numbers] + [
            row[c] for c in task.categories
        ]
    return cells


def table_block(task: Task, fit: np.ndarray, held: np.ndarray) -> Block:
    """Categories one-hot; numbers standardised, with a column that says which are missing."""
    numbers = list(range(len(task.numbers)))
    categories = list(range(len(numbers), fit.shape[1]))
    filled = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    onehot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    table = ColumnTransformer([("n", filled, numbers), ("c", onehot, categories)])
    return Block(table.fit_transform(fit), table.transform(held))


def codes(task: Task, fit: np.ndarray, held: np.ndarray) -> Block:
    """As trees read a table: numbers as they are, categories by how frequent they are."""
    sides = [np.array(side, object) for side in (fit, held)]
    for c in range(len(task.numbers), fit.shape[1]):
        values, counts = np.unique(fit[:, c].astype(str), return_counts=True)
        place = {v: i for i, v in enumerate(values[np.argsort(-counts)])}
        for side in sides:
            side[:, c] = [place.get(v, np.nan) for v in side[:, c]]
    return Block(*(side.astype(float) for side in sides))


def reduced(block: Block) -> Block:
    """The first principal components, for trees."""
    count = min(COMPONENTS, block.fit.shape[1] - 1, block.fit.shape[0] - 1)
    kind = TruncatedSVD if sparse.issparse(block.fit) else PCA
    turn = kind(count, random_state=0)
    return Block(turn.fit_transform(block.fit), turn.transform(block.held))


def blocks(
    task: Task, rows: list[Row], fit: list[int], held: list[int], media: dict[str, np.ndarray]
) -> tuple[dict[str, Block], Block | None]:
    """Every representation for linear models, and the table as trees read it."""
    some, others = [rows[i] for i in fit], [rows[i] for i in held]
    found, coded = {}, None
    if task.texts:
        found["words"] = text_block(task, some, others, ngram_range=(1, 2), token_pattern=r"\w+")
        found["characters"] = text_block(task, some, others, analyzer="char_wb", ngram_range=(2, 5))
    for kind, values in media.items():
        found[kind] = media_block(values, fit, held)
    if "table" in task.modalities:
        cells = table_cells(task, some), table_cells(task, others)
        found["table"], coded = table_block(task, *cells), codes(task, *cells)
    return {name: block.even() for name, block in found.items()}, coded


# --- models --------------------------------------------------------------------------------------


def yardsticks(
    task: Task, rows: list[Row], cut: Cut, media: dict[str, np.ndarray], done: set[str]
) -> Iterator[tuple[str, Said]]:
    """Each yardstick that isn't done: its name, and what it answers on the held rows."""
    fit = cut.train + cut.valid
    found, coded = blocks(task, rows, fit, cut.held, media)
    linear = {name: [block] for name, block in found.items()}
    if len(found) > 1:
        linear["all"] = list(found.values())
    trees = {"table": [coded]} if coded else {}
    if len(found) > 1 or not coded:
        rest = [block for name, block in found.items() if name != "table"]
        trees["all"] = [*([coded] if coded else []), *map(reduced, rest)]
    for kind, models in (("linear", linear), ("trees", trees)):
        for name, parts in models.items():
            if f"{name}, {kind}" not in done:
                joined = Block(*(join(side) for side in zip(*parts)))
                yield f"{name}, {kind}", said(task, rows, cut, joined, kind == "trees")


def join(parts: tuple[Any, ...]) -> Any:
    if any(sparse.issparse(p) for p in parts):
        return sparse.hstack([sparse.csr_matrix(p) for p in parts], "csr")
    return np.concatenate(parts, 1)


def said(task: Task, rows: list[Row], cut: Cut, block: Block, trees: bool) -> Said:
    start = time.process_time()
    fit = cut.train + cut.valid
    truth = np.array([rows[i][task.target] for i in fit])
    balanced = "balanced" if task.metric == "balanced accuracy" else None
    if task.number:
        truth = truth.astype(float)
        logarithm = task.metric == "r2 of log" or long_tailed(truth)
        model = HistGradientBoostingRegressor(random_state=0) if trees else Ridge()
        found = search(task, rows, fit, model, trees)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.fit(block.fit, np.log(truth) if logarithm else truth)
        answers = found.predict(block.held)
        answers = (np.exp(answers) if logarithm else answers).tolist()
        return Said(answers, [], [], time.process_time() - start)
    if trees:
        model = HistGradientBoostingClassifier(class_weight=balanced, random_state=0)
    else:
        model = LogisticRegression(class_weight=balanced, max_iter=300)
    found = search(task, rows, fit, model, trees)
    with warnings.catch_warnings():  # too few of a class for the folds; not quite converged
        warnings.simplefilter("ignore")
        found.fit(block.fit, truth)
    chances, classes = found.predict_proba(block.held), list(found.classes_)
    answers = [classes[i] for i in chances.argmax(1)]
    scores = chances[:, classes.index(task.positive)].tolist() if task.positive else []
    right = [rows[i][task.target] for i in cut.held]
    likely = [float(p[classes.index(r)]) if r in classes else 0.0 for p, r in zip(chances, right)]
    return Said([str(a) for a in answers], scores, likely, time.process_time() - start)


def long_tailed(values: np.ndarray) -> bool:
    return bool(values.min() > 0 and values.max() > 10 * np.median(values))


def search(task: Task, rows: list[Row], fit: list[int], model: Any, trees: bool) -> GridSearchCV:
    """The model with C, alpha or the least rows of a leaf by cross-validation, groups together."""
    if trees:
        grid = {"min_samples_leaf": [5, 20], "max_leaf_nodes": [6, 31]}
    elif task.number:
        grid = {"alpha": [0.01, 0.1, 1.0, 10.0, 100.0, 1000.0]}
    else:
        grid = {"C": [0.1, 1.0, 10.0, 100.0, 1000.0]}
    count = 3 if trees or len(fit) > 1000 else 5
    if task.group:
        names = [rows[i][task.group] for i in fit]
        order = {name: place for place, name in enumerate(dict.fromkeys(names))}
        folds = list(
            GroupKFold(min(count, len(order))).split(names, groups=[order[n] for n in names])
        )
    elif task.number:
        folds = KFold(count, shuffle=True, random_state=0)
    else:
        folds = StratifiedKFold(count, shuffle=True, random_state=0)
    return GridSearchCV(model, grid, scoring=SCORING[task.metric], cv=folds, error_score=0.0)
