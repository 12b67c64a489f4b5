"""Held-out pieces of furniture, against chance."""

from mmjax.claims import Check, Claim
from mmjax.configs.image_points_text import PAIRS


def claim() -> Claim:
    """Results of `small` over three seeds."""
    ways = [f"{a}_to_{b}" for pair in PAIRS for a, b in (pair, pair[::-1])]
    first, fifth = ([f"retrieval/new_pieces/{way}/R@{k}" for way in ways] for k in (1, 5))
    arm = "three modalities"
    return Claim(
        statement="on 36 held-out pieces, R@5 between images and point clouds is at least three "
        "times chance (.139) in both directions, and R@1 for point clouds by names at least twice "
        "chance (.028)",
        arms={arm: {}},
        checks=(
            Check(fifth[0], arm, ">=", offset=0.42),
            Check(fifth[1], arm, ">=", offset=0.42),
            Check(first[5], arm, ">=", offset=0.056),
        ),
        metrics=(*first, *fifth),
        paper_numbers="ModelNet40 zero-shot top-1 of PointBERT: 60.4, against 23.8 of PointCLIP",
        notes="139 pieces are enough to see that the three modalities are aligned, and too few to "
        "distinguish two good objectives: one of the 36 pieces is .028. Names are the hardest: 28 "
        "of the held-out ones do not occur in training. The paper's own evaluation, zero-shot "
        "ModelNet40, needs data that are not available here.",
    )
