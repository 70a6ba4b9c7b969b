"""What a column keeps of a pretrained model's folder, so that a bundle needs no other files."""

import json
from pathlib import Path
from typing import Any

from PIL.Image import Resampling
from safetensors import SafetensorError, safe_open

from mmbm.errors import ConfigError, MissingExtra
from mmbm.kinds.column import State
from mmbm.kinds.image.spec import ImageSpec
from mmbm.kinds.text.spec import PretrainedDecoderSpec, TextSpec
from mmbm.specs.encoders import PretrainedSpec

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
PREPROCESSOR = "preprocessor_config.json"
SOUNDS = ("wav2vec2", "whisper")
TEXTS = ("bert", "distilbert", "electra", "roberta", "xlm-roberta")
PICTURES = ("vit", "dinov2", "convnext", "resnet", "efficientnet-lite0")
"""Values of `model_type`, by the kind of input."""
TIMM = "timm"
"""Replaces `model_type` for timm's folders, which name an `architecture` instead."""
OFFSET = ("roberta", "xlm-roberta")
"""Models whose positions begin after the id of padding."""
SMALLEST = 32
"""Pixels: the smallest side that five halvings leave one position of."""


def read_folder(spec: PretrainedSpec, known: tuple[str, ...], beside: str = PREPROCESSOR) -> State:
    """`config`, and `preprocessor`, its preprocessing. Raises ConfigError.

    known: values of `model_type` that an input of this kind supports.
    beside: the preprocessing file next to config.json; a tokenizer is read elsewhere.
    """
    assert spec.model is not None  # a bundle's is, and its columns are fitted
    folder = Path(spec.model)
    config = read_json(folder, "config.json")
    if config.get("model_type") not in known:
        raise ConfigError(
            f"{folder} is a {config.get('model_type')!r} model; this input is read by "
            f"{' or '.join(known)}."
        )
    _check_weights(folder)
    return {"config": config, "preprocessor": read_json(folder, beside)}


def _check_weights(folder: Path) -> None:
    files = [WEIGHTS, f"{WEIGHTS}.index.json"]
    if not any((folder / name).is_file() for name in files):
        raise ConfigError(
            f"{folder} has no {WEIGHTS}. Pickled weights (.bin) are never opened: save the model "
            "again with save_pretrained(folder)."
        )
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, "np"):  # reads the header, which has the file's length
                pass
        except (SafetensorError, OSError) as error:
            raise ConfigError(
                f"{file} is damaged or cut off ({error}). Fetch or copy it again."
            ) from error


def read_text_model(spec: TextSpec, encoder: PretrainedSpec) -> State:
    """`config`, checked against the input. Raises ConfigError."""
    config = read_folder(encoder, TEXTS, TOKENIZER)["config"]
    most = config.get("max_position_embeddings", 512)
    if config["model_type"] in OFFSET:
        most -= config.get("pad_token_id", 1) + 1
    if spec.max_tokens > most:
        raise ConfigError(
            f"max_tokens: its encoder reads {most} at most, not {spec.max_tokens}; write "
            f"max_tokens: {most}."
        )
    return {"config": config}


def check_vocab_size(
    encoder: PretrainedSpec | PretrainedDecoderSpec, learned: State, vocab_size: int
) -> None:
    """Raises ConfigError if the tokenizer gives ids without an embedding in the model."""
    if (size := learned["config"].get("vocab_size", vocab_size)) < vocab_size:
        raise ConfigError(
            f"{encoder.model}: its {TOKENIZER} has {vocab_size} tokens, and its model knows "
            f"{size}; they are not of the same model."
        )


PLACE = "\ue000"  # private use: in no template
"""Placeholder of the prompt while a chat template is rendered."""


def read_writer(decoder: PretrainedDecoderSpec) -> State:
    """For a causal language model: `config`, the ids `opening` and `closing` around the prompt,
    from its chat template, the id `start` after which it generates and the id `end` that ends a
    text. Raises ConfigError."""
    assert decoder.model is not None
    folder = Path(decoder.model)
    config = read_json(folder, "config.json")
    _check_weights(folder)
    read_json(folder, TOKENIZER)
    try:
        from transformers import AutoTokenizer
        from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    except ModuleNotFoundError as error:
        raise MissingExtra("A pretrained model", "hub") from error
    if (kind := config.get("model_type")) not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise ConfigError(f"{folder} is a {kind!r} model, which is no causal language model.")
    told = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if told.eos_token_id is None:
        raise ConfigError(
            f"{folder}: its tokenizer_config.json names no eos_token, so where a text ends isn't "
            "known."
        )
    before, after = "", ""
    if told.chat_template:
        asked = [{"role": "user", "content": PLACE}]
        whole = told.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
        before, _, after = str(whole).partition(PLACE)
    first, last = (told.encode(part, add_special_tokens=False) for part in (before, after))
    begin = told.eos_token_id if told.bos_token_id is None else told.bos_token_id
    *last, start = last or [begin]
    return {"config": config, "opening": first, "closing": last, "start": start,
            "end": told.eos_token_id}  # fmt: skip


def read_picture_model(spec: ImageSpec, encoder: PretrainedSpec) -> State:
    """`config` and `preprocessor`, checked against the input. Raises ConfigError."""
    assert encoder.model is not None
    config = read_json(Path(encoder.model), "config.json")
    timm = "architecture" in config and "model_type" not in config
    state = _read_timm(encoder.model, config) if timm else read_folder(encoder, PICTURES)
    config, told = state["config"], state["preprocessor"]
    for name in ("image_mean", "image_std"):
        if told.get("do_normalize", True) and len(told.get(name) or ()) != 3:
            raise ConfigError(
                f"{encoder.model}: its {PREPROCESSOR} has no {name} of three channels, so how its "
                "pictures are normalised isn't known."
            )
    if (channels := config.get("num_channels", 3)) != spec.channels:
        raise ConfigError(f"channels: its encoder reads {channels}, not {spec.channels}.")
    size = config.get("image_size")
    high, wide = (size, size) if isinstance(size, int) else size or (0, 0)
    fixed = config["model_type"] == "vit" or (timm and size)
    if fixed and (spec.height, spec.width) != (high, wide):
        raise ConfigError(
            f"size: its encoder reads {high}x{wide} pixels, not {spec.height}x{spec.width}; write "
            f"size: {high if high == wide else [high, wide]}."
        )
    step = config["patch_size"] if config["model_type"] == "dinov2" else 1
    if min(spec.height, spec.width) < SMALLEST or spec.height % step or spec.width % step:
        whole = f", in whole patches of {step}" if step > 1 else ""
        raise ConfigError(
            f"size: its encoder reads {SMALLEST} pixels a side at least{whole}, not "
            f"{spec.height}x{spec.width}."
        )
    return state


def _read_timm(model: str, config: dict[str, Any]) -> State:
    """The values of timm's config.json under the names of transformers."""
    _check_weights(Path(model))
    told = config.get("pretrained_cfg") or {}
    how = str(told.get("interpolation", "bicubic"))  # timm's own default
    if how.upper() not in Resampling.__members__:
        raise ConfigError(f"{model}: how its pictures are resized, {how!r}, isn't known.")
    channels, *size = told.get("input_size") or (3, 224, 224)
    kept = {
        "model_type": TIMM,
        "architecture": config["architecture"],
        "options": config.get("model_args") or {},
        "num_channels": channels,
        "image_size": size if told.get("fixed_input_size") else None,
    }
    normalising = {"image_mean": told.get("mean"), "image_std": told.get("std")}
    resample = int(Resampling[how.upper()])
    return {"config": kept, "preprocessor": {**normalising, "resample": resample}}


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """One of the folder's files. Raises ConfigError."""
    try:
        told = json.loads((folder / name).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigError(
            f"{folder} has no {name}; `model` names a folder that save_pretrained wrote, "
            "of a model with its tokenizer or feature extractor."
        ) from error
    except (ValueError, OSError) as error:
        raise ConfigError(f"{folder / name} can't be read: {error}") from error
    if not isinstance(told, dict):
        raise ConfigError(
            f"{folder / name} holds {type(told).__name__}, where names and values are."
        )
    return told
