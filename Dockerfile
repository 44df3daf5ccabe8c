# Builds with Docker, BuildKit, Podman or Buildah:  docker build -t agent-executor:0.1.0 .
#
# Both bases move with their security fixes. To build the same bytes again, pin them by digest:
#   docker buildx imagetools inspect gcr.io/distroless/nodejs24-debian12:nonroot
#   docker build --build-arg RUNTIME_IMAGE=gcr.io/distroless/nodejs24-debian12@sha256:… .
ARG BUILD_IMAGE=node:24.21.0-bookworm-slim
ARG RUNTIME_IMAGE=gcr.io/distroless/nodejs24-debian12:nonroot

# --- The bundle ---
FROM ${BUILD_IMAGE} AS build
# A mirror, where the public registry is not reachable: --build-arg NPM_CONFIG_REGISTRY=https://…
ARG NPM_CONFIG_REGISTRY
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No package gets to run code of its own here.
RUN npm ci --ignore-scripts
COPY LICENSE tsconfig.json ./
COPY scripts ./scripts
COPY src ./src
RUN npm run build
# A scanner cannot look into a bundle: this list is what it reads instead.
RUN npm sbom --package-lock-only --omit=dev --sbom-format=cyclonedx > agent-executor.cdx.json
# COPY keeps modes: files of a checkout under umask 077 would be root's alone, and the service is another user.
RUN chmod -R go=rX package.json LICENSE dist scripts/prime-cache.ts

# --- All of the image but the compile cache ---
FROM ${RUNTIME_IMAGE} AS runtime
# WORKDIR makes the folder for the user of the base, who could then put files of its own beside ours.
USER 0:0
WORKDIR /app
# package.json says that these are ES modules; nothing is installed from it.
COPY --from=build /app/package.json /app/LICENSE /app/agent-executor.cdx.json ./
COPY --from=build /app/dist ./dist

# --- The compile cache ---
# Made by the very Node that will read it, as the very user: both are part of the key.
FROM runtime AS primed
USER 65532:65532
ENV NODE_COMPILE_CACHE=/tmp/compile-cache
COPY --from=build /app/scripts/prime-cache.ts /tmp/prime-cache.ts
RUN ["/nodejs/bin/node", "/tmp/prime-cache.ts", "/app/dist/chunks"]

# --- The image ---
FROM runtime
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="agent-executor" \
      org.opencontainers.image.description="A CloudEvent goes in, a LangGraph agent described as data runs, a result CloudEvent comes out." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=primed --chown=0:0 /tmp/compile-cache ./compile-cache
ENV NODE_ENV=production \
    NODE_COMPILE_CACHE=/app/compile-cache
# By number: Kubernetes cannot tell that a name is not root.
USER 65532:65532
EXPOSE 8080
# No shell and no npm between the kernel and the service: SIGTERM reaches it.
# The command line: docker run --rm agent-executor:0.1.0 dist/cli.js --help
ENTRYPOINT ["/nodejs/bin/node"]
CMD ["dist/main.js"]
