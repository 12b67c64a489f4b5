"""Sounds and texts that never met, bound by images."""

from mmjax.claims import Check, Claim
from mmjax.configs import common as c


def claim() -> Claim:
    """The pair that no term trains, and those that one does."""
    unseen, bound = (
        tuple(f"retrieval/{which}/{way}/R@1" for way in ways)
        for which, ways in (
            ("unseen_pair", ("audio_to_text", "text_to_audio")),
            ("bound", ("image_to_audio", "image_to_text")),
        )
    )
    return Claim(
        statement="sounds find texts, and texts sounds, that no term ever paired, at R@1 .25 or "
        "more of 264 (chance .004; a bag of events at most .167), by images alone",
        arms={"bound by images": {}},
        checks=tuple(Check(metric, "bound by images", ">=", offset=0.25) for metric in unseen),
        metrics=(*unseen, *bound),
        seed_keys=c.WORLD_SEED,
        paper_numbers="emergent zero-shot: ESC-50 .669, AudioCaps text-to-audio R@1 .093",
    )
