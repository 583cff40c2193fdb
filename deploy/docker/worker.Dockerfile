# syntax=docker/dockerfile:1
# A Jobtrail worker with the command-line agent. Build from the root of the repository:
#   docker build -f deploy/docker/worker.Dockerfile -t jobtrail-worker .
# Jobs run inside the container: derive an image from this one with the programs that they need.
ARG NODE_IMAGE=node:22-bookworm-slim

FROM ${NODE_IMAGE} AS manifests
WORKDIR /app
COPY package.json package-lock.json tsconfig.base.json ./
COPY protocol/package.json protocol/
COPY api/package.json api/
COPY process/package.json process/
COPY server/package.json server/
COPY worker/package.json worker/
COPY console/package.json console/
COPY deploy/package.json deploy/
COPY test/package.json test/

FROM manifests AS dependencies
RUN npm install --no-save --omit=dev --no-audit --no-fund --workspace @jobtrail/protocol --workspace @jobtrail/process --workspace @jobtrail/worker \
    && mkdir -p worker/node_modules

FROM manifests AS build
RUN npm install --no-save --include=dev --no-audit --no-fund
COPY protocol protocol
COPY process process
COPY worker worker
RUN node node_modules/typescript/bin/tsc -b worker

FROM ${NODE_IMAGE}
# Jobs may leave grandchildren behind: process 1 has to be one that reaps them.
RUN apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/* \
    && install -d -o node -g node /var/lib/jobtrail/spool
ENV NODE_ENV=production JOBTRAIL_SPOOL_DIR=/var/lib/jobtrail/spool
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=dependencies /app/package.json ./
COPY --from=build /app/protocol/package.json protocol/package.json
COPY --from=build /app/protocol/dist protocol/dist
COPY --from=build /app/process/package.json process/package.json
COPY --from=build /app/process/dist process/dist
COPY --from=build /app/worker/package.json worker/package.json
COPY --from=dependencies /app/worker/node_modules worker/node_modules
COPY --from=build /app/worker/dist worker/dist
USER node
# What is not yet acknowledged lies here: without a volume a removed container takes it along.
VOLUME /var/lib/jobtrail/spool
# Says that the worker's main loop turns and its guard lives, not that a server can be reached: an outage of those must not end what runs.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["node", "worker/dist/main.js", "--health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--"]
CMD ["node", "--enable-source-maps", "worker/dist/main.js"]
