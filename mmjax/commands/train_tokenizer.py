"""Trains a tokenizer on the captions of a data set.

    python -m mmjax.data.train_tokenizer --data=captions.csv --out=mine.model --vocab_size=8000
    python -m mmjax.data.train_tokenizer --config=recipe.py --type=characters --out=alphabet.txt

The captions are those of `--data` (a table, tar shards, a folder) or of a recipe's `data.source`,
of all languages. A `.model` is SentencePiece's, for `data.tokenizer={'type': 'sentencepiece',
'path': 'mine.model'}`; it spells what is not in its vocabulary in bytes. An alphabet is for
`{'type': 'characters', 'path': 'alphabet.txt'}`.
"""

from __future__ import annotations

import io
import itertools
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Literal, cast

from absl import flags

from mmjax import cli
from mmjax.commands import data_source as command
from mmjax.data.records import BadExample, Source
from mmjax.errors import ConfigError
from mmjax.files import write_atomically

FIELD = flags.DEFINE_string("field", "text", "The field of the records that holds the captions.")
TYPE = flags.DEFINE_enum("type", "sentencepiece", ["sentencepiece", "characters"], "What to make.")
SIZE = flags.DEFINE_integer(
    "vocab_size", 8000, "Ids at most, special ones included.", lower_bound=8
)
ALGORITHM = flags.DEFINE_enum("algorithm", "bpe", ["bpe", "unigram"], "Of SentencePiece.")


def captions(source: Source, field: str) -> Iterator[str]:
    """Every caption of a source: all alternatives, in all languages; bad examples are passed over.

    Raises:
      ConfigError: when the field holds anything else than text.
    """

    def texts(value: Any, key: str) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict | list | tuple):
            for each in value.values() if isinstance(value, dict) else value:
                yield from texts(each, key)
        else:
            raise ConfigError(f"{key}: {field} is a {type(value).__name__}, not text: set --field")

    for index in range(len(source)):
        try:
            record = source[index]
        except BadExample:
            continue
        if field in record:
            yield from texts(record[field], record["key"])


def sentencepiece_model(
    texts: Iterable[str], vocab_size: int, model: Literal["bpe", "unigram"] = "bpe"
) -> bytes:
    """A SentencePiece model of these texts, with pad 0, unk 1, bos 2 and eos 3.

    Texts are normalised by NFKC, characters outside of the vocabulary become bytes, and the same
    texts give the same model. Few texts give fewer pieces than `vocab_size`.

    Raises:
      ConfigError: when SentencePiece finds too little text, or a vocabulary too small for it.
    """
    import sentencepiece

    written = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            # A lone surrogate is no character, and a line break would end a sentence.
            sentence_iterator=(
                " ".join(t.encode("utf-8", "ignore").decode().split()) for t in texts
            ),
            model_writer=written,
            model_type=model,
            vocab_size=vocab_size,
            hard_vocab_limit=False,
            byte_fallback=True,
            character_coverage=0.9995,
            max_sentence_length=2**20,
            num_threads=1,
            pad_id=0,
            unk_id=1,
            bos_id=2,
            eos_id=3,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise ConfigError(f"SentencePiece makes no model of these texts: {error}") from error
    return written.getvalue()


def alphabet(texts: Iterable[str], vocab_size: int) -> str:
    """The characters of the texts, the frequent ones first, at most vocab_size - 4 of them."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(unicodedata.normalize("NFC", " ".join(text.split())))
    ranked = sorted(counts, key=lambda character: (-counts[character], character))
    good = (c for c in ranked if not "\ud800" <= c <= "\udfff")
    return "".join(itertools.islice(good, vocab_size - 4))


def main(path: str | None, overrides: list[str]) -> None:
    """Trains one tokenizer."""
    out, source = command.out(), command.named_source(path, overrides)
    texts = captions(source, FIELD.value)
    first = next(texts, None)
    if first is None:
        raise ConfigError(f"the data have no captions in {FIELD.value!r}: set --field")
    texts = itertools.chain([first], texts)
    if TYPE.value == "characters":
        content = alphabet(texts, SIZE.value).encode()
        said = f"{len(content.decode()):,} characters"
    else:
        algorithm = cast("Literal['bpe', 'unigram']", ALGORITHM.value)
        content = sentencepiece_model(texts, SIZE.value, algorithm)
        said = f"a SentencePiece model ({ALGORITHM.value})"
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, content)
    cli.say(f"{out}: {said}")


if __name__ == "__main__":
    cli.run(main)
