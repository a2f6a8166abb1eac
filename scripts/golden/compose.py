"""Writes Unicode's canonical compositions for runner/builtin/tokenizer.

    python compose.py > ../../runner/builtin/tokenizer/compose.txt

Lines: "C first last class" for combining classes, "P whole first second" for pairs that compose, "S whole parts"
for characters that only decompose. Hangul syllables follow a rule and are left out.
"""

from __future__ import annotations

import unicodedata


def code(text: str) -> str:
    return " ".join(f"{ord(c):X}" for c in text)


def classes() -> None:
    first, kind = 0, 0
    for point in range(0x110000):
        now = unicodedata.combining(chr(point))
        if now != kind:
            if kind:
                print(f"C {first:X} {point - 1:X} {kind}")
            first, kind = point, now


def compositions() -> None:
    for point in range(0x110000):
        whole = chr(point)
        decomposition = unicodedata.decomposition(whole)
        if not decomposition or decomposition.startswith("<"):
            continue
        parts = "".join(chr(int(p, 16)) for p in decomposition.split())
        kind = "P" if unicodedata.normalize("NFC", parts) == whole else "S"
        print(kind, code(whole), code(parts))


print("# Unicode", unicodedata.unidata_version)
classes()
compositions()
