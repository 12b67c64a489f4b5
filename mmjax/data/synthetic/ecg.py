"""Synthetic 12-lead ECGs with their reports.

Every wave of a beat is a Gaussian in time, as in McSharry et al. 2003 ("A dynamical model for
generating synthetic electrocardiogram signals"), times a vector of the heart's field:

    lead_l(t) = sum over beats b and waves w of  v_lw exp(-(t - t_b - m_w)^2 / (2 s_w^2))  + noise

A vector has a part (x, y) in the frontal plane, to the left and down, and a part (h, z) in the
horizontal plane, to the left and to the front:

    I = x    II = x/2 + sqrt(3)/2 y    III = II - I
    aVR = -(I + II)/2    aVL = I - II/2    aVF = II - I/2
    V1..V6 = h cos(p) + z sin(p),   p = 115, 95, 75, 60, 30, 0 degrees

The axis of QRS turns the frontal part only. What is drawn first are the numbers that a cardiologist
reads off; waves follow from them, so that the report is right by construction. A teaching model:
real hearts have many more ways to differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from mmjax.data.formats.signal import LEADS, Signal
from mmjax.data.records import Record
from mmjax.data.synthetic.generated import Generated
from mmjax.schema.bounds import Positive

_FRONT = np.radians(np.array([115, 95, 75, 60, 30, 0], np.float32))  # V1 to V6
_DOWN = np.float32(np.sqrt(3) / 2)
CONDUCTION = ("normal conduction", "right bundle branch block", "left bundle branch block")
ST = (
    "",
    "st elevation in anterior leads",
    "st elevation in inferior leads",
    "st depression in lateral leads",
)
# (frontal x, y; horizontal h, z) of the shift of each of them, for 1 mV.
_ST_VECTORS = np.array([[0, 0, 0, 0], [0, 0, 0.3, 1], [0, 1, 0, 0], [-1, 0, -1, 0]], np.float64)


class Wave(NamedTuple):
    """One Gaussian of every beat: its centre and width in seconds, and its vector in mV."""

    centre: float
    width: float
    vector: np.ndarray  # f[4]: x, y, h, z


@dataclass(kw_only=True, eq=False, repr=False)
class EcgReports(Generated):
    """Synthetic 12-lead ECGs and their reports.

    ``source[i]`` has `ecg`, a `Signal` f32[seconds rate, 12] in mV; `text`, [the report, its
    findings without numbers]; and the labels `rhythm`, `conduction`, `axis`, `heart_rate` (a
    minute), `pr`, `qrs`, `qtc` (ms). A report:

        sinus bradycardia, rate 52, pr 220 ms, qrs 140 ms, qtc 430 ms. normal axis. right bundle
        branch block. first degree av block. t wave inversion.

    Drawn evenly, all independent: the rate from 45 to 130 a minute; PR 120 to 260 ms ("first degree
    av block" above 200); QRS 75 to 110 ms, or 125 to 165 with a bundle branch block, which one in
    five has of each side; QTc 380 to 520 ms ("prolonged qt" above 470), QT = QTc sqrt(RR in s); the
    axis from -80 to 140 degrees ("left axis deviation" below -30, "right axis deviation" above 90).
    One in five fibrillates (RR of deviation 20 %, f waves of 5 to 8 Hz in place of P), one in five
    has one to three premature ventricular complexes; sinus RR vary by 4 % with breathing. One in
    five each has one of three ST shifts, one in four inverted T waves. Amplitudes times 0.7 to 1.4;
    wander up to 0.1 mV; noise of 0.02 mV. `rate` of the report is that of the beats that are there.

    Args:
      split: 'train' (4,000 rows) or 'test' (500).
      examples: number of rows, if another.
      seconds: of each.
      rate: samples a second.
      seed: of everything.
    """

    split: Literal["train", "test"] = "train"
    seconds: Positive = 10.0
    rate: Positive = 100.0

    name = "ecg_reports"
    splits: ClassVar = {"train": 4000, "test": 500}
    modalities = ("ecg", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        if self.seconds < 3 or self.rate < 50:
            raise ValueError(
                f"ecg_reports: seconds={self.seconds} must be at least 3, and rate={self.rate} Hz "
                "at least 50"
            )
        self.rate = float(self.rate)

        def choose(odds: list[float]) -> np.ndarray:
            return rng.choice(len(odds), size=count, p=odds)

        def between(low: float, high: float) -> np.ndarray:
            return rng.uniform(low, high, count)

        self.kind = choose([0.6, 0.2, 0.2])  # sinus, fibrillation, premature complexes
        self.conduction = choose([0.6, 0.2, 0.2])
        self.st = choose([0.4, 0.2, 0.2, 0.2])
        self.inverted = rng.random(count) < 0.25
        self.pr, self.qtc, self.axis = between(120, 260), between(380, 520), between(-80, 140)
        self.qrs = np.where(self.conduction == 0, between(75, 110), between(125, 165))
        self.size, self.shift = between(0.7, 1.4), between(0.15, 0.35)
        self.period = 60 / between(45, 130)
        self.beats, self.ectopic = _beats(rng, self.period, self.kind, self.seconds)

        inside = (self.beats >= 0) & (self.beats < self.seconds)
        first = np.where(inside, self.beats, np.inf).min(axis=1)
        last = np.where(inside, self.beats, -np.inf).max(axis=1)
        heart_rate = 60 * (inside.sum(axis=1) - 1) / (last - first)
        findings = [self._findings(i, heart_rate[i]) for i in range(count)]
        return {
            "text": [self._texts(i, heart_rate[i], said) for i, said in enumerate(findings)],
            "rhythm": [said[0] for said in findings],
            "conduction": [CONDUCTION[c] for c in self.conduction],
            "axis": [said[1] for said in findings],
            "heart_rate": heart_rate,
            "pr": np.where(self.kind == 1, np.nan, self.pr),
            "qrs": self.qrs,
            "qtc": self.qtc,
        }

    def __getitem__(self, index: int) -> Record:
        record = super().__getitem__(index)
        record["ecg"] = Signal(self._signal(index), self.rate, LEADS, ("mV",) * 12)
        return record

    def _findings(self, i: int, heart_rate: float) -> list[str]:
        """Rhythm, axis, and what else there is, as the report says it."""
        rhythm = "sinus rhythm"
        if self.kind[i] == 1:
            rhythm = "atrial fibrillation"
        elif round(heart_rate) < 60:
            rhythm = "sinus bradycardia"
        elif round(heart_rate) > 100:
            rhythm = "sinus tachycardia"
        axis = self.axis[i]
        said = "left axis deviation" if axis < -30 else "right axis deviation" if axis > 90 else ""
        found = [rhythm, said or "normal axis", CONDUCTION[self.conduction[i]]]
        if self.kind[i] == 2:
            found.append("premature ventricular complexes")
        if self.kind[i] != 1 and self.pr[i] > 200:
            found.append("first degree av block")
        if self.qtc[i] > 470:
            found.append("prolonged qt")
        if self.st[i]:
            found.append(ST[self.st[i]])
        if self.inverted[i]:
            found.append("t wave inversion")
        return found

    def _texts(self, i: int, heart_rate: float, findings: list[str]) -> list[str]:
        numbers = [f"rate {heart_rate:.0f}"]
        if self.kind[i] != 1:
            numbers.append(f"pr {self.pr[i]:.0f} ms")
        numbers += [f"qrs {self.qrs[i]:.0f} ms", f"qtc {self.qtc[i]:.0f} ms"]
        first = ", ".join([findings[0], *numbers])
        return [". ".join([first, *findings[1:]]), ". ".join(findings)]

    def _waves(self, i: int) -> tuple[list[Wave], list[Wave]]:
        """The waves of an ordinary beat and of a premature ventricular one, from the R wave on."""
        qrs, angle, a = self.qrs[i] / 1000, np.radians(self.axis[i]), self.size[i]
        qt = self.qtc[i] / 1000 * np.sqrt(self.period[i])
        begin = -0.45 * qrs  # of QRS; R is at 0

        def wave(share: float, width: float, mv: float, turn: float, h: float, z: float) -> Wave:
            """A part of QRS, `share` of the way through it; `turn` radians from the axis."""
            frontal = mv * np.array([np.cos(angle + turn), np.sin(angle + turn)])
            return Wave(begin + share * qrs, width * qrs, a * np.array([*frontal, h, z]))

        septum = wave(0.2, 0.08, 0.1, 2.8, -0.08, 0.15)
        waves = {
            0: [septum, wave(0.45, 0.11, 1.0, 0, 1.1, -0.6), wave(0.75, 0.1, 0.2, 3, -0.15, -0.5)],
            1: [septum, wave(0.3, 0.08, 1.0, 0, 1.0, -0.5), wave(0.7, 0.13, 0.4, 2.6, -0.5, 0.7)],
            2: [wave(0.3, 0.13, 0.8, 0, 0.7, -0.8), wave(0.65, 0.13, 0.7, 0.2, 0.8, -0.7)],
        }[int(self.conduction[i])]
        spread = 0.05 * np.sqrt(self.period[i])
        t_centre = begin + qt - 2 * spread
        t = a * (-1 if self.inverted[i] else 1) * np.array([0.2, 0.2, 0.3, 0.15])
        st_centre = (begin + qrs + t_centre - 1.5 * spread) / 2
        waves += [
            Wave(t_centre, spread, t),
            Wave(
                st_centre,
                max(0.03, (st_centre - begin - qrs) / 1.5),
                self.shift[i] * _ST_VECTORS[self.st[i]],
            ),
        ]
        if self.kind[i] != 1:
            p = a * np.array([0.06, 0.1, 0.07, 0.05])
            waves.append(Wave(begin - self.pr[i] / 1000 + 0.045, 0.02, p))
        premature = [
            Wave(0.0, 0.035, a * np.array([-0.6, 1.2, -0.9, 1.3])),
            Wave(0.28, 0.06, -a * np.array([-0.2, 0.4, -0.3, 0.4])),
        ]
        return waves, premature

    def _signal(self, i: int) -> np.ndarray:
        """f32[T, 12] in mV."""
        rng = np.random.default_rng([self.seed, self.stream, i, 77])
        t = np.arange(round(self.seconds * self.rate)) / self.rate
        beats, ectopic = self.beats[i], self.ectopic[i]
        after = np.searchsorted(beats, t).clip(1, len(beats) - 1)
        x = np.zeros((len(t), 4), np.float32)
        usual, premature = (
            [np.array(part, np.float32) for part in zip(*waves, strict=True)]
            for waves in self._waves(i)
        )
        for beat in (after - 1, after):  # a wave reaches no further than to the next beat
            since = (t - beats[beat]).astype(np.float32)[:, None]
            early = ectopic[beat]
            part = _sum(since, *usual)
            if early.any():
                part[early] = _sum(since[early], *premature)
            x += part
        if self.kind[i] == 1:
            frequency, phase = rng.uniform(5, 8, 2), rng.uniform(0, 2 * np.pi, 2)
            f_wave = np.sin(2 * np.pi * frequency * t[:, None] + phase).sum(axis=1)
            x += 0.04 * f_wave[:, None] * np.array([0.4, 0.7, 0.2, 1.0])
        slow = 2 * np.pi * (rng.uniform(0.1, 0.4) * t + rng.random())
        x += 0.1 * rng.random() * np.sin(slow)[:, None] * rng.uniform(-1, 1, 4)
        one, two = x[:, 0], x[:, 0] / 2 + _DOWN * x[:, 1]
        noise = np.float32(0.02) * rng.standard_normal((len(t), 8), np.float32)
        one, two = one + noise[:, 0], two + noise[:, 1]
        chest = x[:, 2:3] * np.cos(_FRONT) + x[:, 3:4] * np.sin(_FRONT) + noise[:, 2:]
        limb = (one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2)
        return np.column_stack([*limb, chest]).astype(np.float32)


def _sum(
    since: np.ndarray, centres: np.ndarray, widths: np.ndarray, vectors: np.ndarray
) -> np.ndarray:
    """The waves of a beat at f[T, 1] seconds after it, f[T, 4]."""
    total: np.ndarray = np.exp(-0.5 * ((since - centres) / widths) ** 2) @ vectors
    return total


def _beats(
    rng: np.random.Generator, period: np.ndarray, kind: np.ndarray, seconds: float
) -> tuple[np.ndarray, np.ndarray]:
    """Times of beats f[N, M], from before 0 to after the end, and which are premature, bool[N, M].

    A premature beat comes after 0.65 of a period, and the next one at its usual time.
    """
    count, most = len(period), int(np.ceil(seconds / period.min() * 1.5)) + 4
    noise = rng.standard_normal((count, most))
    place = np.arange(most) * period[:, None]
    breath = 0.04 * np.sin(2 * np.pi * (0.25 * place + rng.random((count, 1)))) + 0.01 * noise
    change = np.where((kind == 1)[:, None], np.clip(0.2 * noise, -0.5, 0.6), breath)
    beats = np.cumsum(period[:, None] * (1 + change), axis=1)
    beats += ((rng.random(count) - 1) * period - beats[:, 0])[:, None]  # the first is before 0
    ectopic = np.zeros((count, most), bool)
    for i in np.flatnonzero(kind == 2):
        inside = np.flatnonzero((beats[i] > 1.5 * period[i]) & (beats[i] < seconds - period[i]))
        chosen = rng.permutation(inside[::2])[: rng.integers(1, 4)]
        ectopic[i, chosen] = True
        beats[i, chosen] -= 0.35 * period[i]
    return beats, ectopic
