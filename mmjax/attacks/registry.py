"""The registry of attacks; the fields of each are its keys."""

from mmjax.attacks.base import Attack
from mmjax.attacks.generator import GeneratorAttack
from mmjax.attacks.patch import PatchAttack
from mmjax.attacks.pgd import PgdAttack
from mmjax.schema.registry import Registry

ATTACKS: Registry[Attack] = Registry(
    "attack", Attack, {"patch": PatchAttack, "pgd": PgdAttack, "generator": GeneratorAttack}
)
