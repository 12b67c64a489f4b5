"""C3Net: alignment of condition encoders, with pretraining within a modality.

Zhang et al. 2024, arXiv 2311.17951, of which this is the first step, without the generator. Images
and texts are aligned and then stay as they are; the audio tower is first trained by two augmented
views of each sound (SimCLR), which need no texts, and then aligned with the frozen texts, the
bridge. What a user can take from it: where few pairs of a modality and many examples without a
partner are at hand, train its tower on these first; its pair with images needs no data at all. For
the pair that has data, ridge regression from the same features does as much: try that before.

    python -m mmjax.main --config=configs/c3net.py        # a generated latent, seconds
    python -m mmjax.main --config=configs/c3net.py:paper  # CLIP ViT-L/14 and sounds
    python -m mmjax.claims c3net                          # 200 pairs of audio and text

The paper's pretraining loss was not read in its code, and is SimCLR's in its two-view form here.
Generated data only: of the sounds that packages carry with texts, speech, each says words of its
own, so that 200 pairs teach nothing of others (`audio_text:fillets` finds hardly any with 1,290).
Left out: the diffusion model that draws from the aligned conditions, in which nothing is
contrastive.
"""

from mmjax.configs import common as c

PAPER = "Zhang et al. 2024, C3Net, arXiv 2311.17951"
BIND, WITHIN, BRIDGE = ("image", "text"), ("audio", "audio@2"), ("audio", "text")
FREEZE = dict(freeze=("towers/text/.*",))


def objectives() -> dict:
    """A term for each stage; the one within audio has a head of its own."""
    fixed = dict(type="info_nce", learn_temperature=False)
    within = dict(**fixed, pairs=(WITHIN,), temperature=0.1, head="within")
    pairs = {"bind": BIND, "bridge": BRIDGE}
    terms = {name: dict(**fixed, pairs=(pair,), temperature=0.07) for name, pair in pairs.items()}
    return {**terms, "within": within}


def measured(source: object) -> list[dict]:
    """Retrieval of the pair that was trained, and of the one that was not."""
    pairs = {"bridge": BRIDGE, "unseen_pair": ("audio", "image")}
    return [c.retrieval(name, source, pairs=(pair,)) for name, pair in pairs.items()]


def small() -> dict:
    """A latent of 16 dimensions: 20,000 sounds, 20,000 images with texts, 200 sounds with texts."""
    noisy, sound, pair = dict(noise=0.8), c.vector(64, drop=0.2, noise=0.3), c.mlp(64, (256,), 64)
    seen = {"text": dict(form="linear"), "image": noisy, "audio": noisy}
    audio = c.mlp(64, (256,), 256, activation="gelu", final_activation=True)
    latent = dict(type="latent_views", views=seen, examples=20_000)
    head = {"head": c.linear_head(64), "heads": {"within": c.linear_head(64)}}
    paired = dict(split="paired", examples=200)
    return c.recipe(
        PAPER,
        steps=300,
        data=c.data(latent, 128, image=c.vector(64), text=c.vector(64), audio=(sound, sound)),
        towers=c.towers(image=pair, text=pair, audio={"encoder": audio, **head}),
        objectives=objectives(),
        optimizer=c.adamw(1e-3, schedule="constant"),
        evaluators=measured(c.held_out(examples=500)),
        stages=(
            c.stage("bind", 800, without=("within", "bridge"), idle=WITHIN,
                    data=dict(source=dict(split="train"), batch_size=256)),
            c.stage("within", 600, without=("bind", "bridge"), idle=BIND,
                    data=dict(source=dict(split="probe"), batch_size=256)),
            c.stage("bridge", 300, without=("bind", "within"), idle=("image", "audio@2"),
                    data=dict(source=paired), optimizer=FREEZE),
        ),
    )  # fmt: skip


def paper() -> dict:
    """Towers of CLIP ViT-L/14, which stay as they are; a spectrogram transformer for ten seconds.

    You need sounds without texts and pairs of sounds and captions, in tables of files.
    """
    folder, rate, dim, tables = "weights/clip-vit-large-patch14", 16_000, 768, "data/audiocaps"
    text = c.causal_text(768, 12, **c.OPENAI)
    image = c.vit(14, size="large", pool="cls", pre_norm=True, patch_bias=False, **c.OPENAI)
    sound = dict(type="audio", rate=rate, length=10 * rate)
    masks = dict(noise=0.5, gain=6.0, time_masks=2, time_width=96, mel_masks=2, mel_width=24)
    audio = dict(type="audio_transformer", samples=10 * rate, width=768, depth=12, heads=12,
                 spectrogram=dict(rate=rate, mels=128), augment=masks)  # fmt: skip
    alone = c.manifest("data/audioset/train.csv", "train", audio="sound")
    pairs = c.manifest(f"{tables}/train.csv", "train", audio="sound", text="caption")
    test = c.manifest(f"{tables}/val.csv", "val", audio="sound", text="caption", image="frame")
    return c.recipe(
        PAPER,
        steps=20_000,
        data=c.data(alone, 1024, text.tokenizer, image=c.clip_image(), text=text.view,
                    audio=(sound, sound), workers=32),
        towers=c.towers(
            c.linear_head(dim),
            image=c.pretrained(folder, image),
            text=c.pretrained(folder, text.encoder),
            audio={"encoder": audio, "heads": {"within": c.mlp_head(dim, dim)}},
        ),
        objectives=objectives(),
        optimizer=c.adamw(1e-4, weight_decay=0.1, warmup_steps=1000),  # assumed
        evaluators=measured(test),
        stages=(
            c.stage("within", 40_000, without=("bind", "bridge"), idle=BIND),  # assumed
            c.stage("bridge", 20_000, without=("bind", "within"),  # assumed
                    idle=("image", "audio@2"), data=dict(source=pairs), optimizer=FREEZE),
        ),
    )  # fmt: skip


get_config = c.variants("c3net", small, paper)
