"""Attacks on towers: small changes of inputs that move embeddings far, to measure robustness.

They are for one's own models and stay in memory: an evaluator makes a change, measures what it does
and forgets it; nothing is written to a file.
"""

from mmjax.attacks.base import Attack, Change, Tower
from mmjax.attacks.generator import GeneratorAttack
from mmjax.attacks.patch import PatchAttack
from mmjax.attacks.pgd import PgdAttack
from mmjax.attacks.registry import ATTACKS

__all__ = ["ATTACKS", "Attack", "Change", "GeneratorAttack", "PatchAttack", "PgdAttack", "Tower"]
