"""Temporal order in sounds and captions, for unseen sets of events."""

from mmjax.claims import Check, Claim
from mmjax.configs import common as c


def claim() -> Claim:
    """Synthetic sounds of three events; the captions of a set differ only in the order."""
    to_text, to_audio = (
        tuple(f"retrieval/new_sets/{way}/R@{k}" for k in (1, 5, 10))
        for way in ("audio_to_text", "text_to_audio")
    )
    return Claim(
        variant="events",
        statement="the caption of a sound of three events in an unseen order is found among 264 "
        "captions, which contain all six orders of every set: R@1 at least .4 both ways, more "
        "than twice what a bag of events can reach (1/6; chance .004)",
        arms={"events": {}},
        checks=tuple(
            Check(metric, "events", ">=", offset=0.4) for metric in (to_text[0], to_audio[0])
        ),
        metrics=(*to_text, *to_audio),
        seed_keys=c.WORLD_SEED,
        paper_numbers="zero-shot ESC-50 accuracy .826 (chance .02)",
    )
