"""ARO: relations and attributes of Visual Genome, as its authors' code downloads them.

    mmjax evaluate --model=weights/clip --suite=configs/suites/aro.py --sets=sets

    sets/aro/visual_genome_relation.json     github.com/mertyg/vision-language-models-are-bows
    sets/aro/visual_genome_attribution.json
    sets/aro/images/2356370.jpg, ...

Each image is cut to the box in its row before the model's view sees it, and is right where its
caption is nearer than the one with two objects or two attributes exchanged. Both sets are told by
the mean over relations, or over pairs of attributes, of their accuracy (Yuksekgonul et al. 2023,
arXiv 2210.01936), by the rules of the authors' code: relations that mean about the same with their
objects exchanged are left out, and so are pairs of attributes with fewer than 25 rows.
"""

import json
from pathlib import Path

METRICS = {"aro-relation": "macro", "aro-attribution": "macro"}
# Relations, with commas between them.
SYMMETRIC = """
adjusting, around, attached to, beside, between, bigger than, biting, boarding, brushing, by,
chewing, cleaning, climbing, close to, coming from, coming out of, contain, crossing, dragging,
draped over, drinking, drinking from, driving, driving down, driving on, eating from, eating in,
enclosing, exiting, facing, filled with, floating in, floating on, flying, flying above, flying
in, flying over, flying through, full of, going down, going into, going through, grazing in,
growing in, growing on, guiding, hanging from, hanging in, hanging off, hanging over, higher
than, holding onto, hugging, in between, jumping off, jumping on, jumping over, kept in, larger
than, leading, leaning over, leaving, licking, longer than, looking in, looking into, looking
out, looking over, looking through, lying next to, lying on top of, making, mixed with, mounted
on, moving, near, next to, of, on the back of, on the edge of, on the front of, on the other
side of, on the side of, opening, painted on, parked at, parked beside, parked by, parked in,
parked in front of, parked near, parked next to, perched on, petting, piled on, playing, playing
in, playing on, playing with, pouring, reaching for, reading, reflected on, riding on, running
in, running on, running through, seen through, sitting behind, sitting beside, sitting by,
sitting in front of, sitting near, sitting next to, sitting under, skiing down, skiing on,
sleeping in, sleeping on, smiling at, sniffing, splashing, sprinkled on, stacked on, standing
against, standing around, standing behind, standing beside, standing in front of, standing near,
standing next to, staring at, stuck in, surrounding, swimming in, swinging, talking to, topped
with, touching, traveling down, traveling on, tying, typing on, underneath, wading in, waiting
for, walking across, walking by, walking down, walking next to, walking through, with, working
in, working on, worn on, wrapped around, wrapped in
"""


def get_suite(root: str) -> dict:
    """The evaluators of the two tables, where they are there."""
    symmetric = " ".join(SYMMETRIC.split()).split(", ")
    folder, sets = Path(root, "aro"), {}
    for name, least in (("relation", 1), ("attribution", 25)):
        table = folder / f"visual_genome_{name}.json"
        if not table.is_file():
            continue
        rows = [
            (row, group)
            for row in json.loads(table.read_text(encoding="utf-8"))
            if (group := row.get("relation_name") or "_".join(row["attributes"])) not in symmetric
        ]
        columns = {
            "image": [str(folder / "images" / row["image_path"]) for row, _ in rows],
            "text": [row["true_caption"] for row, _ in rows],
            "text@wrong": [row["false_caption"] for row, _ in rows],
        }
        boxes = [tuple(row[f"bbox_{key}"] for key in "xywh") for row, _ in rows]
        source = dict(
            type="memory",
            data=columns,
            labels={name: [group for _, group in rows]},
            files=("image",),
            boxes={"image": boxes},
            name=table.name,
        )
        sets[f"aro-{name}"] = dict(source=source, wrong=("text@wrong",), by=name, least=least)
    return {"choice": sets}
