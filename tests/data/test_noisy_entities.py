"""Noisy records of entities: what image and text share, and how much of it is hidden."""

import numpy as np
import pytest

from mmjax.data import SOURCES
from mmjax.data.synthetic.noisy_entities import LETTERS, NoisyEntities


def letters(source):
    return np.array([[LETTERS.index(x) for x in r["text"].split()] for r in source])


def test_records_of_an_entity_share_its_symbols_and_templates_are_those_of_all_splits():
    train, test = NoisyEntities(examples=2000, per=20), NoisyEntities(split="test")
    assert (len(NoisyEntities()), len(test)) == (5000, 500)
    read = letters(train).reshape(100, 20, 8)
    truth = np.array([[np.bincount(slot, minlength=26).argmax() for slot in e.T] for e in read])
    kept = (read == truth[:, None]).mean()
    assert 0.54 < kept < 0.60  # .55 + .45 / 26
    symbols = np.stack([r["symbols"] for r in train]).reshape(-1, 8, 26)
    np.testing.assert_array_equal(symbols.argmax(2), letters(train))

    def template(source, truth, slot, symbol):
        """The mean tile of a slot, of the entities that have this symbol there."""
        y, x = divmod(slot, 2)
        image = np.stack([r["image"] for r in source]).reshape(len(truth), -1, 16, 16)
        return image[truth[:, slot] == symbol, :, 4 * y : 4 * y + 4, 8 * x : 8 * x + 8].mean((0, 1))

    tested = letters(test).reshape(50, 10, 8)
    others = np.array([[np.bincount(s, minlength=26).argmax() for s in e.T] for e in tested])
    both = [(s, k) for s in range(8) for k in range(26) if (truth[:, s] == k).any()
            and (others[:, s] == k).any()]  # fmt: skip
    same = [np.corrcoef(template(train, truth, *at).ravel(), template(test, others, *at).ravel())
            for at in both[:20]]  # fmt: skip
    assert np.mean([each[0, 1] for each in same]) > 0.5
    assert not (truth[:50] == others).all(1).any()

    image = np.stack([r["image"] for r in train]).reshape(-1, 16, 16)
    hidden = (image == 0).reshape(len(image), -1).sum(1)
    assert set(hidden) == {0, 64}
    assert 0.77 < (hidden == 64).mean() < 0.83


def test_exemplars_are_further_records_of_the_entities_of_the_test():
    test, exemplars = (NoisyEntities(split=split, seed=3) for split in ("test", "exemplars"))
    equal = letters(test).reshape(50, 10, 8)[:, 0] == letters(exemplars)
    assert 0.2 < equal.mean() < 0.5  # .57^2 and chance; of other entities a 26th
    with pytest.raises(ValueError, match="7 records are no multiple of per=10"):
        SOURCES.spec("noisy_entities", examples=7).build()
