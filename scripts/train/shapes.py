"""The pictures the shipped model learns: captions and the drawings they describe.

Everything is drawn from signed distances, so edges are antialiased at any size and a batch of
pictures is a few tensor operations. Lengths are fractions of the picture's side; x grows to the
right and y grows downwards.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

import torch

COLORS = {
    "red": (220, 40, 40),
    "green": (40, 170, 70),
    "blue": (50, 80, 220),
    "yellow": (240, 210, 50),
    "purple": (140, 60, 180),
    "orange": (245, 140, 40),
    "white": (245, 245, 245),
    "black": (25, 25, 25),
}
SHAPES = ("circle", "square", "triangle", "star")
SIZES = {"small": 0.12, "": 0.19, "large": 0.27}
POSITIONS = {
    "": None,
    "on the left": (-1, 0),
    "on the right": (1, 0),
    "at the top": (0, -1),
    "at the bottom": (0, 1),
    "in the center": (0, 0),
}
COLOR_NAMES = tuple(COLORS)


def held_out(color: str, shape: str, background: str) -> bool:
    """Reports whether training must never draw this shape colour, shape and background together.

    One triple in five is held out, spread so that every pair of the three is still drawn.
    """
    c, s, b = COLOR_NAMES.index(color), SHAPES.index(shape), COLOR_NAMES.index(background)
    return (c + 2 * s + 3 * b) % 5 == 0


@dataclass
class Figure:
    color: str
    shape: str
    x: float
    y: float
    radius: float


@dataclass
class Scene:
    caption: str
    background: str
    figures: list[Figure] = field(default_factory=list)


def article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _pick(rng: random.Random, background: str) -> tuple[str, str]:
    while True:
        color, shape = rng.choice(COLOR_NAMES), rng.choice(SHAPES)
        if color != background and not held_out(color, shape, background):
            return color, shape


def one_figure(rng: random.Random) -> Scene:
    background = rng.choice(COLOR_NAMES)
    color, shape = _pick(rng, background)
    size = rng.choice(("small", "", "", "large"))
    position = rng.choice(tuple(POSITIONS) + ("",))
    radius = SIZES[size] * rng.uniform(0.92, 1.08)
    jitter = lambda: rng.uniform(-0.025, 0.025)
    direction = POSITIONS[position]
    if direction is None:
        direction = (0, 0)
        jitter = lambda: rng.uniform(-0.05, 0.05)
    reach = min(0.27, 0.48 - 1.3 * radius)  # corners stay inside the picture
    figure = Figure(
        color, shape, 0.5 + direction[0] * reach + jitter(), 0.5 + direction[1] * reach + jitter(), radius
    )
    words = [size or color, *([color] if size else []), shape]
    if position:
        words.append(position)
    caption = f"{article(words[0])} {' '.join(words)} on {article(background)} {background} background"
    return Scene(caption, background, [figure])


def two_figures(rng: random.Random) -> Scene:
    background = rng.choice(COLOR_NAMES)
    figures, names = [], []
    for x in (0.26, 0.74):
        color, shape = _pick(rng, background)
        radius = 0.17 * rng.uniform(0.92, 1.08)
        figures.append(
            Figure(color, shape, x + rng.uniform(-0.025, 0.025), 0.5 + rng.uniform(-0.04, 0.04), radius)
        )
        names.append(f"{article(color)} {color} {shape}")
    caption = f"{names[0]} and {names[1]} on {article(background)} {background} background"
    return Scene(caption, background, figures)


def scene(rng: random.Random) -> Scene:
    return two_figures(rng) if rng.random() < 0.4 else one_figure(rng)


def _polygon_distance(px, py, points):
    """Signed distance to a closed polygon, negative inside (Inigo Quilez's winding form)."""
    n = len(points)
    best = torch.full_like(px, 1e9)
    inside = torch.zeros_like(px, dtype=torch.bool)
    for i in range(n):
        ax, ay = points[i]
        bx, by = points[i - 1]
        ex, ey = bx - ax, by - ay
        wx, wy = px - ax, py - ay
        h = ((wx * ex + wy * ey) / (ex * ex + ey * ey)).clamp(0, 1)
        best = torch.minimum(best, (wx - ex * h) ** 2 + (wy - ey * h) ** 2)
        crosses = ((ay > py) != (by > py)) & (px < ex * (py - ay) / (ey if ey != 0 else 1e-9) + ax)
        inside ^= crosses
    return torch.where(inside, -best.sqrt(), best.sqrt())


def outline_points(shape: str, radius: float) -> list[tuple[float, float]]:
    """The corners of a shape around the origin; radius is that of the circle of about equal weight."""
    if shape == "square":
        a = radius * 0.88
        return [(-a, -a), (a, -a), (a, a), (-a, a)]
    if shape == "triangle":
        r = radius * 1.22
        return [(0, -r), (r * math.sin(2.0944), r * 0.5), (-r * math.sin(2.0944), r * 0.5)]
    points = []
    for i in range(10):
        r = radius * (1.26 if i % 2 == 0 else 0.54)
        a = math.pi * i / 5
        points.append((r * math.sin(a), -r * math.cos(a)))
    return points


def distance(figure: Figure, px, py):
    dx, dy = px - figure.x, py - figure.y
    if figure.shape == "circle":
        return (dx * dx + dy * dy).sqrt() - figure.radius
    return _polygon_distance(dx, dy, outline_points(figure.shape, figure.radius))


_GRIDS: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}


def _grid(side: int):
    if side not in _GRIDS:
        c = (torch.arange(side) + 0.5) / side
        _GRIDS[side] = torch.meshgrid(c, c, indexing="ij")[::-1]
    return _GRIDS[side]


def draw(s: Scene, side: int, outline: bool = False) -> torch.Tensor:
    """Draws a scene as a float tensor [3, side, side] in -1..1.

    With outline, figures are hollow: a line as thick as a quarter of the radius, inside the edge.
    """
    px, py = _grid(side)
    image = torch.tensor(COLORS[s.background], dtype=torch.float32).view(3, 1, 1).expand(3, side, side).clone()
    for figure in s.figures:
        d = distance(figure, px, py)
        if outline:
            d = torch.maximum(d, -d - figure.radius * 0.26)
        cover = (0.5 - d * side).clamp(0, 1)
        color = torch.tensor(COLORS[figure.color], dtype=torch.float32).view(3, 1, 1)
        image += cover * (color - image)
    return image / 127.5 - 1


def vocabulary() -> list[str]:
    """Every word a caption can hold, plus the few a user is likely to add."""
    words = {"a", "an", "and", "on", "the", "at", "in", "background", "small", "large"}
    words |= {"left", "right", "top", "bottom", "center", "outline"}
    return sorted(words | set(COLOR_NAMES) | set(SHAPES))
