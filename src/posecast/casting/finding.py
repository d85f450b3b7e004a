"""The pose estimator for inputs without keypoints: chosen once, loaded when needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from posecast.errors import InputError
from posecast.estimators.footage import NobodyFound
from posecast.estimators.pose import (
    PoseEstimator,
    about_estimator,
    default_estimator,
    pose_estimator,
)
from posecast.types import PoseSequence


@dataclass
class Finder:
    """The pose estimator for all inputs of one plan."""

    estimator: str | None = None
    """Its name; None: `default_estimator`'s choice."""
    people_weights: str | Path | None = None
    """Weights of another landmark network for the built-in estimator."""
    hands: bool = True
    """Whether the built-in estimator finds hands."""
    _loaded: PoseEstimator | None = field(default=None, init=False)

    def __call__(self, name: str, parameter: str) -> PoseEstimator:
        """The estimator, for footage called `name` instead of keypoints by `parameter`.

        Raises:
            InputError: it cannot be had.
        """
        if self._loaded is None:
            try:
                self._loaded = pose_estimator(self.people_weights, None, self._name, self.hands)
            except InputError as error:
                raise InputError(
                    f"{name}: poses must be estimated, and cannot: {error}; or give keypoints "
                    f"(`{parameter}=`, docs/using.md)"
                ) from None
        return self._loaded

    def people(
        self, name: str, parameter: str, within: Callable[..., PoseSequence]
    ) -> PoseSequence:
        """The people that `within` finds with the estimator; if there are none, the error suggests
        keypoints.

        Raises:
            InputError: it cannot be had, or there is nobody.
        """
        try:
            return within(self(name, parameter))
        except NobodyFound as error:
            raise InputError(f"{error}: `{parameter}=`") from None

    @property
    def notes(self) -> tuple[str, ...]:
        """A line about the estimator, if it was used."""
        if self._loaded is None:
            return ()
        return (about_estimator(self._name, self.hands),)

    @property
    def _name(self) -> str:
        return self.estimator or default_estimator(self.people_weights)
