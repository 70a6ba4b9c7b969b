"""Audio clips, as input."""

from mmbm.registry import Kind

KIND = Kind(
    input="mmbm.kinds.audio.spec:AudioSpec",
    column="mmbm.kinds.audio.column:AudioColumn",
    frontend="mmbm.kinds.audio.frontend:LogMel",
    raw_frontend="mmbm.kinds.audio.frontend:Wave",
    representation="mmbm.kinds.audio.representation:AudioRepresentation",
    media="audio/*",
    message="input_audio",
    check="mmbm.kinds.audio.check:odd_sounds",
    input_means="samples at spec.sample_rate hertz, one channel, full scale 32767, padded with "
    "zeros",
    infer="mmbm.kinds.audio.infer:infer",
)
