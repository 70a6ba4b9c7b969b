"""Audio clips, as input."""

from mmbm.registry import Kind

KIND = Kind(
    input="mmbm.kinds.audio.spec:AudioSpec",
    column="mmbm.kinds.audio.column:AudioColumn",
    frontend="mmbm.kinds.audio.frontend:LogMel",
    raw_frontend="mmbm.kinds.audio.frontend:Wave",
    representation="mmbm.kinds.audio.representation:AudioRepresentation",
    media="audio/*",
    infer="mmbm.kinds.audio.infer:infer",
)
