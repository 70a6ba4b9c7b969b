"""The state of a training before its first step, and an epoch of it."""

import torch

from mmbm.config import load as configfile
from mmbm.data.prepare import prepare
from mmbm.nn.model import Model
from mmbm.training.run_folder import Run
from mmbm.training.state import TrainState


def state_of(made: dict, folder) -> TrainState:
    config = configfile.parse(made)
    data = prepare(config, folder / "prepared")
    torch.manual_seed(0)
    model = Model(config, data.columns)
    return TrainState(config, model, data.columns, data.splits["train"], Run(folder, config))


def an_epoch(state: TrainState, epoch: int) -> None:
    for batch in state.batches(epoch):
        state.update(batch)
