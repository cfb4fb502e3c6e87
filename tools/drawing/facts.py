"""What an upsampler does on a feature, in numbers that are drawn."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .subjects import Call


@dataclass
class Facts:
    """Of one call, as float32 arrays without a batch; None of what the upsampler does not have.

    Distances are in low-resolution pixels.

    Attributes:
        result: The upsampled feature, (C, sH, sW).
        changed: The finer level as the upsampler changed it, (C', sH, sW).
        points: Where it samples, (G, P, 2, sH, sW): columns and rows in pixels of the feature.
        starts: The same without learned offsets.
        weights: Shares of the points, (G, P, sH, sW); equal ones where none are learned.
        kernels: (G, k, k, sH, sW): weights of taps, rows before columns.
        tap_step: How far two taps lie from each other.
        highpass: (k, k, sH, sW), whose taps are pixels of the result.
        scopes: (sH, sW), the mean over groups, points and coordinates.
        gates: (H, W) or (sH, sW).
    """

    result: np.ndarray
    changed: np.ndarray | None = None
    points: np.ndarray | None = None
    starts: np.ndarray | None = None
    weights: np.ndarray | None = None
    kernels: np.ndarray | None = None
    tap_step: float = 1.0
    highpass: np.ndarray | None = None
    scopes: np.ndarray | None = None
    gates: np.ndarray | None = None

    @property
    def moved(self) -> np.ndarray | None:
        """How far each group's samples are moved, (G, 2, sH, sW): by the points' shares."""
        if self.points is None:
            return None
        return ((self.points - self.starts) * self.weights[:, :, None]).sum(1)

    @property
    def index(self) -> np.ndarray | None:
        """Kernels of one tap, which say what a pixel is multiplied by, (sH, sW)."""
        if self.kernels is None or self.kernels.shape[1] > 1:
            return None
        return self.kernels[0, 0, 0]

    def taps(self, ratio: int) -> np.ndarray | None:
        """Where the taps of kernels lie, (k², 2, sH, sW), in pixels of the feature."""
        if self.kernels is None or self.index is not None:
            return None
        k, *size = self.kernels.shape[2:]
        steps = (np.arange(k) - k // 2) * self.tap_step
        around = np.stack(np.meshgrid(steps, steps)).reshape(2, -1).T[..., None, None]
        # around the cell, or around the position itself
        return _positions(size, ratio, whole=self.tap_step == 1) + around

    def reach(self, ratio: int) -> np.ndarray | None:
        """How far what is weighed lies from the position, (sH, sW): the root of the mean square."""
        taps, shares = self.taps(ratio), None
        if taps is not None:
            shares = self.kernels.reshape(len(self.kernels), -1, *self.kernels.shape[3:])
            taps = taps[None]
        elif self.points is not None and self.points.shape[1] > 1:
            taps, shares = self.points, self.weights
        if shares is None:
            return None
        squares = np.square(taps - _positions(shares.shape[2:], ratio)).sum(2)
        return np.sqrt((shares * squares).sum(1)).mean(0)

    def score(self, ratio: int) -> np.ndarray:
        """Where most is to be seen, (sH, sW): displacement, else reach, else what the result is."""
        if self.points is not None:
            return np.hypot(*self.moved.mean(0))
        reach = self.reach(ratio)
        if reach is not None:
            return reach
        return np.abs(self.result).mean(0) if self.index is None else self.index


def _positions(size: tuple[int, int], ratio: int, whole: bool = False) -> np.ndarray:
    """The column and the row of every output position, (2, sH, sW), in pixels of the feature.

    ``whole`` gives those of its cell's centre.
    """
    rows, columns = (
        np.arange(n) // ratio if whole else (np.arange(n) + 0.5) / ratio - 0.5 for n in size
    )
    return np.stack(np.meshgrid(columns, rows))


@torch.no_grad()
def facts_of(call: Call) -> Facts:
    """What the upsampler of a call does on what it was given."""
    upsampler, maps = call.upsampler, call.maps
    result, changed = upsampler.fuse(call.x, call.guide)
    facts = Facts(_array(result), None if changed is None else _array(changed))
    if call.has('points'):
        points = upsampler.points(*maps)
        facts.points = _array(points)
        facts.starts = np.broadcast_to(_array(upsampler.start_points(call.x)), facts.points.shape)
        groups, count, _, *size = facts.points.shape
        if call.has('weights'):
            weights = _array(upsampler.weights(*maps))
            facts.weights = weights.repeat(groups // len(weights), 0)
        else:
            facts.weights = np.full((groups, count, *size), 1 / count, np.float32)
    if call.has('scopes'):
        facts.scopes = _array(upsampler.scopes(*maps)).mean((0, 1, 2))
    if call.has('kernels'):
        groups = getattr(upsampler, 'up_group', 1)
        facts.kernels = _squares(_array(upsampler.kernels(*maps)), groups)
        facts.tap_step = 1 / upsampler.scale_factor if upsampler.fine_kernels else 1.0
    if call.has('highpass_kernels'):
        facts.highpass = _squares(_array(upsampler.highpass_kernels(*maps)), 1)[0]
    gates = upsampler.gates(*maps) if call.has('gates') else None
    if gates is not None:
        facts.gates = _array(gates)[0]
    return facts


def _array(z: Tensor) -> np.ndarray:
    return z[0].float().cpu().numpy()


def _squares(kernels: np.ndarray, groups: int) -> np.ndarray:
    """(G·k², sH, sW) to (G, k, k, sH, sW)."""
    k = round((len(kernels) / groups) ** 0.5)
    return kernels.reshape(groups, k, k, *kernels.shape[1:])
