"""Does contrast with phonemes make codes that say what is said, and not who says it?"""

from mmjax.claims import Arm, Check, Claim, Control, Tuning
from mmjax.configs import common as c
from mmjax.data.synthetic.phoneme_speech import FRAMES

PHONEME, CHANCE = "probe/phoneme/accuracy", "probe/phoneme/chance"
SPEAKER, BITS = "probe/speaker/accuracy", "code_usage/speech/bits/speech"
FOUND = tuple(f"retrieval/frames/{way}/R@1" for way in ("phonemes_to_speech", "speech_to_phonemes"))
GRID = {"optimizer.learning_rate": (3e-3, 1e-2)}
ALONE = {"objectives": {"contrast": None}}


def claim() -> Claim:
    """20 phonemes by 30 speakers, in codes of six numbers with 3 levels."""
    masked = {
        "data": {"views": {"phoneme": dict(type="label_set", length=FRAMES)}},
        "objectives": {"contrast": {"alike": "mask", "labels": ("phoneme", "phoneme")}},
    }
    return Claim(
        paper="frame-level contrast with text makes the codes of a speech codec semantic: they say "
        "little of speaker and emotion, in an even use of the codebook",
        statement="with the contrast a probe finds the speaker in the codes of an utterance 15 "
        "points less often than without, and the phoneme in the code of a frame 5 points more "
        "often, at .9 of the bits a code or more",
        arms={
            "reconstruction": Arm(ALONE, grid=GRID),
            "and contrast": Arm(grid=GRID),
            "and contrast, same phoneme masked": Arm(masked, grid=GRID),
            "and contrast, shuffled text": Arm(
                {"data": {"source": {"text": "shuffled"}}}, grid=GRID
            ),
            "contrast alone": Arm({"objectives": {"reconstruction": None}}, grid=GRID),
            "reconstruction, mean removed": Arm(
                {**ALONE, "data": {"source": {"centred": True}}}, grid=GRID
            ),
            "untrained": Arm(c.UNTRAINED, untuned="it does not train"),
        },
        tuning=Tuning(PHONEME, seeds=(20,)),
        checks=(
            Check("the speaker is found 15 points less often", SPEAKER, "and contrast", "<=",
                  "reconstruction", offset=-0.15),
            Check("the phoneme is found 5 points more often", PHONEME, "and contrast", ">=",
                  "reconstruction", offset=0.05),
            Check("a code has .9 of the bits or more", BITS, "and contrast", ">=",
                  "reconstruction", factor=0.9),
        ),
        controls=(
            Control("contrast with the text of another utterance", "and contrast, shuffled text",
                    "and contrast"),
            Control("the mean of the utterance removed, without any text",
                    "reconstruction, mean removed", "and contrast"),
        ),
        premises=(
            Check("codes say phonemes without contrast: 25 points above chance", PHONEME,
                  "reconstruction", ">=", "reconstruction", offset=0.25, against=CHANCE),
            Check("frames are aligned: R@1 is 30 points above that of the initial weights", FOUND,
                  "and contrast", ">=", "untrained", offset=0.3),
        ),
        extras=(
            Check("masking frames of the same phoneme finds the phoneme more often", PHONEME,
                  "and contrast, same phoneme masked", ">=", "and contrast"),
            Check("without reconstruction the phoneme is found more often", PHONEME,
                  "contrast alone", ">=", "and contrast"),
            Check("without reconstruction the speaker is found less often", SPEAKER,
                  "contrast alone", "<=", "and contrast"),
        ),
        metrics=(PHONEME, SPEAKER, BITS, *FOUND),
        seed_keys=c.WORLD_SEED,
        paper_numbers="PESQ 1.77 at 0.27 kbps and 2.58 at 1 kbps, and a flatter use of codes than "
        "other codecs; values of speakers not confirmed",
        notes="Speakers are offsets of all frames, which removing the mean forgets by itself. The "
        "phoneme is read by an MLP from a frame's code, the speaker from the shares of codes in "
        "an utterance. A tie on phonemes is a tie of the claim.",
    )  # fmt: skip
