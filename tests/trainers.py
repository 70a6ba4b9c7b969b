"""A trainer before its first step, and an epoch of it."""

import torch

from mmbm.config import load as configfile
from mmbm.data.prepare import prepare
from mmbm.nn.model import Model
from mmbm.training.run_folder import Run
from mmbm.training.trainer import Trainer


def trainer_of(made: dict, folder) -> Trainer:
    config = configfile.parse(made)
    data = prepare(config, folder / "prepared")
    torch.manual_seed(0)
    model = Model(config, data.columns)
    return Trainer(config, model, data, Run(folder, config))


def an_epoch(trainer: Trainer, epoch: int) -> None:
    for batch in trainer.batches(epoch):
        trainer.update(batch)
