"""Exports a model.

    python -m mmjax.export --workdir=runs/clip-... --format=hf --out=exports/clip-hf

`--format`: `hf` (transformers: CLIPModel, SiglipModel), `open_clip`, `safetensors` (our own names)
or `stablehlo` (programs that serve without this package). Each ends with a parity report.
`--to=hf://owner/name` uploads the folder to the Hugging Face Hub, with its model card; the account
is that of `hf auth login` or HF_TOKEN.

    python -m mmjax.export --workdir=weights/dinov2-base --format=verify --out=parity/dinov2-base

writes nothing but the parity report of foreign weights, read here, with the library they are of.
"""

from absl import flags

from mmjax import cli
from mmjax.errors import ConfigError

WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Folder of a run, or of anything else that mmjax.load takes.",
    allow_override=True,
)
CHECKPOINT = flags.DEFINE_string(
    "checkpoint", "latest", "Of a run: latest, previous, best, or a step.", allow_override=True
)
FORMAT = flags.DEFINE_string("format", None, "hf, open_clip, safetensors, stablehlo; or verify.")
OUT = flags.DEFINE_string("out", None, "The folder to make.", allow_override=True)
LICENSE = flags.DEFINE_string("license", None, "Licence of the weights, for the model card.")
TO = flags.DEFINE_string("to", None, "Also upload it to the Hub: hf://owner/name.")
PRIVATE = flags.DEFINE_bool("private", False, "With --to: a model that is made is not public.")


def main(path: str | None, overrides: list[str]) -> None:
    """Exports one model and tells its parity."""
    from mmjax.export import export
    from mmjax.inference.verify import verify
    from mmjax.weights import hub

    if path is not None or overrides:
        raise ConfigError("a model is exported with its own config: leave out --config")
    source, form, out = (cli.needed(flag) for flag in (WORKDIR, FORMAT, OUT))
    if TO.value is not None:
        hub.target(TO.value)
    if form == "verify":
        folder, line = verify(source, out)
        cli.say(f"{folder}\n{line}")
        return
    folder, line = export(
        source, out, format=form, checkpoint=CHECKPOINT.value, license=LICENSE.value
    )
    cli.say(f"{folder}\n{line}")
    if TO.value is not None:
        cli.say(hub.push(folder, TO.value, private=PRIVATE.value))


if __name__ == "__main__":
    cli.run(main)
