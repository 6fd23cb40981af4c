# The light image (no torch): docker build -t refsort .
# With CLIP on the processor:     docker build -t refsort:clip --build-arg EXTRAS=app,clip .
# On an NVIDIA card:              docker build -t refsort:cuda --build-arg EXTRAS=app,clip --build-arg TORCH=cuda .
# docs/container.md says more; compose.yaml runs it.
ARG BASE=docker.io/library/python:3.13-slim-bookworm

FROM ${BASE} AS build
# Extras of pyproject.toml. What phrases without CLIP need (words) is always in, installed apart and so without torch.
ARG EXTRAS=app
# cpu | cuda: which build of torch, if an extra needs it. PyPI's own one carries gigabytes of CUDA.
ARG TORCH=cpu
ENV PATH=/opt/refsort/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python3 -m venv /opt/refsort
COPY constraints.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    case ",$EXTRAS," in *,clip,*|*,train,*) \
        case "$TORCH" in \
            cpu) pip install -c constraints.txt --index-url https://download.pytorch.org/whl/cpu torch ;; \
            cuda) pip install -c constraints.txt torch ;; \
            *) echo "TORCH is cpu or cuda, not '$TORCH'" >&2; exit 1 ;; \
        esac ;; \
    esac
COPY pyproject.toml README.md LICENSE NOTICE run.py ./
COPY refsort refsort
RUN --mount=type=cache,target=/root/.cache/pip \
    pip wheel --no-deps --wheel-dir /tmp/dist . \
    && pip install -c constraints.txt "$(echo /tmp/dist/refsort-*.whl)${EXTRAS:+[$EXTRAS]}" \
    && python -c 'import run; print("\n".join(run.WORDS))' > /tmp/words.txt \
    && pip install --no-deps -r /tmp/words.txt \
    && pip uninstall --yes pip

FROM ${BASE}
LABEL org.opencontainers.image.title=refsort \
      org.opencontainers.image.description="Sorts pictures into folders by a few reference pictures of each class" \
      org.opencontainers.image.licenses=MIT
ARG UID=1000
ARG GID=1000
COPY --from=build /opt/refsort /opt/refsort
# Anybody may write to /models, so that a volume begun from it serves whatever user the container runs as.
RUN install -d -m 1777 /models && install -d -o "$UID" -g "$GID" /data
# There need be no user of that number in the image. HOME is a temporary place; what is worth keeping lies in /models.
ENV PATH=/opt/refsort/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    USER=refsort \
    XDG_CACHE_HOME=/models \
    HF_HOME=/models/huggingface \
    REFSORT_CACHE=/models/refsort \
    REFSORT_DATA_DIR=/data
# A config.yaml in the data folder is found here.
WORKDIR /data
USER ${UID}:${GID}
EXPOSE 7860
# Of the daemon: every dataset in the data folder is watched and well. It takes a shell for that.
# hadolint ignore=DL3025
HEALTHCHECK --interval=60s --timeout=30s --start-period=120s --retries=3 \
    CMD for d in /data/*/; do \
            if [ -d "$d/Clases" ] && [ -d "$d/Images" ]; then \
                refsort status --health --dataset "$(basename "$d")" || exit 1; \
            fi; \
        done
ENTRYPOINT ["refsort"]
CMD ["watch", "--all"]
