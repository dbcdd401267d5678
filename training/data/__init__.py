"""The pictures of a training run, their classes, who comes when, and the batches that they become."""
