# One image for every stage: the binary, the certificates of the authorities,
# and a C library, which the binary links to though it is built without cgo
# (internal/engine opens the ClickHouse library with it). The embedded engines
# are not in it: in containers Waybill runs on real ones, see compose.yaml.
#
#   docker build --tag waybill .
#   docker run --rm waybill --help
#
# internal/e2e/deploy builds the binary from what is copied here, with the
# command that stands here, and runs compose.yaml's stages with it.

FROM golang:1.26.8-trixie AS build
# The compiler is the image's own, never one that go.mod makes it download.
ENV CGO_ENABLED=0 GOTOOLCHAIN=local
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
# Folder by folder, so that neither .git nor what lies about is sent.
COPY client client
COPY cmd cmd
COPY console console
COPY delivery delivery
COPY gate gate
COPY ingest ingest
COPY internal internal
COPY migrations migrations
COPY projector projector
COPY schemas schemas
RUN go build -trimpath -buildvcs=false -o /out/waybill ./cmd/waybill

FROM debian:13.6-slim
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/waybill /usr/local/bin/waybill
# Nobody's user: stages write no files. A file that is mounted into the
# container must be readable by it.
USER 65532:65532
# The binary is process 1: the first SIGTERM drains, so stop it with patience.
ENTRYPOINT ["/usr/local/bin/waybill"]
CMD ["--help"]
