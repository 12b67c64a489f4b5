"""Every set in CLIP_benchmark's layout under a folder, each by the metric that DataComp uses.

    mmjax evaluate --model=weights/clip --suite=configs/suites/clip_benchmark.py --sets=sets

`sets` holds folders such as `wds_cifar10`, as `clip_benchmark.webdataset_builder` writes them and
as the organization clip-benchmark on the Hugging Face Hub has them. Sets of images and classes are
classified with their own prompts; sets of captions are searched in both directions, R@1.
DataComp (Gadre et al. 2023, arXiv 2304.14108, appendix) takes the mean over classes for the sets
below. Its sets with other metrics (WILDS' macro F1 and worst groups, Dollar Street, GeoDE,
WinoGAViL) and sets of several labels an image are not in this layout, and left out.
"""

from pathlib import Path

PER_CLASS = ("fgvc_aircraft", "vtab-caltech101", "vtab-flowers", "vtab-pets")
METRICS = {f"wds_{name}": "mean_per_class" for name in PER_CLASS}


def get_suite(root: str, split: str = "test") -> dict:
    """The evaluators of the sets under `root`."""
    classified, searched = {}, {}
    for folder in sorted(Path(root or ".").iterdir()):
        if not any((folder / split).glob("*.tar")):
            continue
        source = dict(type="clip_benchmark", path=str(folder), split=split)
        if (folder / "classnames.txt").is_file():
            classified[folder.name] = dict(source=source, labels="label")
        else:
            searched[folder.name] = dict(
                source=source, pairs=(("image", "text"),), alternatives="all"
            )
    return {"zero_shot": classified, "retrieval": searched}
