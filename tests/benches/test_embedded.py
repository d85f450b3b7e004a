"""The model in the package against the marks that it had to pass."""

from __future__ import annotations

from posecast.benches.contestants import PipelineModel
from posecast.benches.scores import ScoreSheet, score_clip
from posecast.benches.stage import bench_clips
from posecast.pipeline.animation import AnimationPipeline

FIRST = {"character_psnr": 13.20, "identity": 0.727, "occlusion": 0.807, "background_psnr": 23.42}
"""Of the first model, on the six clips of `stage-bench/1` (docs/embedded-model.md)."""


def test_the_packaged_model_is_ahead_of_the_first() -> None:
    pipe = AnimationPipeline.from_pretrained("embedded")
    config = pipe.animator.config
    generate = PipelineModel(pipe, config.num_steps, config.guidance_scale, (), config.window, 4)
    scores = [score_clip(generate(clip.request()), clip.target()) for clip in bench_clips(6)]
    figures = ScoreSheet(scores).figures()
    assert {name: figures[name] for name in FIRST if figures[name] <= FIRST[name]} == {}
