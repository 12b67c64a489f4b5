"""Generated ECGs: what a reader finds in the waves is what the report says."""

import numpy as np
import pytest
from scipy.signal import find_peaks

from mmjax.data.formats.signal import LEADS
from mmjax.data.synthetic.ecg import EcgReports


@pytest.fixture(scope="module")
def reports():
    return EcgReports(examples=300, rate=250.0)


def test_limb_leads_obey_einthoven(reports):
    for i in range(20):
        lead = dict(zip(LEADS, np.float64(reports[i]["ecg"].samples).T, strict=True))
        np.testing.assert_allclose(lead["III"], lead["II"] - lead["I"], atol=1e-6)
        np.testing.assert_allclose(lead["aVR"] + lead["aVL"] + lead["aVF"], 0, atol=1e-6)
        np.testing.assert_allclose(lead["aVF"], (lead["II"] + lead["III"]) / 2, atol=1e-6)


def beats_of(record):
    """R waves in V6, where they are upright whatever the axis, in samples."""
    v6 = record["ecg"].samples[:, 11]
    return find_peaks(v6, height=0.5 * np.quantile(v6, 0.995), distance=50)[0]


@pytest.mark.smoke
def test_the_rate_of_the_report_is_that_of_the_beats(reports):
    checked = 0
    for record in reports:
        if "premature ventricular complexes" in record["text"][0]:
            continue
        peaks = beats_of(record)
        rate = 60 * 250 / np.diff(peaks).mean()
        said = int(record["text"][0].split("rate ")[1].split(",")[0])
        assert rate == pytest.approx(said, abs=3), record["text"][0]
        regular = np.std(np.diff(peaks)) / np.mean(np.diff(peaks))
        assert (regular > 0.08) == (record["rhythm"] == "atrial fibrillation"), regular
        slow, fast = (
            record["rhythm"] == "sinus bradycardia",
            record["rhythm"] == "sinus tachycardia",
        )
        if record["rhythm"] != "atrial fibrillation":
            assert (slow, fast) == (said < 60, said > 100)
        checked += 1
    assert checked > 150


def test_intervals_and_axis_are_in_the_waves(reports):
    """Averaged beats of sinus rhythm: P before QRS as PR says, its net area along the axis."""
    distance, angle = [], []
    for record in reports:
        if record["rhythm"] == "atrial fibrillation" or record["conduction"] != "normal conduction":
            continue
        if "premature" in record["text"][0] or record["heart_rate"] > 90:
            continue
        peaks = beats_of(record)[1:-1]
        around = np.arange(-110, 20)
        beat = np.mean([record["ecg"].samples[p + around] for p in peaks], axis=0)
        beat = beat - np.median(beat, axis=0)
        before = -round((0.45 * record["qrs"] / 1000 + 0.05) * 250)
        p_wave = around[np.argmax(np.where(around < before, beat[:, 1] + beat[:, 5], -9))] / 250
        onset = -0.45 * record["qrs"] / 1000
        distance.append((p_wave, onset - record["pr"] / 1000 + 0.045))
        top = beat[around == 0][0]
        frontal = np.degrees(np.arctan2((2 * top[1] - top[0]) / np.sqrt(3), top[0]))
        angle.append((frontal, record["axis"]))
    distance = np.array(distance)
    assert len(distance) > 40
    assert np.median(np.abs(distance[:, 0] - distance[:, 1])) < 0.012
    for frontal, axis in angle:
        expected = "left" if frontal < -30 else "right" if frontal > 90 else "normal"
        near = min(abs(frontal + 30), abs(frontal - 90)) < 12
        assert near or axis.startswith(expected), (frontal, axis)


def test_findings_are_in_the_waves(reports):
    """Means over records: what is said to be wide, inverted, raised or premature is."""
    width, t_wave = {}, {True: [], False: []}
    early = {True: [], False: []}
    for record in reports:
        x = record["ecg"].samples
        peaks = beats_of(record)[1:-1]
        premature = "premature ventricular complexes" in record["text"][0]
        if record["rhythm"] != "atrial fibrillation":
            early[premature].append(np.diff(beats_of(record)).std())
        if premature:
            continue
        beat = np.mean([x[p - 40 : p + 41] for p in peaks], axis=0)
        steep = np.abs(np.diff(beat, axis=0)).sum(axis=1)
        width.setdefault(record["conduction"], []).append((steep > 0.3 * steep.max()).sum())
        qt = record["qtc"] * np.sqrt(60 / record["heart_rate"]) / 1000
        after = int((qt * 0.75) * 250)
        late = np.mean(
            [x[p + after - 5 : p + after + 5, 9] for p in peaks if p + after + 5 < len(x)]
        )
        t_wave["t wave inversion" in record["text"][0]].append(late)
    normal, blocked = np.mean(width["normal conduction"]), []
    for name in ("right bundle branch block", "left bundle branch block"):
        blocked.append(np.mean(width[name]))
    assert min(blocked) > 1.3 * normal
    assert np.mean(t_wave[True]) < -0.02 < 0.05 < np.mean(t_wave[False])
    assert np.mean(early[True]) > 3 * np.mean(early[False])


def test_reports_say_what_the_labels_say(reports):
    for record in reports:
        report, findings = record["text"]
        assert report.startswith(record["rhythm"] + ", rate ")
        assert all(record[name] in report for name in ("axis", "conduction"))
        assert not any(character.isdigit() for character in findings)
        assert ("pr " in report) == (record["rhythm"] != "atrial fibrillation")
        assert ("first degree av block" in report) == bool(record["pr"] > 200)
        assert ("prolonged qt" in report) == (record["qtc"] > 470)
    assert len({record["text"][0] for record in reports}) > 295
    with pytest.raises(ValueError, match="seconds=1 must be at least 3"):
        EcgReports(seconds=1)
