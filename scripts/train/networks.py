"""The four parts of the shipped model, as configurations of the Stable Diffusion 1.x classes."""

from __future__ import annotations

from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

import tokenizer

SIDE = 128
TEXT_WIDTH = 128
NOISE = dict(
    num_train_timesteps=1000,
    beta_start=0.00085,
    beta_end=0.012,
    beta_schedule="scaled_linear",
    prediction_type="epsilon",
    clip_sample=False,
    set_alpha_to_one=False,
    steps_offset=1,
)


def vae() -> AutoencoderKL:
    # No attention in the middle: it is trained on crops and must work the same on any size.
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 48, 64),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=SIDE,
        mid_block_add_attention=False,
    )


def unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=SIDE // 8,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(64, 96, 96),
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,  # the number of heads: SD 1.x configurations call it so
        norm_num_groups=16,
    )


def text_encoder() -> CLIPTextModel:
    vocab, _ = tokenizer.build()
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(vocab),
            hidden_size=TEXT_WIDTH,
            intermediate_size=2 * TEXT_WIDTH,
            projection_dim=TEXT_WIDTH,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=tokenizer.MAX_TOKENS,
            hidden_act="quick_gelu",
            bos_token_id=vocab[tokenizer.BEGIN],
            eos_token_id=vocab[tokenizer.END],
            pad_token_id=vocab[tokenizer.END],
        )
    )


def scheduler() -> DDIMScheduler:
    return DDIMScheduler(**NOISE)
