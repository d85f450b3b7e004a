"""Training samples: rendered on the fly, or read from a prepared dataset."""

from posecast.data.batches import BatchSettings, TrainingBatch, assemble
from posecast.data.dataset_source import DatasetSource
from posecast.data.puppet_source import PuppetSource
from posecast.data.samples import Sample, Source
from posecast.data.store import Footage, Record, write_clip
from posecast.data.table import read_index, write_index

__all__ = [
    "BatchSettings",
    "DatasetSource",
    "Footage",
    "PuppetSource",
    "Record",
    "Sample",
    "Source",
    "TrainingBatch",
    "assemble",
    "read_index",
    "write_clip",
    "write_index",
]
