# zonkeymwi: one static binary, run beside Asterisk as an unprivileged user, on a root file system that may be read-only.
#   docker build --build-arg VERSION=1.0.0 --build-arg COMMIT="$(git rev-parse HEAD)" -t zonkeymwi .
# The same Go, the same tree and the same arguments make the same bytes.
ARG GO_VERSION=1.26
FROM --platform=$BUILDPLATFORM golang:${GO_VERSION} AS build
ARG TARGETOS
ARG TARGETARCH
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
ARG COMMIT
RUN GOOS=${TARGETOS} GOARCH=${TARGETARCH} make build VERSION="${VERSION}" COMMIT="${COMMIT}"

FROM scratch
ARG VERSION=unknown
ARG COMMIT
LABEL org.opencontainers.image.title="zonkeymwi" \
      org.opencontainers.image.description="Lights the message lamp on phones behind a SIP proxy" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"
# Certificates, for AMI, SIP and the database over TLS with public authorities.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/zonkeymwi /zonkeymwi
USER 65532:65532
# It asks at admin.listen, by the container's own configuration.
HEALTHCHECK --interval=15s --timeout=5s --start-period=5s --retries=3 CMD ["/zonkeymwi", "health"]
ENTRYPOINT ["/zonkeymwi"]
CMD ["run"]
