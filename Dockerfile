# An image of the server: docker build --tag tailrace . How to run it: scripts/deploy/README.md
# The base is the index of all platforms of this tag, by its digest: raise both together.
FROM node:24.21.0-trixie-slim@sha256:8ec5d7557396cfe32d21c3f9c13072355ceab22b584578ca4bb28af31120cffe AS build
WORKDIR /build
COPY . .
RUN npm ci --ignore-scripts
RUN node scripts/build.mjs
RUN npm prune --omit=dev --ignore-scripts

FROM node:24.21.0-trixie-slim@sha256:8ec5d7557396cfe32d21c3f9c13072355ceab22b584578ca4bb28af31120cffe
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tailrace" \
      org.opencontainers.image.description="A self-hosted stream store for telemetry" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.source="https://github.com/tailrace-dev/tailrace" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="$REVISION"
# A fixed number, so that files of a volume belong to the same user in each version, and Kubernetes knows that it is not root.
RUN groupadd --gid 10001 tailrace && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin tailrace
RUN install --directory --owner=10001 --group=10001 --mode=0700 /data
WORKDIR /opt/tailrace
COPY --from=build /build/package.json /build/LICENSE /build/CHANGELOG.md ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist/src ./dist/src
COPY --from=build /build/dist/api ./dist/api
COPY --from=build /build/dist/cli ./dist/cli
COPY --from=build /build/dist/page ./dist/page
RUN ln --symbolic /opt/tailrace/dist/cli/main.js /usr/local/bin/tailrace
# Of glibc: buffers of a mebibyte and more go back to the system when they are freed, so that bodies do not pile up as memory that is free and kept.
ENV NODE_ENV=production TAILRACE_DATA_DIR=/data TAILRACE_HOST=0.0.0.0 MALLOC_MMAP_THRESHOLD_=1048576
USER 10001:10001
WORKDIR /data
VOLUME ["/data"]
# OTLP/gRPC, and OTLP/HTTP with the S2 API, readers and the page.
EXPOSE 4317 4318
STOPSIGNAL SIGTERM
# The server is process 1 and takes the signal itself; no shell is in between.
ENTRYPOINT ["node", "/opt/tailrace/dist/cli/main.js"]
CMD ["serve"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["tailrace", "ping"]
