"""Seconds of an epoch behind a frozen encoder: reading cells anew each time, and from its features,
computed once. An epoch is a pass of training and a look at the valid split.

Models of the published sizes with random weights (time doesn't depend on them): EfficientNet-Lite0
of pictures of 224 pixels, and BERT as small as all-MiniLM-L6-v2.

python bench/frozen.py [ROWS]
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from made import WORDS, picture, sentence
from safetensors.torch import save_file

from mmbm.config import load as configfile
from mmbm.data.prepare import Data, prepare
from mmbm.integrations.weights import lite
from mmbm.kinds.pretrained import PREPROCESSOR, TOKENIZER, WEIGHTS
from mmbm.nn.encoders.pretrained.lite import EfficientNetLite
from mmbm.nn.model import Model
from mmbm.training.feature_cache import cache_frozen_features
from mmbm.training.run_folder import Run
from mmbm.training.trainer import Trainer
from mmbm.training.validator import valid_scores

EPOCHS = 3  # each is measured, and the fastest is told


def lite0(folder: Path) -> dict:
    folder.mkdir()
    save_file(EfficientNetLite().state_dict(), folder / WEIGHTS)
    (folder / "config.json").write_text(json.dumps({"model_type": "efficientnet-lite0"}))
    (folder / PREPROCESSOR).write_text(json.dumps(lite.PREPROCESSOR))
    return {"kind": "image", "size": 224}


def minilm(folder: Path) -> dict:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel

    size = {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536}
    BertModel(BertConfig(num_attention_heads=12, **size)).save_pretrained(folder)
    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="a"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.save(str(folder / TOKENIZER))
    return {"kind": "text"}


def epoch(config, model: Model, data: Data, folder: Path) -> float:
    """Seconds of the fastest of a few epochs."""
    run = Run(folder, config)
    trainer = Trainer(config, model, data, run)
    seconds = []
    for number in range(EPOCHS):
        start = time.perf_counter()
        for batch in trainer.batches(number):
            trainer.update(batch)
        valid_scores(config, data, trainer.model)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 256
    generator = np.random.default_rng(0)
    print("| frozen encoder | epoch, read anew | epoch, from features | times faster | once |")
    print("|---|---|---|---|---|")
    for make in (lite0, minilm):
        torch.manual_seed(0)
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            spec = make(folder / "model")
            encoder = {"kind": "pretrained", "model": str(folder / "model"), "tune": "frozen"}
            cell = (
                (lambda: picture(generator, 256, 256, "JPEG"))
                if make is lite0
                else (lambda: sentence(generator, 60))
            )
            cells = [cell() for _ in range(rows)]
            table = pa.table({"x": cells, "label": [str(i % 3) for i in range(rows)]})
            config = configfile.parse(
                {
                    "data": {"table": "made", "split": {"valid": 0.2, "test": 0.1}},
                    "inputs": {"x": {**spec, "encoder": encoder}},
                    "targets": {"label": {"kind": "category"}},
                    "train": {
                        "batch_size": 32,
                        "epochs": EPOCHS,
                        "threads": 1,
                        "precision": "float32",
                    },
                }
            )
            data = prepare(config, folder / "prepared", table=table)
            model = Model(config, data.columns)
            start = time.perf_counter()
            quick = cache_frozen_features(config, model, data, folder / "prepared")
            once = time.perf_counter() - start
            anew = epoch(config, model, data, folder / "anew")
            cached = epoch(config, model, quick, folder / "cached")
        line = f"{anew:.2f} s | {cached:.3f} s | {anew / cached:.0f} | {once:.1f} s"
        print(f"| {make.__name__}, {rows} rows | {line} |", flush=True)


if __name__ == "__main__":
    main()
