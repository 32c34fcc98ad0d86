# zonkeymwi: one static binary, run beside Asterisk as an unprivileged user.
#   docker build --build-arg VERSION=1.0.0 -t zonkeymwi .
FROM golang:1.26 AS build
ARG VERSION=dev
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /zonkeymwi .

FROM scratch
# Certificates, for AMI and SIP over TLS with public authorities.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /zonkeymwi /zonkeymwi
USER 65532:65532
ENTRYPOINT ["/zonkeymwi"]
CMD ["run"]
