"""Draws losses/*.csv into one picture: python plot.py ../../docs/images/losses.png (needs matplotlib)."""

from __future__ import annotations

import csv
import pathlib
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

CURVES = [
    ("vae.csv", ("pixels", "edges"), "VAE"),
    ("unet.csv", ("weighted", "epsilon"), "UNet and text encoder"),
    ("lora.csv", ("weighted",), "outline LoRA"),
    ("decoder.csv", ("pixels", "edges"), "decoder, refined"),
]


def main() -> None:
    here = pathlib.Path(__file__).resolve().parent / "losses"
    figure, axes = plt.subplots(1, len(CURVES), figsize=(14, 3))
    for axis, (name, columns, title) in zip(axes, CURVES):
        rows = list(csv.DictReader((here / name).open()))
        for column in columns:
            axis.plot([int(r["step"]) for r in rows], [float(r[column]) for r in rows], label=column)
        axis.set(title=title, xlabel="step", yscale="log")
        axis.legend()
    figure.tight_layout()
    figure.savefig(sys.argv[1], dpi=80)


if __name__ == "__main__":
    main()
