"""Audio and text that were never paired, bound by images."""

from mmjax.claims import Check, Claim
from mmjax.configs import common as c


def claim() -> Claim:
    """Retrieval for the pair that no term trains, and for those that one does."""
    unseen, bound = (
        tuple(f"retrieval/{which}/{way}/R@1" for way in ways)
        for which, ways in (
            ("unseen_pair", ("audio_to_text", "text_to_audio")),
            ("bound", ("image_to_audio", "image_to_text")),
        )
    )
    return Claim(
        statement="retrieval between audio and text, which no term ever paired, has an R@1 of .25 "
        "or more among 264 in both directions, bound by images alone (chance .004; a bag of "
        "events at most .167)",
        arms={"bound by images": {}},
        checks=tuple(Check(metric, "bound by images", ">=", offset=0.25) for metric in unseen),
        metrics=(*unseen, *bound),
        seed_keys=c.WORLD_SEED,
        paper_numbers="emergent zero-shot: ESC-50 .669, AudioCaps text-to-audio R@1 .093",
    )
