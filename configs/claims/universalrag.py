"""A merged index against a router, by the offset between modalities and by who knows the route."""

from mmjax.claims import Arm, Check, Claim, Control
from mmjax.configs import common as c

TEST = "merged_retrieval/test"
ROUTED, MERGED, CENTRED, SOFT, RANDOM = (
    f"{TEST}/{way}/R@1" for way in ("routed", "merged", "centred", "soft", "random")
)


def data(**options: object) -> dict:
    """Changes of the generated queries, wherever they are read."""
    return {
        "data": {"source": options},
        "evaluators": {
            "merged_retrieval": {
                "test": dict.fromkeys(("source", "train", "index"), options)
            }
        },
    }  # fmt: skip


def arm(offset: float, everywhere: bool = False) -> Arm:
    """An offset; nothing is chosen."""
    return Arm(data(offset=offset, everywhere=everywhere), untuned="nothing trains")


def claim() -> Claim:
    """Topics of one modality and of all."""
    return Claim(
        paper="in one index of several modalities a query finds items of the modality nearest to "
        "it, whatever it needs; a router to the index of one modality is better",
        statement="with an offset of .8 between modalities R@1 of a merged index is 50 points "
        "lower than without, that of routed indexes is the same within 3 points and 40 points "
        "above it; where topics are in all modalities routing is 40 points better at any offset; "
        "and to take the means of the modalities away does not do it, too",
        arms={
            "no offset": arm(0.0),
            "offset .4": arm(0.4),
            "offset .8": arm(0.8),
            "everywhere, no offset": arm(0.0, everywhere=True),
            "everywhere, offset .8": arm(0.8, everywhere=True),
        },
        checks=(
            Check("the offset costs a merged index 50 points", MERGED, "no offset", ">=",
                  "offset .8", offset=0.5),
            Check("it costs routed indexes no more than 3", ROUTED, "offset .8", ">=",
                  "no offset", offset=-0.03),
            Check("with it routing is 40 points better", ROUTED, "offset .8", ">=", "offset .8",
                  offset=0.4, against=MERGED),
            Check("where topics are in all modalities it is 40 points better without an offset",
                  ROUTED, "everywhere, no offset", ">=", "everywhere, no offset", offset=0.4,
                  against=MERGED),
            Check("and with one", ROUTED, "everywhere, offset .8", ">=", "everywhere, offset .8",
                  offset=0.4, against=MERGED),
        ),
        controls=(
            Control("one index without the means of the modalities", "offset .8", "offset .8",
                    {ROUTED: CENTRED}),
        ),
        extras=(
            Check("without an offset routing is worse than a merged index", ROUTED, "no offset",
                  "<=", "no offset", against=MERGED),
            Check("and with an offset of .4", ROUTED, "offset .4", "<=", "offset .4",
                  against=MERGED),
            Check("the means taken away, one index is better than routing", CENTRED, "offset .8",
                  ">=", "offset .8", against=ROUTED),
            Check("where topics are in all modalities that is 40 points worse than routing",
                  ROUTED, "everywhere, offset .8", ">=", "everywhere, offset .8", offset=0.4,
                  against=CENTRED),
            Check("the router as a prior is as good as either, topics of one modality", SOFT,
                  "offset .8", ">=", "offset .8", against=ROUTED),
            Check("and topics of all", SOFT, "everywhere, offset .8", ">=",
                  "everywhere, offset .8", offset=-0.02, against=ROUTED),
        ),
        metrics=(MERGED, CENTRED, ROUTED, f"{TEST}/oracle/R@1", SOFT, RANDOM, f"{TEST}/router",
                 f"{TEST}/merged/share_text"),
        seed_keys=c.WORLD_SEED,
        paper_numbers="its trained routers are better than every single index and than a merged "
        "one; averages not confirmed",
        notes="A model of the argument on made vectors. Where a topic is in one modality only, the "
        "means of the modalities taken away cure the offset without a router, and better. Where it "
        "is in all, a merged index fails without an offset, too: what routing gains there is the "
        "label of the intent, not the gap. The router's log probability as a prior loses neither "
        "way.",
    )  # fmt: skip
