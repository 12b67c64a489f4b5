"""The index of a shard is a file that is made once, is right, and is noticed when it is not."""

import contextlib
import os
import pickle
import subprocess
import sys
from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tar_files import aged, expected, members, pairs, shard

from mmjax.bench import __main__ as bench
from mmjax.data import BadExample, SourceError
from mmjax.data.formats import tar_index
from mmjax.data.sources import WebDatasetSource
from mmjax.data.sources.chosen_rows import ChosenRows

fast = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def index_of(path):
    return path.parent / tar_index.FOLDER / f"{path.name}.index"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def headers(monkeypatch):
    """The shards whose headers were read."""
    read, read_samples = [], tar_index.read_samples

    def spy(path, *rest):
        read.append(os.path.basename(path))
        return read_samples(path, *rest)

    monkeypatch.setattr(tar_index, "read_samples", spy)
    return read


def test_headers_are_read_once_and_again_when_a_shard_changes(tmp_path, headers):
    for i in range(3):
        aged(shard(tmp_path / f"{i}.tar", members(2 * i, 2 * i + 1)))
    source = WebDatasetSource(path=str(tmp_path))
    assert sorted(headers) == ["0.tar", "1.tar", "2.tar"]
    assert pairs(WebDatasetSource(path=str(tmp_path))) == pairs(source) == expected(*range(6))
    assert pairs(WebDatasetSource(path=str(tmp_path / "{1..2}.tar"))) == expected(2, 3, 4, 5)
    assert len(headers) == 3
    aged(shard(tmp_path / "1.tar", members(7, 8)), 1000)  # of the same size
    again = WebDatasetSource(path=str(tmp_path))
    assert headers[3:] == ["1.tar"]
    assert pairs(again) == expected(0, 1, 7, 8, 4, 5)
    # The earlier source tells what it had opened from what is there now.
    assert source[0]["image"] == b"picture 0"
    with pytest.raises(BadExample, match=r"1\.tar: shard: it was changed after the start"):
        source[2]


def test_an_index_as_young_as_its_shard_is_not_trusted(tmp_path, headers):
    path = shard(tmp_path / "0.tar", members(0))
    now = os.stat(path).st_mtime_ns
    assert pairs(WebDatasetSource(path=str(path))) == expected(0)
    shard(path, members(1))
    os.utime(path, ns=(now, now))  # within what the clock of a file system tells apart
    assert pairs(WebDatasetSource(path=str(path))) == expected(1)
    assert len(headers) == 2


def test_what_is_deleted_or_damaged_is_made_again(tmp_path, headers):
    path = aged(shard(tmp_path / "0.tar", members(0, 1)))
    source = pickle.loads(pickle.dumps(WebDatasetSource(path=str(path))))
    index_of(path).unlink()
    assert pairs(source) == expected(0, 1)
    for content in (b"", b"mmtari01", index_of(path).read_bytes()[:-1], b"x" * 500):
        index_of(path).write_bytes(content)
        assert pairs(WebDatasetSource(path=str(path))) == expected(0, 1)
    assert len(headers) == 6
    index_of(path).unlink()
    path.unlink()
    with pytest.raises(BadExample, match="cannot be read"):
        source[0]


@fast
@given(data=st.data())
def test_a_flipped_bit_of_an_index_gives_no_wrong_sample(tmp_path, data):
    path = tmp_path / "0.tar"
    if not path.exists():
        aged(shard(path, members(*range(5))))
    tar_index.make(str(path))
    content = bytearray(index_of(path).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    index_of(path).write_bytes(content)
    try:
        source = WebDatasetSource(path=str(path), split="train", val_fraction=0.0)
    except SourceError as error:
        assert "delete it" in str(error)  # noqa: PT017
        return
    assert len(source) == 5
    found = []
    for number in range(5):
        with contextlib.suppress(BadExample):
            found.append((source[number]["id"], source[number]["key"], source[number]["text"]))
    assert len(found) >= 4
    assert set(found) <= {(i, f"0.tar sample {i:03}", f"text {i}") for i in range(5)}


def test_a_folder_that_cannot_be_written_leaves_the_index_in_the_cache(tmp_path, cache, headers):
    path = aged(shard(tmp_path / "0.tar", members(0)))
    (tmp_path / tar_index.FOLDER).write_text("no folder")
    for _ in range(2):
        assert pairs(WebDatasetSource(path=str(path))) == expected(0)
    assert headers == ["0.tar"]
    assert [each.name for each in cache.glob("mmjax/shards/*/*")] == ["0.tar.index"]
    (cache / "mmjax" / "shards").rename(cache / "other")
    (cache / "mmjax" / "shards").write_text("no folder")
    with pytest.raises(SourceError, match=r"written neither to .* nor to .* XDG_CACHE_HOME"):
        WebDatasetSource(path=str(path))


def test_processes_that_start_together_make_the_same_indexes(tmp_path):
    for i in range(12):
        aged(shard(tmp_path / f"{i:02}.tar", members(*range(40 * i, 40 * i + 40))))
    program = (
        "import sys; from mmjax.data.sources import WebDatasetSource as S; s = S(path=sys.argv[1]);"
        "print(len(s), [s[i]['text'] for i in range(0, 480, 7)] == "
        "[f'text {i}' for i in range(0, 480, 7)])"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0] for process in started] == ["480 True\n"] * 2
    assert len(list((tmp_path / tar_index.FOLDER).iterdir())) == 12  # and no half of one


KINDS = ("jpg", "png", "txt", "json", "cls")


@fast
@given(
    layouts=st.lists(
        st.lists(st.lists(st.sampled_from(KINDS), min_size=1, unique=True), max_size=8),
        min_size=1,
        max_size=4,
    ),
    split=st.sampled_from(["all", "train", "val"]),
    val_fraction=st.sampled_from([0.0, 0.3, 0.5, 0.999]),
)
def test_any_mixture_of_members_gives_what_a_list_of_samples_gives(
    tmp_path, layouts, split, val_fraction
):
    folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    samples, lacking = [], []
    for s, own in enumerate(layouts):
        rows = []
        for i, kinds in enumerate(own):
            stem = f"{s}-{i}"
            rows += [(f"{stem}.{kind}", f"{kind} of {stem}".encode()) for kind in kinds]
            usable = {"jpg", "png"} & set(kinds) and "txt" in kinds
            (samples if usable else lacking).append((s, stem, kinds))
        shard(folder / f"{s}.tar", rows)
    digest = lambda stem: int(blake2b(stem.encode(), digest_size=8).hexdigest(), 16)  # noqa: E731
    chosen = [
        (number, *sample)
        for number, sample in enumerate(samples)
        if split == "all" or (digest(sample[1]) < val_fraction * 2**64) == (split == "val")
    ]
    options = dict(path=str(folder), split=split, val_fraction=val_fraction, text_members=("txt",))
    if not chosen:
        with pytest.raises(SourceError):
            WebDatasetSource(**options)
        return
    source = WebDatasetSource(**options)
    assert [error.key for error in source.bad] == [f"{s}.tar sample {x}" for s, x, _ in lacking]
    assert [e.field for e in source.bad[:]] == [
        "text" if {"jpg", "png"} & set(kinds) else "image" for _, _, kinds in lacking
    ]
    assert source.id_limit == len(samples)
    assert source.listed == len(samples) + len(lacking)
    assert [source.id_of(i) for i in range(len(source))] == [number for number, *_ in chosen]
    for record, (number, s, stem, kinds) in zip(source, chosen, strict=True):
        image = "jpg" if "jpg" in kinds else "png"
        assert record == {
            "id": number,
            "key": f"{s}.tar sample {stem}",
            "image": f"{image} of {stem}".encode(),
            "text": f"txt of {stem}",
            **({"label": f"cls of {stem}"} if "cls" in kinds else {}),
        }
    labelled = ["cls" in kinds for *_, kinds in chosen]
    assert source.label_fields == (("label",) if any(labelled) else ())
    assert source.may_lack == (("label",) if any(labelled) and not all(labelled) else ())


@settings(max_examples=40)
@given(
    sizes=st.lists(st.sampled_from([0, 1, 7, 8, 4095, 4096, 4097, 9000]), min_size=1, max_size=5),
    share=st.sampled_from([0.0, 0.01, 0.5, 0.99, 1.0]),
    seed=st.integers(0, 99),
)
def test_chosen_rows_are_those_of_a_list(sizes, share, seed):
    rng = np.random.default_rng(seed)
    masks = [rng.random(size) < share for size in sizes]
    rows = ChosenRows(zip(sizes, masks, strict=True))
    listed = [(s, int(row)) for s, mask in enumerate(masks) for row in np.flatnonzero(mask)]
    assert len(rows) == len(listed)
    for number in rng.integers(0, len(listed), 50) if listed else ():
        assert rows.place(int(number)) == listed[number]
        assert rows.number(*listed[number]) == number
    assert [rows.count(s) for s in range(len(sizes))] == [int(mask.sum()) for mask in masks]
    for outside in (-1, len(listed)):
        with pytest.raises(IndexError):
            rows.place(outside)


@pytest.mark.slow
def test_the_benchmark_opens_what_it_says(tmp_path, capsys):
    output = tmp_path / "index.json"
    arguments = ["index", "--shards", "20", "--records", "50", "--output", str(output)]
    assert bench.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "open 1,000 records, split=all" in printed
    assert "split=train" in output.read_text()
