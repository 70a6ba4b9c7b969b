"""Tiny causal language models with random weights, saved as their authors save them."""

from pathlib import Path
from typing import Any

import torch

END, BEGIN, USER, BOT = "<end>", "<begin>", "<user>", "<bot>"
TEMPLATE = (
    "{% for m in messages %}<user>{{ m.content }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<bot>{% endif %}"
)
TEXTS = ["They are red.", "There are two of them, all green.", "是蓝色的。", "有三个，都是红色的。"]


def make(kind: str, folder: Path, chat: bool = True) -> Path:
    """A model of this `model_type`, its tokenizer (byte-level BPE) and its chat template."""
    import transformers as hf

    vocabulary = tokenizer(folder, chat)
    size: dict[str, Any] = {
        "vocab_size": vocabulary, "hidden_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 96,
        "bos_token_id": 1, "eos_token_id": 0, "pad_token_id": 0,
    }  # fmt: skip
    grouped = {**size, "num_key_value_heads": 1}
    config = {
        "gpt2": lambda: hf.GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=96, **size),
        "llama": lambda: hf.LlamaConfig(**grouped),
        "qwen2": lambda: hf.Qwen2Config(**grouped, tie_word_embeddings=True),
        "gemma2": lambda: hf.Gemma2Config(**grouped, head_dim=16),
        "bloom": lambda: hf.BloomConfig(n_layer=2, n_head=2, **size),
    }[kind]()
    torch.manual_seed(0)
    hf.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def tokenizer(folder: Path, chat: bool) -> int:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=[END, BEGIN, USER, BOT], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    made.train_from_iterator(TEXTS, trainer)
    whole = PreTrainedTokenizerFast(tokenizer_object=made, eos_token=END, bos_token=BEGIN)
    whole.chat_template = TEMPLATE if chat else None
    whole.save_pretrained(folder)
    return made.get_vocab_size()
