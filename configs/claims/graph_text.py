"""Retrieval with unseen names of molecules, against chance."""

from mmjax.claims import Check, Claim


def claim() -> Claim:
    """Results of `small` over three seeds."""
    first, five, ten = (
        tuple(f"retrieval/new_molecules/{d}/R@{k}" for d in ("graph_to_text", "text_to_graph"))
        for k in (1, 5, 10)
    )
    return Claim(
        statement="R@1 among 125 molecules is at least ten times chance (.008), for graphs by "
        "their unseen names and for unseen names by their graphs",
        arms={"names": {}},
        checks=tuple(Check(metric, "names", ">=", offset=0.08) for metric in first),
        metrics=(*first, *five, *ten),
        paper_numbers="zero-shot retrieval among 20, of drugs by their descriptions: about .95 "
        "and more (from memory)",
    )
