"""Packaging of mmjax: `pip install -e .`, or with extras, `pip install -e '.[test]'`."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

setup(
    name="mmjax",
    version="0.1.0",
    description="Contrastive pretraining of joint embeddings of many modalities, in JAX and Flax",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11,<3.14",
    # mmjax/configs is a link to configs/: a wheel holds the recipes as mmjax.configs.
    packages=find_packages(include=["mmjax", "mmjax.*"]),
    package_data={
        "mmjax": ["py.typed"],
        "mmjax.data": ["assets/*", "assets/*/*"],
        "mmjax.report": ["*.html.jinja"],
    },
    install_requires=[
        "jax>=0.10.2,<0.13",
        "flax>=0.12.8,<0.14",
        "optax>=0.2.8,<0.3",
        "orbax-checkpoint>=0.12,<0.14",
        "grain>=0.2.18,<0.4",
        "tensorflow-datasets>=4.9.10,<5",
        "array_record>=0.8,<0.10",
        "sentencepiece>=0.2.1,<0.4",
        "ml_collections>=1.1,<2",
        "absl-py>=2.1",
        "numpy>=2.0",
        "scipy>=1.13",  # jax needs it, too
        "scikit-learn>=1.6",
        "msgpack>=1.0.5",  # flax needs it, too
        "pillow>=11",
        "tensorboardX>=2.6",
        "tqdm>=4.66",
        "matplotlib>=3.9",
        "jinja2>=3.1",
        "safetensors>=0.5",
    ],
    extras_require={
        "test": [
            "pytest>=8",
            "pytest-xdist>=3.6",
            "hypothesis>=6.100",
            "ruff>=0.9",
            "tokenizers>=0.20",
            "flatbuffers>=24.3",
            "soundfile>=0.13",
        ],
        # Sound files: WAV, FLAC, OGG, MP3.
        "audio": ["soundfile>=0.13", "scipy>=1.13"],
        # Tables in Parquet, in and out.
        "parquet": ["pyarrow>=17"],
        # Tokenizers in Hugging Face's format, such as CLIP's BPE.
        "tokenizers": ["tokenizers>=0.20"],
        # Programs that serve without this package: jax.export writes them with flatbuffers.
        "stablehlo": ["flatbuffers>=24.3"],
        "tpu": ["jax[tpu]"],
        "cuda": ["jax[cuda13]"],
        # For compiling ahead of time for a TPU topology on a machine without a TPU; the release
        # of libtpu has to be the one that the installed jax names.
        "aot": ["libtpu"],
        # Volumes: NIfTI and DICOM files.
        "volumes": ["nibabel>=5", "pydicom>=3"],
        # ECG: PhysioNet (WFDB) records and DICOM waveforms.
        "ecg": ["wfdb>=4.3", "pydicom>=3"],
        # Inertial sensors: the sets that these packages hold.
        "imu": ["seglearn>=1.2.5", "aeon>=1.6"],
        # Meshes in STL, OFF and GLB files; OBJ and PLY need nothing.
        "shapes": ["trimesh>=4.5"],
        # Molecules in SDF and MOL files, and as SMILES.
        "graphs": ["rdkit>=2024.3"],
        # Video files; animated GIF, WebP and PNG need nothing.
        "video": ["av>=12"],
        "torch": ["torch>=2.6", "transformers>=5", "open_clip_torch>=3"],
    },
)
