# Pincite with its models inside: nothing is fetched when it runs. `make image-check` carries these steps out without a
# container runtime. What converts the models (torch, some GB) stays in the first stage. They are prepared in int8, of
# which the other form is the first step: so both are inside, whatever the processor of the machine that builds.
FROM python:3.11-slim AS build
# The index of CPU builds: the default one brings CUDA, which is not used.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/pincite
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY index index
COPY rag rag
COPY api api
RUN /opt/pincite/bin/pip install --index-url "$TORCH_INDEX" torch==2.13.0 && /opt/pincite/bin/pip install '.[html,pdf,mcp]'
RUN PINCITE_CACHE=/opt/models PINCITE_PRECISION=int8 /opt/pincite/bin/pincite models prepare && chmod -R a+rX /opt/models
RUN /opt/pincite/bin/pip uninstall --yes torch sentence-transformers transformers nncf

FROM python:3.11-slim
COPY --from=build /opt/pincite /opt/pincite
COPY --from=build /opt/models /opt/models
RUN useradd --uid 10001 --no-create-home pincite && install --directory --owner pincite /store
ENV PATH=/opt/pincite/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PINCITE_CACHE=/opt/models PINCITE_STORE=/store/pincite \
    HF_HUB_OFFLINE=1 HOME=/tmp MPLCONFIGDIR=/tmp
USER 10001
WORKDIR /tmp
VOLUME /store
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD \
    ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["pincite"]
CMD ["serve", "--host", "0.0.0.0"]
