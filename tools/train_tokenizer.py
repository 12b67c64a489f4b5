"""Trains the embedded tokenizer, mmjax/data/assets/emoji_8k.model, on the embedded emoji names.

    python tools/train_tokenizer.py            # writes the file
    python tools/train_tokenizer.py --check    # trains again, compares, writes nothing

It takes some seconds. The text is the names and keywords of `mmjax.data.sets.emoji` in all
languages, and of training concepts only, so that new concepts stay new for the tokenizer too. One
name or keyword is one sentence; each English one counts `ENGLISH` times, because captions are
mostly English and English is only one of a hundred languages here.

The same text gives the same bytes: byte pair encoding works with counts, not with probabilities,
in one thread, the sentences come in a fixed order, and neither paths nor times are kept. Another
release of SentencePiece may write other bytes; the file was made with the one below.
"""

import argparse
import io
import string
import sys
from collections.abc import Iterator
from pathlib import Path

import sentencepiece

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from mmjax.data.sets import emoji

MODEL = emoji.ASSETS.parent / "emoji_8k.model"
MADE_WITH = "0.2.3"  # sentencepiece
ENGLISH = 20  # makes English 17 % of the characters; it is 1 % of the names
OPTIONS = {
    "model_type": "bpe",
    "vocab_size": 8000,
    # The rarest characters (half of the 6,600, mostly Han) are left to bytes. 0.995 shortens names
    # by 2 % on average and lengthens Chinese ones by 20 %; 0.9995 does the opposite.
    "character_coverage": 0.998,
    "required_chars": string.digits + string.ascii_letters + string.punctuation,
    "byte_fallback": True,
    # Not nmt_nfkc, which drops the joiners that Persian and Sinhala words and emoji need.
    "normalization_rule_name": "nfkc",
    "split_digits": True,
    "num_threads": 1,
    "input_sentence_size": 0,  # all, unsampled
    "shuffle_input_sentence": False,
    "pad_id": 0,
    "unk_id": 1,
    "bos_id": 2,
    "eos_id": 3,
    "hard_vocab_limit": True,
    "minloglevel": 1,
}


def sentences() -> Iterator[str]:
    """Names and keywords of the training concepts, language by language in the order of codes."""
    train = emoji.EmojiSource(split="train", languages=emoji.languages())
    numbers = [train[i]["id"] for i in range(len(train))]
    for language in emoji.languages():
        texts = emoji.texts(language)
        for number in numbers:
            names = [texts["names"][number], *texts["keywords"][number]]
            for name in names:
                if name is not None:
                    yield from [name] * (ENGLISH if language == "en" else 1)


def train() -> bytes:
    """The model, as the bytes of the file."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=sentences(), model_writer=model, **OPTIONS
    )
    return model.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=MODEL)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments = parser.parse_args()
    model = train()
    if not arguments.check:
        arguments.output.write_bytes(model)
        print(f"{len(model):,} bytes  {arguments.output.name}")
        return
    same = arguments.output.read_bytes() == model
    print(f"{arguments.output.name}: {'same' if same else 'OTHER'} bytes")
    if not same and sentencepiece.__version__ != MADE_WITH:
        print(f"It was made with sentencepiece {MADE_WITH}, here is {sentencepiece.__version__}.")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
