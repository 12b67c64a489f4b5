# mmjax on a CPU, or with --build-arg=EXTRAS=cuda on a GPU and EXTRAS=tpu on a TPU:
#
#     docker build --tag=mmjax .
#     docker run --rm --volume=$PWD/runs:/work/runs mmjax --config=configs/clip_uniform.py
#     docker run --rm --entrypoint=mmjax mmjax recipes
#
# Further extras are words of pyproject.toml: --build-arg=EXTRAS=cuda,audio,hub.
FROM python:3.13-slim

ARG EXTRAS=""
RUN useradd --create-home mmjax && mkdir /work && chown mmjax /work
COPY --chown=mmjax . /opt/mmjax
RUN pip install --no-cache-dir "/opt/mmjax${EXTRAS:+[$EXTRAS]}"
USER mmjax
# Recipes are found by their names without this; a file of the checkout by its path with it.
WORKDIR /work
RUN ln -s /opt/mmjax/configs configs
ENTRYPOINT ["python", "-m", "mmjax.main"]
