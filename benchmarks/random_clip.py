"""A CLIP of full size with random weights: as fast or slow as clip-ViT-B-32, for where the real one can't be had.

    python benchmarks/random_clip.py FOLDER

What it says of pictures means nothing; only its speed and its memory do.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any


def letter_tokenizer() -> Any:
    """A CLIPTokenizer to which every letter (every byte, to be exact) is one token."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(letter + "</w>" for letter in letters)]
    return CLIPTokenizer(vocab={token: index for index, token in enumerate(tokens)}, model_max_length=77)


def make_random_clip(folder: Path, seed: int = 0) -> Path:
    """Save ViT-B/32 (224 px, 512 dimensions, 151 M random float32 weights, 605 MB) with sentence-transformers.

    `folder` is made if need be; returns it. Takes some seconds.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor

    tokenizer = letter_tokenizer()
    config = CLIPConfig()  # its defaults are those of ViT-B/32; only the tokenizer's special tokens are others
    for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
        setattr(config.text_config, key, getattr(tokenizer, key))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = CLIPModel(config)
    with tempfile.TemporaryDirectory() as plain:
        model.save_pretrained(plain)
        CLIPProcessor(CLIPImageProcessorPil(), tokenizer).save_pretrained(plain)
        SentenceTransformer(plain, device="cpu").save_pretrained(str(folder), create_model_card=False)
    return folder


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/random_clip.py FOLDER")
    print(make_random_clip(Path(sys.argv[1])))
