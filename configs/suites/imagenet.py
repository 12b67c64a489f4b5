"""ImageNet and its shifted test sets, in folders of classes as they are downloaded.

    mmjax evaluate --model=weights/clip --suite=configs/suites/imagenet.py --sets=sets

    sets/imagenet_classes.tsv            n01440764<tab>tench, a line for each of the 1,000 classes
    sets/imagenet-val/n01440764/*.JPEG   the validation images, in folders
    sets/imagenetv2-matched-frequency-format-val/0/*.jpeg
    sets/imagenet-a, imagenet-r, sketch  folders of classes

The names of classes are your table's: models differ in which they were trained with, and those of
CLIP's authors are the usual ones. The prompts are the seven that CLIP's authors found to be as good
as their eighty. Of ImageNet-A and -R the 200 classes that are there are told apart, as is usual.
"""

from pathlib import Path

FOLDERS = ("imagenet-val", "imagenetv2-*", "imagenet-a", "imagenet-r", "imagenet-sketch", "sketch")
TEMPLATES = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)


def get_suite(root: str) -> dict:
    """The evaluators of the sets under `root`."""
    table = Path(root, "imagenet_classes.tsv")
    if not table.is_file():
        return {}
    lines = table.read_text(encoding="utf-8").splitlines()
    names = dict(line.split("\t", 1) for line in lines if line.strip())
    # ImageNet-V2 has the numbers of the classes, which are in the order of their folders' names.
    numbered = {str(n): names[key] for n, key in enumerate(sorted(names))}
    found = {}
    for folder in sorted({f for name in FOLDERS for f in Path(root).glob(name) if f.is_dir()}):
        known = numbered if (folder / "0").is_dir() else names
        here = {each.name for each in folder.iterdir() if each.is_dir()} & known.keys()
        prompts = {key: tuple(t.format(known[key]) for t in TEMPLATES) for key in sorted(here)}
        source = dict(type="folder", path=str(folder))
        found[folder.name] = dict(source=source, labels="group", prompts=prompts)
    return {"zero_shot": found}
