# Posecast in a container, as a user without rights.
#
#   docker build -t posecast .          # torch as pip takes it: CUDA; run with --gpus all
#   docker build -t posecast --build-arg TORCH=TORCH_WHEEL_URL .      # another build, such as the CPU's
#   docker run --rm -v "$PWD:/work" posecast animate --reference photo.jpg --poses dance.mp4 -o out.mp4
FROM python:3.13-slim

ARG TORCH=
ARG EXTRAS=prepare,train

RUN useradd --create-home --uid 1000 posecast
WORKDIR /opt/posecast
COPY constraints.txt ./
# Torch first and alone: it is large, and this layer is kept.
RUN pip install --no-cache-dir "${TORCH:-$(grep '^torch==' constraints.txt)}"
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip install --no-cache-dir -c constraints.txt ".[${EXTRAS}]"

USER 1000
WORKDIR /work
ENTRYPOINT ["posecast"]
CMD ["--help"]
