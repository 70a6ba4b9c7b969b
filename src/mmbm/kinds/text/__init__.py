"""Texts: as input, and as target, generated token by token."""

from mmbm.registry import Kind

KIND = Kind(
    input="mmbm.kinds.text.spec:TextSpec",
    target="mmbm.kinds.text.spec:TextTarget",
    column="mmbm.kinds.text.column:TextColumn",
    frontend="mmbm.kinds.text.frontend:TextFrontend",
    raw_frontend="mmbm.kinds.text.frontend:Ids",
    representation="mmbm.kinds.text.representation:TextRepresentation",
    head="mmbm.kinds.text.head:TextHead",
    answer="mmbm.kinds.text.answer:TextAnswer",
    message="text",
    input_means="token ids of state.tokenizer (a tokenizer.json), padded with zeros",
    infer="mmbm.kinds.text.infer:infer",
    infer_target="mmbm.kinds.text.infer:infer_target",
    prompt="mmbm.kinds.text.prompt:TextPrompt",
)
