"""The pictures of a training run, their classes, who comes when, and the batches that they become."""

from .opening import TrainingData, open_data

__all__ = ["TrainingData", "open_data"]
