"""What a column keeps of a Hugging Face model's folder, so that a bundle stands alone."""

import json
from pathlib import Path
from typing import Any

from mmbm.columns import State
from mmbm.config import PretrainedSpec
from mmbm.errors import ConfigError

WEIGHTS = "model.safetensors"


def read_folder(spec: PretrainedSpec, known: tuple[str, ...]) -> State:
    """`config`, and `preprocessor`, how it wants its input. Raises ConfigError.

    known: values of `model_type` that an input of this kind can be read by.
    """
    assert spec.model is not None  # a bundle's is, and its columns are fitted
    folder = Path(spec.model)
    config = _json(folder, "config.json")
    if config.get("model_type") not in known:
        raise ConfigError(
            f"{folder} is a {config.get('model_type')!r} model; this input is read by "
            f"{' or '.join(known)}."
        )
    files = [WEIGHTS, f"{WEIGHTS}.index.json"]
    if not any((folder / name).is_file() for name in files):
        raise ConfigError(
            f"{folder} has no {WEIGHTS}. Pickled weights (.bin) are never opened: save the model "
            "again with save_pretrained(folder)."
        )
    return {"config": config, "preprocessor": _json(folder, "preprocessor_config.json")}


def _json(folder: Path, name: str) -> dict[str, Any]:
    try:
        return json.loads((folder / name).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigError(
            f"encoder.model: {folder} has no {name}; it names a folder that save_pretrained wrote, "
            "of a model and of its feature extractor."
        ) from error
    except (ValueError, OSError) as error:
        raise ConfigError(f"{folder / name} can't be read: {error}") from error
