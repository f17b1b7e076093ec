"""Text to token ids and back: a byte-level BPE that is trained here, and the chat format.

Text never becomes a special token; only the chat template's own special tokens do.
"""

from trivium.tokenizer.bpe import Tokenizer
from trivium.tokenizer.chat import Rendered
from trivium.tokenizer.train import train

__all__ = ["Rendered", "Tokenizer", "train"]
