# The service, with what its lock files name and nothing else. `make lock` renews them.

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# cargo is for the compiled codec; its crates are those of codec/Cargo.lock.
RUN apt-get update -qq && apt-get install -qq --yes --no-install-recommends cargo >/dev/null
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/session-processor
WORKDIR /src
COPY deploy/image/build.lock deploy/image/runtime.lock deploy/image/
RUN /build/bin/pip install --quiet --require-hashes --only-binary :all: --requirement deploy/image/build.lock \
    && /build/bin/pip --python /opt/session-processor/bin/python install --quiet --require-hashes \
        --only-binary :all: --requirement deploy/image/runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY ci/hatch_build.py ci/
COPY schemas schemas
COPY processor processor
COPY codec codec
RUN PATH=/build/bin:$PATH /build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . ./codec \
    && /build/bin/pip --python /opt/session-processor/bin/python install --quiet --no-deps --no-index /wheels/*.whl

FROM python:3.13-slim
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /nonexistent \
    --shell /usr/sbin/nologin processor
COPY --from=build /opt/session-processor /opt/session-processor
ENV PATH=/opt/session-processor/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PROCESSOR_HTTP_HOST=0.0.0.0
USER 10001:10001
WORKDIR /
EXPOSE 9464
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s --retries=3 \
    CMD ["python", "-m", "processor.telemetry.probe"]
ENTRYPOINT ["session-processor"]
CMD ["run"]
