"""Pretrained audio models of Hugging Face: wav2vec 2.0 and Whisper, each with the preprocessing of
its own feature extractor."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbm.errors import ConfigError
from mmbm.kinds.audio.frontend import fourier
from mmbm.kinds.column import State
from mmbm.layers.batch import Features, Tokens
from mmbm.layers.blocks import valid
from mmbm.nn.pretrained import Pretrained, opened
from mmbm.specs.encoders import PretrainedSpec


class Wav2Vec2(Pretrained):
    """wav2vec 2.0 (Baevski et al. 2020), on audio at its own rate; a token is 20 ms.

    A clip's scaling and the first layer's normalization use that clip's own samples: padding, which
    affects some of these models in their original code, changes nothing.
    """

    def __init__(self, spec: PretrainedSpec, learned: State):
        super().__init__(spec, opened(spec, learned["config"]), "encoder.layers")
        config: Any = self.body.config
        self.width = config.hidden_size
        self.scale = learned["preprocessor"].get("do_normalize", True)
        self.shortest = 1  # samples that the first token needs
        for kernel, stride in zip(reversed(config.conv_kernel), reversed(config.conv_stride)):
            self.shortest = (self.shortest - 1) * stride + kernel
        check_stride(spec, math.prod(config.conv_stride), learned)

    def forward(self, features: Features) -> Tokens:
        x, keep = features  # [B, T], [B, T]
        assert keep is not None
        body: Any = self.body
        if self.scale:
            x = scaled(x, keep)
        x = F.pad(x, (0, self.shortest))
        x, lengths = self.convolve(x, keep.sum(1).clamp(min=self.shortest))  # [B, T/320, C], [B]
        keep = valid(lengths, x.shape[1])
        x, _ = body.feature_projection(x)  # [B, T/320, D]
        x = self.contextual(x * keep[..., None], keep)
        return Tokens(x * keep[..., None], keep)

    def contextual(self, x: Tensor, keep: Tensor) -> Tensor:  # [B, T', D], [B, T']
        """The model's own `encoder`, without its in-place changes of x."""
        body: Any = self.body
        encoder, stable = body.encoder, body.config.do_stable_layer_norm
        x = x + encoder.pos_conv_embed(x)
        x = encoder.dropout(x if stable else encoder.layer_norm(x))
        for layer in encoder.layers:
            x = layer(x, attention_mask=keep[:, None, None, :])
        return encoder.layer_norm(x) if stable else x

    def convolve(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        extractor: Any = self.body.feature_extractor
        x = x[:, None]  # [B, 1, T]
        for layer in extractor.conv_layers:
            x = layer.conv(x)
            lengths = (lengths - layer.conv.kernel_size[0]) // layer.conv.stride[0] + 1
            norm = getattr(layer, "layer_norm", None)
            if isinstance(norm, nn.GroupNorm):  # of one channel each: over time
                x = over_time(x, valid(lengths, x.shape[2])[:, None], norm)
            elif norm is not None:
                x = norm(x.transpose(1, 2)).transpose(1, 2)
            x = layer.activation(x)
        return x.transpose(1, 2), lengths


class Whisper(Pretrained):
    """The encoder of Whisper (Radford et al. 2022): every clip is padded with silence to the length
    that the model was trained with, commonly 30 s, or to `pad_to_seconds`, which then uses the
    first of its positions (as `audio_ctx` of whisper.cpp); tokens of 20 ms after the clip are
    dropped."""

    basis: Tensor
    mel: Tensor

    def __init__(self, spec: PretrainedSpec, learned: State):
        super().__init__(spec, opened(spec, learned["config"]).encoder, "layers")
        config: Any = self.body.config
        told = learned["preprocessor"]
        self.width = config.d_model
        self.hop, points = told["hop_length"], told["n_fft"]
        whole = told["chunk_length"] * told["sampling_rate"]
        if whole // self.hop != 2 * config.max_source_positions:
            raise ConfigError(
                f"{spec.model}: its feature extractor makes {whole // self.hop} frames, and "
                f"the model reads {2 * config.max_source_positions}."
            )
        seconds = spec.pad_to_seconds or told["chunk_length"]
        self.places = math.ceil(seconds * told["sampling_rate"] / self.hop / 2)
        self.samples = 2 * self.places * self.hop
        if spec.pad_to_seconds:
            self.shorten()
        from transformers.audio_utils import mel_filter_bank

        mel = mel_filter_bank(
            num_frequency_bins=points // 2 + 1, num_mel_filters=told["feature_size"],
            min_frequency=0.0, max_frequency=8000.0, sampling_rate=told["sampling_rate"],
            norm="slaney", mel_scale="slaney",
        )  # fmt: skip
        self.register_buffer("basis", fourier(points, points), persistent=False)
        self.register_buffer("mel", torch.from_numpy(mel).float().T, persistent=False)
        check_stride(spec, 2 * self.hop, learned)

    def shorten(self) -> None:
        body: Any = self.body
        body.config.max_source_positions = body.max_source_positions = self.places
        first = body.embed_positions.weight[: self.places].detach().clone()
        body.embed_positions = nn.Embedding.from_pretrained(first)

    def forward(self, features: Features) -> Tokens:
        x, keep = features  # [B, T], [B, T]
        assert keep is not None
        body: Any = self.body
        lengths = (keep.sum(1) // self.hop // 2 + 1).clamp(max=self.places)
        x = body(self.spectrum(x)).last_hidden_state  # [B, P, D]
        keep = valid(lengths, self.places)
        return Tokens(x * keep[..., None], keep)

    @torch.no_grad()
    def spectrum(self, x: Tensor) -> Tensor:
        """As WhisperFeatureExtractor: [B, T] -> [B, bands, 2P]."""
        with torch.autocast(x.device.type, enabled=False):
            x = torch.cat([x, x.new_zeros(x.shape[0], self.samples)], 1)[:, : self.samples]
            half = self.basis.shape[2] // 2
            x = F.pad(x[:, None], (half, half), mode="reflect")
            x = F.conv1d(x, self.basis, stride=self.hop)[..., :-1]  # [B, 2K, 2P]
            real, imaginary = x.square().chunk(2, dim=1)
            x = (self.mel @ (real + imaginary)).clamp(min=1e-10).log10()
            x = x.maximum(x.amax((1, 2), keepdim=True) - 8.0)
            return (x + 4.0) / 4.0


def check_stride(spec: PretrainedSpec, samples: int, learned: State) -> None:
    frame = learned["preprocessor"]["sampling_rate"] / 100
    if samples != spec.stride * frame:
        whole = samples % frame == 0
        cure = f"write stride: {round(samples / frame)}" if whole else "no whole number of frames"
        raise ConfigError(
            f"encoder.stride: a token of {spec.model} is {samples} samples, and {spec.stride} "
            f"frames of 10 ms are {spec.stride * frame:g}; {cure}."
        )


def scaled(x: Tensor, keep: Tensor) -> Tensor:
    """Zero mean and unit variance over a clip's own samples; padding is zero. [B, T]"""
    count = keep.sum(1, keepdim=True)
    x = (x - (x * keep).sum(1, keepdim=True) / count) * keep
    return x * torch.rsqrt(x.square().sum(1, keepdim=True) / count + 1e-7)


def over_time(x: Tensor, keep: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Each channel normalized over its valid positions. [B, C, T], [B, 1, T]"""
    count = keep.sum(2, keepdim=True)
    centred = (x - (x * keep).sum(2, keepdim=True) / count) * keep
    x = centred * torch.rsqrt(centred.square().sum(2, keepdim=True) / count + norm.eps)
    return (x * norm.weight[:, None] + norm.bias[:, None]) * keep
