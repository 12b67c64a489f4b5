"""Electrocardiograms of any device to arrays of one layout, rate and unit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np

from mmjax.data.formats.signal import (
    LEADS,
    LIMB,
    MILLIVOLTS,
    Signal,
    SignalError,
    named,
    without_baseline,
)
from mmjax.data.views.signal import UNCHANGED, Normalize, SignalView
from mmjax.data.views.signal_augmentation import SignalAugmentation
from mmjax.schema.bounds import (
    BelowOne,
    Count,
    CountOrZero,
    Factor,
    Length,
    NonNegative,
    Portion,
    Positive,
)

_LEAD = {lead.upper(): lead for lead in LEADS}


class EcgView(SignalView):
    """An ECG as f32[leads, length] in millivolts; what was not measured is NaN.

    The value is a `Signal`, an array [T, leads], or the bytes of a `.npy` file of one or of a DICOM
    waveform. Leads are found by their names, in any order and under the names that devices give
    them; limb leads that are missing are worked out from I and II, which is exact: III = II - I,
    aVR = -(I + II)/2, aVL = I - II/2, aVF = II - I/2. For the rest see `SignalView`.

    Args:
      length: samples of the view.
      rate: its samples a second.
      leads: of the view, in its order. Values without names have these leads in this order.
      source_rate, crop, max_nan, max_missing, normalize, scale, augment: see `SignalView`.
      source_unit: the unit of values that do not say their own.
      min_seconds: a shorter record is refused.
      remove_baseline: takes off the slow part of each lead, see `without_baseline`.
      flat: a constant lead is unusable, 'missing', or not, 'keep'.
      most_millivolts: larger numbers are refused, since they are in another unit.

    Attributes:
      shape: (leads, length).
      dtype: float32.
    """

    def __init__(
        self,
        *,
        length: Count,
        rate: Positive,
        leads: Annotated[tuple[str, ...], Length()] = LEADS,
        source_rate: Positive | None = None,
        source_unit: Literal["mV", "uV", "V"] = "mV",
        crop: tuple[Portion, Portion] = (1.0, 1.0),
        min_seconds: NonNegative = 1.0,
        max_nan: BelowOne = 0.0,
        max_missing: CountOrZero = 0,
        flat: Literal["keep", "missing"] = "missing",
        remove_baseline: bool = False,
        normalize: Normalize = "none",
        scale: Factor = 1.0,
        most_millivolts: Positive = 50.0,
        augment: SignalAugmentation = UNCHANGED,
    ):
        unknown = [lead for lead in leads if lead_name(lead) not in LEADS]
        if unknown or len({lead_name(lead) for lead in leads}) != len(leads):
            raise ValueError(f"ecg view: leads={tuple(leads)} should be different ones of {LEADS}")
        super().__init__(
            channels=len(leads),
            length=length,
            rate=rate,
            source_rate=source_rate,
            crop=crop,
            min_length=max(1, round(min_seconds * rate)),
            max_nan=max_nan,
            max_missing=max_missing,
            flat=flat,
            normalize=normalize,
            scale=scale,
            augment=augment,
        )
        self.leads = tuple(lead_name(lead) for lead in leads)
        self.source_unit, self.most_millivolts = source_unit, most_millivolts
        self.remove_baseline = remove_baseline
        self.shape = (len(leads), length)

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        return np.ascontiguousarray(self._render(value, rng, train).T)

    def content(self, array: np.ndarray) -> dict[str, np.ndarray]:
        """The leads, as channels of samples."""
        return {"": array.T}

    def _ordered(self, signal: Signal) -> Signal:
        if not signal.channels:
            super()._ordered(signal)
            units = signal.units or (self.source_unit,) * self.channels
            return Signal(_millivolts(signal.samples, units), signal.rate, self.leads)
        units = signal.units or (self.source_unit,) * len(signal.channels)
        where: dict[str, int] = {}
        for i, name in enumerate(signal.channels):
            if where.setdefault(lead_name(name), i) != i:
                raise SignalError(f"it has the lead {lead_name(name)} twice")
        x = _millivolts(signal.samples, units)
        columns, lacking = [], []
        for lead in self.leads:
            if lead in where:
                columns.append(x[:, where[lead]])
            elif lead in LIMB and "I" in where and "II" in where:
                a, b = np.array(LIMB[lead], np.float32)
                columns.append(a * x[:, where["I"]] + b * x[:, where["II"]])
            else:
                lacking.append(lead)
                columns.append(np.full(len(x), np.nan, np.float32))
        if len(lacking) > self.max_missing:
            raise SignalError(
                f"it lacks the leads {named(lacking)}; it has {named(signal.channels)}; "
                f"max_missing={self.max_missing}"
            )
        return Signal(np.stack(columns, axis=1), signal.rate, self.leads)

    def _clean(self, x: np.ndarray) -> np.ndarray:
        largest = np.abs(x).max()
        if largest > self.most_millivolts:
            raise SignalError(
                f"its largest value is {largest:.4g} mV, which no heart makes: set source_unit, "
                "or most_millivolts"
            )
        if not self.remove_baseline:
            return x
        assert self.rate is not None  # an option that this view needs
        return without_baseline(x, self.rate)


def lead_name(name: str) -> str:
    """The usual name of a lead, by one that devices and standards use; another name as it is.

    `Lead I (Einthoven)` of DICOM and `MDC_ECG_LEAD_I` of ISO 11073-10102 are `I`, `AVR` is `aVR`.
    """
    short = re.sub(r"\(.*?\)", "", str(name)).strip()
    short = re.sub(r"^(mdc_ecg_)?lead[ _]*", "", short, flags=re.IGNORECASE).strip()
    return _LEAD.get(short.upper(), name)


def _millivolts(x: np.ndarray, units: Sequence[str]) -> np.ndarray:
    strange = [unit for unit in units if str(unit).strip().lower() not in MILLIVOLTS]
    if strange or len(units) != x.shape[1]:
        raise SignalError(f"its units are {named(units)}, which are no voltages of its channels")
    each = np.array([MILLIVOLTS[str(unit).strip().lower()] for unit in units], np.float32)
    millivolts: np.ndarray = x * each
    return millivolts
