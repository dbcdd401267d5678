"""Many pictures: a function from a batch of paths to rows, the pipeline that calls it on all cores, and files of results that go on
after a kill.

    predictor.py  a batch of paths in, columns of rows out: a pure function, and the picklable class that Ray Data takes as well
    columns.py    which columns there are, and of which kind
    pipeline.py   a function on many batches at once, their answers in order
    formats.py    columns as csv, jsonl and parquet
    journal.py    the folder of a run that is not finished: what it is a run of, its pictures, and the parts that are done
    run.py        all of it together: `run_pictures`

Importing it is light: numpy and onnxruntime are imported when a model is opened, pyarrow when a parquet file is written.
"""

from __future__ import annotations

from .predictor import PredictOptions, Predictor
from .run import Summary, run_pictures

__all__ = ["PredictOptions", "Predictor", "Summary", "run_pictures"]
