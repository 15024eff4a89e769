"""A real language model of a few megabytes, made on the spot: random weights, invented vocabulary.

llama.cpp serves it like any other Llama. Text stays printable and the end-of-sequence token is never
drawn, so a reply is exactly as long as `max_tokens` asks: the embedding's first dimension is a constant
that the output layer turns against byte and control tokens.
"""

import itertools
import pathlib

import gguf
import numpy as np
from numpy.typing import NDArray

WIDTH, LAYERS, HEADS, KV_HEADS, FEED_FORWARD, CONTEXT = 256, 4, 4, 2, 512, 8192
WORDS = 2000
CONTROL_TOKENS = ("<unk>", "<s>", "</s>")
TEMPLATE = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant]"
SPACE = "\N{LOWER ONE EIGHTH BLOCK}"


def write_model(path: pathlib.Path, seed: int = 0) -> None:
    """Write the model as GGUF (float16, about 7 MB, half a second)."""
    rng = np.random.default_rng(seed)
    tokens, kinds, scores, first_word = _vocabulary()
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name("tiny-random")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_chat_template(TEMPLATE)
    for name, tensor in _tensors(rng, len(tokens), first_word):
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _vocabulary() -> tuple[list[bytes], list[int], list[float], int]:
    """Control tokens, all bytes, printable characters, then words of one to three syllables."""
    syllables = [c + v for c in "bcdfghjklmnprstvwz" for v in "aeiou"]
    words = itertools.chain.from_iterable(
        ("".join(parts) for parts in itertools.product(syllables, repeat=n)) for n in (1, 2, 3)
    )
    tokens = [token.encode() for token in CONTROL_TOKENS]
    kinds: list[int] = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    scores = [0.0] * len(tokens)
    for value in range(256):
        tokens.append(f"<0x{value:02X}>".encode())
        kinds.append(gguf.TokenType.BYTE)
        scores.append(0.0)
    for character in SPACE + "".join(map(chr, range(33, 127))):
        tokens.append(character.encode())
        kinds.append(gguf.TokenType.NORMAL)
        scores.append(-1000.0)
    first_word = len(tokens)
    for rank, word in enumerate(itertools.islice(words, WORDS)):
        tokens.append((SPACE + word).encode())
        kinds.append(gguf.TokenType.NORMAL)
        scores.append(-float(rank))
    return tokens, kinds, scores, first_word


def _tensors(
    rng: np.random.Generator, vocabulary: int, first_word: int
) -> list[tuple[str, NDArray[np.generic]]]:
    def noise(*shape: int, scale: float) -> NDArray[np.generic]:
        return (rng.standard_normal(shape) * scale).astype(np.float16)

    embedding = noise(vocabulary, WIDTH, scale=1.0)
    embedding[:, 0] = 8.0
    output = noise(vocabulary, WIDTH, scale=0.15)
    output[:, 0] = 0.0
    output[:first_word, 0] = -8.0
    ones = np.ones(WIDTH, np.float32)
    kv_width = KV_HEADS * WIDTH // HEADS
    tensors: list[tuple[str, NDArray[np.generic]]] = [
        ("token_embd.weight", embedding),
        ("output.weight", output),
        ("output_norm.weight", ones),
    ]
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        tensors += [
            (block + "attn_norm.weight", ones),
            (block + "ffn_norm.weight", ones),
            (block + "attn_q.weight", noise(WIDTH, WIDTH, scale=0.1)),
            (block + "attn_k.weight", noise(kv_width, WIDTH, scale=0.1)),
            (block + "attn_v.weight", noise(kv_width, WIDTH, scale=0.1)),
            (block + "attn_output.weight", noise(WIDTH, WIDTH, scale=0.1)),
            (block + "ffn_gate.weight", noise(FEED_FORWARD, WIDTH, scale=0.05)),
            (block + "ffn_up.weight", noise(FEED_FORWARD, WIDTH, scale=0.05)),
            (block + "ffn_down.weight", noise(WIDTH, FEED_FORWARD, scale=0.05)),
        ]
    return tensors
