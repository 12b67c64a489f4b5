"""Names of molecules that were never read, next to chance."""

from mmjax.claims import Check, Claim


def claim() -> Claim:
    """What `small` reaches over three seeds."""
    first, five, ten = (
        tuple(f"retrieval/new_molecules/{d}/R@{k}" for d in ("graph_to_text", "text_to_graph"))
        for k in (1, 5, 10)
    )
    return Claim(
        statement="a name that was never read finds its graph, and a graph its name, among 125 at "
        "least ten times as often as by chance (R@1, chance .008)",
        arms={"names": {}},
        checks=tuple(Check(metric, "names", ">=", offset=0.08) for metric in first),
        metrics=(*first, *five, *ten),
        paper_numbers="zero-shot retrieval among 20, of drugs by their descriptions: about .95 and "
        "more (from memory)",
    )
