"""Modules whose buffers are fitted without gradients."""

from typing import Any

import torch
from torch import Tensor, nn


class Fitted(nn.Module):
    """Its buffers are empty until `fit` fills them; loading weights gives them the shapes they were
    saved with."""

    def __init__(self, **dtypes: torch.dtype):
        super().__init__()
        for name, dtype in dtypes.items():
            self.register_buffer(name, torch.empty(0, dtype=dtype))
        self.register_load_state_dict_pre_hook(_reshape)

    def fill(self, **buffers: Any) -> None:
        """Set buffers, in the types that they were declared with."""
        for name, value in buffers.items():
            old: Tensor = getattr(self, name)
            setattr(self, name, torch.as_tensor(value).to(old.dtype).to(old.device).contiguous())


def _reshape(module: nn.Module, weights: dict[str, Tensor], prefix: str, *_: Any) -> None:
    for name, buffer in list(module.named_buffers(recurse=False)):
        saved = weights.get(prefix + name)
        if saved is not None and saved.shape != buffer.shape:
            setattr(module, name, buffer.new_empty(saved.shape))
