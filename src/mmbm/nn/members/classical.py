"""The classical members of one target: fitted together, as trees read the linear ones' output."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmbm.console import say, stage
from mmbm.nn.members import Folds, Matrix, OutOfTime, Problem
from mmbm.nn.members.boosting import CLASSES
from mmbm.nn.members.linear import Linear
from mmbm.nn.members.trees import SCORES, Trees
from mmbm.nn.representations import BINS, modality_of
from mmbm.registry import MEMBERS, find


class Classical(nn.Module):
    """Members by name: `linear MODALITY` of each, `linear`, `boosting` and `forest` of all."""

    def __init__(self, kinds: Sequence[str], task: str, size: int, features: dict[str, bool]):
        """kinds: which there are. task, size: of the target. features: representations, and whether
        each is exact."""
        super().__init__()
        self.task, self.size = task, size
        self.modalities = list(dict.fromkeys(map(modality_of, features)))
        names = list(features)
        read = [name for name in names if not name.endswith(f".{BINS}")]  # by trees
        exact = [name for name in names if features[name]]
        built: dict[str, nn.Module] = {}
        self.alone: dict[str, str] = {}  # members that read one modality -> which
        if "linear" in kinds:
            for modality in self.modalities:
                own = [name for name in names if modality_of(name) == modality]
                built[f"linear {modality}"] = Linear(own)
                self.alone[f"linear {modality}"] = modality
            if len(self.modalities) > 1:
                built["linear"] = Linear(names)
        if "boosting" in kinds and task != "multilabel" and size <= CLASSES:
            built["boosting"] = find(MEMBERS["boosting"])(read, exact)
        if "forest" in kinds:
            built["forest"] = find(MEMBERS["forest"])(read, exact, task)
        self.names = list(built)
        self.parts: Any = nn.ModuleList(built.values())

    @property
    def fitted(self) -> list[bool]:
        """Of each member, by `names`; one that was given up may have components of its inputs."""
        own = [part.buffers(recurse=False) for part in self.parts]
        return [any(buffer.numel() for buffer in buffers) for buffers in own]

    def available(self, present: dict[str, Tensor]) -> Tensor:
        """Which members a row has, by the modalities that it has [K, B]."""
        some = torch.stack(list(present.values())).any(0)
        one = self.alone
        return torch.stack([present[one[n]] if n in one else some for n in self.names])

    def forward(self, features: dict[str, Tensor], used: Sequence[bool]) -> list[Tensor | None]:
        """Raw outputs [B, C]; None for unused members."""
        raws: list[Tensor | None] = []
        needed = any(use and isinstance(p, Trees) for use, p in zip(used, self.parts))
        linear = {
            name: part(features)
            for name, part, use in zip(self.names, self.parts, used)
            if isinstance(part, Linear) and (use or (needed and self.scored(name)))
        }
        scores = [contrasts(linear[name]) for name in linear if self.scored(name)]
        for name, part, use in zip(self.names, self.parts, used):
            raw = linear[name] if name in linear else part(features, scores) if use else None
            raws.append(raw if use else None)
        return raws

    def scored(self, name: str) -> bool:
        """Whether trees read this linear member."""
        return name in self.alone and self.size <= SCORES

    def fit(
        self,
        features: dict[str, Matrix],
        problem: Problem,
        folds: Folds,
        end: float = math.inf,
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Fit every member to all rows; returns for each the raw outputs for held-out rows [N, C].
        Those that are not done at `end`, on the monotonic clock, are not fitted; trees read the
        linear ones and are dropped with them. The first one has unlimited time."""
        scores: list[np.ndarray] = []
        late: list[str] = []
        for name, part in zip(self.names, self.parts):
            until = end if name != self.names[0] else math.inf
            try:
                with stage(f"Fitting {name}"):
                    if isinstance(part, Linear):
                        raw = part.fit(features, problem, folds, until)
                        if self.scored(name):
                            scores.append(contrasts(torch.from_numpy(raw)).numpy())
                    elif any(self.scored(one) for one in late):
                        raise OutOfTime
                    else:
                        raw = part.fit(features, scores, problem, folds, until)
            except OutOfTime:
                late.append(name)
            else:
                yield name, raw
        if late:
            say(f"There is no time for these members: {', '.join(late)}.")

    def clear(self, used: Sequence[bool]) -> None:
        """Empty the members that nothing reads."""
        needed = any(use and isinstance(p, Trees) for use, p in zip(used, self.parts))
        for name, part, use in zip(self.names, self.parts, used):
            if use or (needed and self.scored(name)):
                continue
            for module in part.modules():
                for key, buffer in list(module.named_buffers(recurse=False)):
                    setattr(module, key, buffer.new_empty(0))


def contrasts(raw: Tensor) -> Tensor:
    """The features of trees from a linear member: of two classes one difference, of more each minus
    their mean [B, C]."""
    if raw.shape[1] == 2:
        return raw[:, 1:] - raw[:, :1]
    return raw - raw.mean(1, keepdim=True) if raw.shape[1] > 2 else raw
