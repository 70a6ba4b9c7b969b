"""`train`: epochs, steps, precision and device."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PositiveInt

from mmbm.specs.base import Fraction, Positive, Spec, component


class MixupSpec(Spec):
    """Rows of a batch are blended in pairs, and so are their targets' losses: fewer rows then say
    more, and the model is less sure where none is."""

    kind: Literal["mixup", "cutmix", "manifold"] = "mixup"
    """mixup: two pictures shine through one another (Zhang et al. 2018). cutmix: a rectangle of one
    is pasted into the other (Yun et al. 2019). manifold: the encoders' tokens of all inputs are
    blended (manifold mixup, Verma et al. 2019), so that any kind of input goes."""
    alpha: Positive = 0.2
    """How even: the share of the one row is drawn from Beta(alpha, alpha)."""


class SelfTrainingSpec(Spec):
    """A second round from the beginning, on rows whose target cell is empty too: they get the class
    that the first round's model is sure of (Lee 2013; Xie et al. 2020)."""

    threshold: Fraction = 0.9
    """Least probability, after calibration on the valid split, of a class that is taken."""


class TrainSpec(Spec):
    preset: Literal["quick", "balanced", "best"] = "balanced"
    """How much is tried. quick: classical members alone, in about a minute for some hundreds of
    rows; of more than 5,000 rows, or where only a network answers, a quarter of the epochs.
    balanced: a network too, which goes no further than its first fold where it doesn't help. best:
    a network for each of five folds, up to 5,000 rows."""
    minutes: Annotated[float, Field(ge=1)] | None = None
    """Time that the run may take, from its start or from where it goes on; the end isn't bounded if
    not given. Fewer rows are read, fewer members compared and fewer steps trained where it is
    short, each of which is said; best is the preset of a small table where it is long."""
    epochs: PositiveInt = 20
    batch_size: PositiveInt = 64
    """Rows per step, over all processes."""
    micro_batch_size: PositiveInt | None = None
    """Rows that are computed at once, where a batch doesn't fit into memory; all if not given. The
    step is the same: a contrastive target still compares all rows of the batch (gradient
    caching, Gao et al. 2021), for one more forward pass. Only the encoder `cnn` normalises by
    micro-batch then."""
    lr: Positive = 2e-3
    """Highest learning rate of AdamW (Loshchilov & Hutter 2019)."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    warmup_ratio: Fraction = 0.1
    """Part of all steps in which the learning rate rises; then it falls as half a cosine."""
    max_grad_norm: Positive = 1.0
    """Largest norm of the gradient."""
    patience: PositiveInt | None = None
    """Stop after this many epochs without a better score; not at all if not given."""
    monitor: str | None = None
    """`target.metric` that decides which epoch is best; else the first target's main metric."""
    mixup: Annotated[MixupSpec, BeforeValidator(component)] | None = None
    """Not at all if not given."""
    self_training: SelfTrainingSpec | None = None
    """For targets of kind category. Not at all if not given."""
    unimodal_loss_weight: Annotated[float, Field(ge=0)] = 0.3
    """Weight of the loss of each modality's own small head."""
    average_checkpoints: Annotated[int, Field(ge=1)] = 3
    """The mean of the weights of this many last epochs, or of this many best ones where they are
    clearly better on the valid split. 1: no averaging."""
    seed: int = 7
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """auto: bfloat16 on a GPU that computes it natively, else float32."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    threads: PositiveInt | None = None
    """CPU threads of torch; all cores if not given."""
    checkpoint_seconds: Positive = 60.0
    """Time between checkpoints inside an epoch; there is one after every epoch too."""
    log_steps: PositiveInt = 20
    golden_rows: Annotated[int, Field(ge=0)] = 8
    """Rows kept in the bundle with their answers, to verify it later. 0: keep no data."""
