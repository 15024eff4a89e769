"""A tokenizer of plain words for the peers that need one, as files and in a hub's cache: make_tokenizer.py FOLDER."""

import pathlib
import sys

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

home = pathlib.Path(sys.argv[1])
words = {f"w{n}": n for n in range(8000)} | {"[UNK]": 8000}
tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
cached = home / "hub/hub/models--local--tok"
(cached / "refs").mkdir(parents=True, exist_ok=True)
(cached / "refs/main").write_text("0" * 40)
for folder in (home / "tokenizer", cached / "snapshots" / ("0" * 40)):
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]")
    fast.chat_template = "{% for message in messages %}{{ message['content'] }} {% endfor %}"
    fast.save_pretrained(folder)
