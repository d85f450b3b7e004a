# Posecast in a container, as a user without rights.
#
#   docker build -t posecast .                                  # CPU
#   docker build -t posecast --build-arg DEVICE=cu130 .          # CUDA; run with --gpus all
#   docker run --rm -v "$PWD:/work" posecast animate --reference photo.jpg --poses dance.mp4 -o out.mp4
FROM python:3.13-slim

ARG DEVICE=cpu
ARG EXTRAS=prepare,train

RUN useradd --create-home --uid 1000 posecast
WORKDIR /opt/posecast
COPY constraints.txt ./
# Torch first and alone: its builds come from an index of their own, and this layer is kept.
RUN pip install --no-cache-dir "$(grep '^torch==' constraints.txt)" \
    --index-url "https://download.pytorch.org/whl/${DEVICE}"
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip install --no-cache-dir -c constraints.txt ".[${EXTRAS}]"

USER posecast
WORKDIR /work
ENTRYPOINT ["posecast"]
CMD ["--help"]
