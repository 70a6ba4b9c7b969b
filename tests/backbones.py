"""Tiny models of texts and pictures with random weights, saved as their authors save them."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import tiny
import torch

from mmbm.kinds.column import build, collate
from mmbm.kinds.image.spec import ImageSpec
from mmbm.kinds.text.spec import TextSpec
from mmbm.layers.batch import Field
from mmbm.nn.modalities import Modality

PHOTO = 32  # pixels a side
WORDS = ["it", "looks", "red", "green", "blue", "看", "起", "来", "是"]
SPECIAL = {"bert": ("[PAD]", "[CLS]", "[SEP]", "[UNK]"), "roberta": ("<s>", "<pad>", "</s>", "<u>")}


def tokenizer(folder: Path, special: tuple[str, ...]) -> None:
    """A word is a token; a text is between the two special ones, as BERT's are."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from tokenizers.processors import TemplateProcessing

    names = [*special, *WORDS]
    first, last = (special[1], special[2]) if special[0] == "[PAD]" else (special[0], special[2])
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(names)}, unk_token=special[3]))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [(name, names.index(name)) for name in (first, last)]
    made.post_processor = TemplateProcessing(single=f"{first} $A {last}", special_tokens=ends)
    made.enable_padding(length=20)  # as published ones have, which no answer may depend on
    made.save(str(folder / "tokenizer.json"))


def text(kind: str, folder: Path) -> Path:
    import transformers as hf

    size = {"vocab_size": 20, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2,
            "intermediate_size": 48, "max_position_embeddings": 100}  # fmt: skip
    torch.manual_seed(0)
    if kind == "distilbert":
        options = {"vocab_size": 20, "dim": 32, "n_layers": 3, "n_heads": 2, "hidden_dim": 48}
        model = hf.DistilBertModel(hf.DistilBertConfig(**options, max_position_embeddings=100))
    elif kind == "roberta":
        options = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
        model = hf.RobertaModel(hf.RobertaConfig(**size, **options))
    elif kind == "electra":
        model = hf.ElectraModel(hf.ElectraConfig(**size, embedding_size=16))
    else:
        model = hf.BertForMaskedLM(hf.BertConfig(**size))  # with a head that nothing here reads
    model.save_pretrained(folder)
    tokenizer(folder, SPECIAL["roberta" if kind == "roberta" else "bert"])
    return folder


def picture(kind: str, folder: Path) -> Path:
    import transformers as hf

    size = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "patch_size": 8,
            "image_size": PHOTO}  # fmt: skip
    small = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
    torch.manual_seed(0)
    model = {
        "vit": lambda: hf.ViTModel(hf.ViTConfig(**size, intermediate_size=48)),
        "dinov2": lambda: hf.Dinov2Model(hf.Dinov2Config(**size, mlp_ratio=2)),
        "convnext": lambda: hf.ConvNextModel(hf.ConvNextConfig(**small)),
        "resnet": lambda: hf.ResNetModel(
            hf.ResNetConfig(embedding_size=8, layer_type="basic", **small)
        ),
    }[kind]()
    model.save_pretrained(folder)
    told = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.25, 0.3], "resample": 2,
            "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
            "do_resize": True, "size": {"height": PHOTO, "width": PHOTO}}  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(told))
    return folder


TIMM = (
    "timm/test_vit",
    "timm/test_resnet",
    "timm/test_efficientnet",
    "timm/swin_tiny_patch4_window7_224",
)
"""Of each way that timm's networks give what they see."""


def timm(name: str, folder: Path) -> Path:
    """A network of timm's with random weights, saved as its hub has them."""
    import timm
    from timm.models import save_for_hf

    options: dict = {}
    if "vit" in name:
        options = {"img_size": PHOTO, "patch_size": 8}
    elif "swin" in name:
        options = {"img_size": PHOTO, "embed_dim": 12, "depths": [1, 1, 1, 1], "window_size": 4,
                   "num_heads": [1, 1, 2, 2]}  # fmt: skip
    torch.manual_seed(0)
    model = timm.create_model(name.removeprefix("timm/"), **options)
    save_for_hf(model, str(folder), model_args=options, safe_serialization=True)
    cfg = json.loads((folder / "config.json").read_text())["pretrained_cfg"]
    told = {"input_size": [3, PHOTO, PHOTO], "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3],
            "interpolation": "bilinear", "crop_pct": 1.0}  # fmt: skip
    damage(folder, "config.json", pretrained_cfg={**cfg, **told})
    return folder


def lite(folder: Path) -> Path:
    """EfficientNet-Lite0 with random weights, from a file named and shaped as the published one."""
    from mmbm.integrations.weights import import_weights

    file = folder.with_suffix(".pth")
    torch.save(published(), file)
    import_weights(str(file), folder)
    return folder


def published() -> dict[str, torch.Tensor]:
    """Weights under the names of efficientnet_lite_pytorch."""
    from mmbm.nn.encoders.pretrained.lite import EfficientNetLite

    torch.manual_seed(0)
    ours = EfficientNetLite().state_dict()
    generator = torch.Generator().manual_seed(1)
    for name in [n for n in ours if n.endswith("running_mean")]:
        ours[name] = torch.randn(ours[name].shape, generator=generator) * 0.1
    swaps = (
        ("stem.conv", "_conv_stem"), ("stem.norm", "_bn0"), ("head.conv", "_conv_head"),
        ("head.norm", "_bn1"), ("blocks", "_blocks"), ("expand.conv", "_expand_conv"),
        ("expand.norm", "_bn0"), ("depthwise.conv", "_depthwise_conv"), ("depthwise.norm", "_bn1"),
        ("project.conv", "_project_conv"), ("project.norm", "_bn2"),
    )  # fmt: skip
    theirs = {}
    for name, tensor in ours.items():
        for mine, other in swaps:
            name = name.replace(mine, other)
        theirs[name] = tensor
    return {**theirs, "_fc.weight": torch.zeros(10, 1280), "_fc.bias": torch.zeros(10)}


def make(kind: str, folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    if kind == "efficientnet-lite0":
        return lite(folder)
    if kind.startswith("timm/"):
        return timm(kind, folder)
    folder.mkdir()
    return (text if kind in ("bert", "distilbert", "electra", "roberta") else picture)(kind, folder)


def config(table: Path, folder: Path, kind: str, more: dict | None = None, **train) -> dict:
    """One input, read by the model of `folder`; the target is `label`."""
    encoder = {"kind": "pretrained", "model": str(folder), **(more or {})}
    made = tiny.config(table, **{"epochs": 2, **train})
    made["inputs"] = (
        {"remark": {"kind": "text", "max_tokens": 20, "encoder": encoder}}
        if kind == "text"
        else {"photo": {"kind": "image", "size": PHOTO, "encoder": encoder}}
    )
    return made


def damage(folder: Path, name: str, **changes) -> None:
    told = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**told, **changes}))


MODELS = {
    "bert": "text", "distilbert": "text", "electra": "text", "roberta": "text",
    "vit": "image", "dinov2": "image", "convnext": "image", "resnet": "image",
    "efficientnet-lite0": "image",
}  # fmt: skip
if importlib.util.find_spec("timm"):  # in an environment of its own: make test-timm
    MODELS |= dict.fromkeys(TIMM, "image")
SENTENCES = ["red", "it looks blue", "", "看起来是 green it looks", "never seen"]


def modality(named, size: int = PHOTO, max_tokens: int = 20, **more) -> Modality:
    name, folder = named
    encoder = {"kind": "pretrained", "model": str(folder), **more}
    if MODELS[name] == "text":
        spec = TextSpec.model_validate({"max_tokens": max_tokens, "encoder": encoder})
    else:
        spec = ImageSpec.model_validate({"size": size, "encoder": encoder})
    column = build(spec)
    column.fit([])
    made = Modality("x", spec, {"x": column}, 8)
    made.column_of_cells = column  # type: ignore[assignment]
    return made


def cells(one: Modality) -> list[np.ndarray]:
    column = one.column_of_cells
    if column.storage.ragged:
        return [column.decode(text) for text in SENTENCES]
    pixels = np.random.default_rng(0).integers(0, 256, (5, PHOTO, PHOTO, 3))
    return list(pixels.astype(np.uint8))


def field(one: Modality, values: list[np.ndarray]) -> Field:
    return Field(*map(torch.from_numpy, collate(one.column_of_cells.storage, values)))
