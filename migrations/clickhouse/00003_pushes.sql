-- +goose Up

-- One row for each push: version 0 when it is accepted, version 1 when it has
-- ended as a whole; merges, and FINAL, keep the newest. Before its end a push
-- is in flight. A push that ends within the cut of the log that accepted it
-- has one row from the first: version 1, which then counts its acceptance too
-- (accepts = 1). Bodies are not stored here.
--
-- Order: support looks by user; (app, user, position) names a push. Both rows
-- have the same accepted time, so they meet in one partition. A push id has no
-- order to be found by (a caller's own is a hash), hence the bloom filter.
CREATE TABLE IF NOT EXISTS pushes
(
    app        LowCardinality(String),
    user       String,
    position   UInt64,
    version    UInt8,
    accepts    UInt8 COMMENT '1 = this row stands for the acceptance',
    accepted   DateTime64(6, 'UTC') COMMENT 'clock of ingest' CODEC(Delta, ZSTD(1)),
    trace_id   UUID,
    push_id    UUID,
    name       String COMMENT 'the caller''s own push id, empty = none given',
    device     String COMMENT 'the one that it was for; once delivered, the one that took it first',
    label      LowCardinality(String),
    family     UInt16,
    command    UInt16,
    platform   LowCardinality(String) COMMENT 'of the device that took it',
    expires    DateTime64(6, 'UTC') COMMENT 'accepted plus ttl, while it is in flight',
    size       UInt32 COMMENT 'bytes of the body, while it is in flight',
    dispatched DateTime64(6, 'UTC') COMMENT 'first time of each step, 1970 = not reached or not known',
    sent       DateTime64(6, 'UTC'),
    delivered  DateTime64(6, 'UTC'),
    opened     DateTime64(6, 'UTC'),
    ended      DateTime64(6, 'UTC'),
    class      LowCardinality(String) COMMENT 'delivered, withdrawn, lost or unconfirmed; empty = in flight',
    reason     LowCardinality(String),
    attempt    UInt32,
    first      UInt64 COMMENT 'of a duplicate: position of the push that came first',
    topic      LowCardinality(String),
    partition  UInt32,
    INDEX push_id push_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toDate(accepted)
ORDER BY (app, user, position)
TTL toDate(accepted) + INTERVAL 30 DAY
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

-- +goose Down
DROP TABLE IF EXISTS pushes;
