-- +goose Up

-- One row for each push: version 0 when it is accepted, version 1 when it has
-- ended as a whole; merges, and FINAL, keep the newest. Before its end a push
-- is in flight. A push that ends within the cut of the log that accepted it
-- has one row from the first: version 1, which then counts its acceptance too
-- (accepts = 1). Bodies are not stored here.
--
-- A row of an end stands for those hops of its way that it says as well, bit by
-- bit in tells: almost always all five. They have no rows of their own, which
-- cost most of what the history costs (docs/decisions/0011).
--
-- Order: that of a lookup by trace id; (trace_id, position, partition) names a
-- push. Both rows have the same accepted time, so they meet in one partition.
-- A push id has no order to be found by (a caller's own is a hash), hence the
-- bloom filter.
CREATE TABLE IF NOT EXISTS pushes
(
    trace_id    UUID,
    position    UInt64,
    partition   UInt32,
    version     UInt8,
    accepts     UInt8 COMMENT '1 = this row stands for the acceptance',
    tells       UInt8 COMMENT 'hops that have no row of their own: 1 pushed, 2 dispatched, 4 sent, 8 acked, 16 outcome; 32 = the pushed one names the device',
    app         LowCardinality(String),
    user        String,
    accepted    DateTime64(6, 'UTC') COMMENT 'clock of ingest' CODEC(Delta, ZSTD(1)),
    push_id     UUID,
    name        String COMMENT 'the caller''s own push id, empty = none given',
    device      String COMMENT 'the one that it was for; once delivered, the one that took it first',
    label       LowCardinality(String),
    family      UInt16,
    command     UInt16,
    platform    LowCardinality(String) COMMENT 'of the device that took it',
    expires     DateTime64(6, 'UTC') COMMENT 'accepted plus ttl, while it is in flight',
    size        UInt32 COMMENT 'bytes of the body, 0 = not known',
    dispatched  DateTime64(6, 'UTC') COMMENT 'first time of each step, 1970 = not reached or not known' CODEC(Delta, ZSTD(1)),
    sent        DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    delivered   DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    opened      DateTime64(6, 'UTC'),
    ended       DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    class       LowCardinality(String) COMMENT 'delivered, withdrawn, lost or unconfirmed; empty = in flight',
    reason      LowCardinality(String),
    attempt     UInt32,
    first       UInt64 COMMENT 'of a duplicate: position of the push that came first',
    topic       LowCardinality(String),
    session     UUID COMMENT 'of the device that took it; here and below: for the hops that the row stands for',
    gate        UInt32,
    incarnation UInt64,
    connection  UInt64,
    parent_span UInt64,
    accepted_by LowCardinality(String) COMMENT 'node',
    dispatched_by LowCardinality(String),
    sent_by     LowCardinality(String),
    ended_by    LowCardinality(String),
    sent_place  UInt64 COMMENT 'position of the record',
    ended_place UInt64,
    INDEX push_id push_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toDate(accepted)
ORDER BY (trace_id, position, partition)
TTL toDate(accepted) + INTERVAL 30 DAY
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000,
    merge_selector_base = 20, min_parts_to_merge_at_once = 8, min_bytes_for_wide_part = 134217728,
    min_age_to_force_merge_seconds = 21600, min_age_to_force_merge_on_partition_only = 1;

-- Which pushes a user had: support looks by user.
CREATE TABLE IF NOT EXISTS pushes_of_users
(
    app       LowCardinality(String),
    user      String,
    position  UInt64,
    partition UInt32,
    trace_id  UUID,
    accepted  DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(accepted)
ORDER BY (app, user, position)
TTL toDate(accepted) + INTERVAL 30 DAY
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000,
    merge_selector_base = 20, min_parts_to_merge_at_once = 8, min_bytes_for_wide_part = 134217728,
    min_age_to_force_merge_seconds = 21600, min_age_to_force_merge_on_partition_only = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS users_of_pushes TO pushes_of_users AS
SELECT app, user, position, partition, trace_id, accepted FROM pushes WHERE accepts = 1;

-- All hops, one row for each. bit is the hop's in tells.
CREATE VIEW IF NOT EXISTS hops AS
SELECT trace_id, position, user, attempt, rank, kind, at, app, device, session, gate, incarnation, connection,
       node, class, reason, push_id, parent_span, size, topic, partition, place, bitAnd(place, 0xFFFFFFFFFFFF) - 1 AS offset
FROM hop_rows
UNION ALL
SELECT trace_id, position, user,
       if(bit = 1, 0, p.attempt) AS attempt,
       transform(bit, [1, 2, 4, 8, 16], [2, 10, 21, 30, 50], 0)::UInt8 AS rank,
       transform(bit, [1, 2, 4, 8, 16], ['pushed', 'dispatched', 'sent', 'acked', 'outcome'], '')::LowCardinality(String) AS kind,
       multiIf(bit = 1, accepted, bit = 2, dispatched, bit = 4, sent, bit = 8, delivered, ended) AS at,
       app,
       if(bit = 1 AND bitAnd(tells, 32) = 0, '', p.device) AS device,
       if(bit = 1, toUUID('00000000-0000-0000-0000-000000000000'), p.session) AS session,
       if(bit = 1, 0, p.gate) AS gate, if(bit = 1, 0, p.incarnation) AS incarnation, if(bit = 1, 0, p.connection) AS connection,
       multiIf(bit = 1, accepted_by::String, bit = 2, dispatched_by::String, bit = 4, sent_by::String,
               bit = 16, ended_by::String, p.gate = 0, '', concat('gate-', toString(p.gate)))::LowCardinality(String) AS node,
       if(bit = 16, p.class::String, '')::LowCardinality(String) AS class,
       if(bit = 16, p.reason::String, '')::LowCardinality(String) AS reason,
       push_id,
       if(bit IN (2, 8), 0, p.parent_span) AS parent_span,
       if(bit = 1, p.size, 0) AS size,
       topic, partition,
       multiIf(bit = 1, position, bit IN (2, 4), sent_place, ended_place) AS place,
       bitAnd(place, 0xFFFFFFFFFFFF) - 1 AS offset
FROM pushes AS p ARRAY JOIN [1, 2, 4, 8, 16]::Array(UInt8) AS bit
WHERE bitAnd(tells, bit) != 0;

-- +goose Down
DROP VIEW IF EXISTS hops;
DROP VIEW IF EXISTS users_of_pushes;
DROP TABLE IF EXISTS pushes_of_users;
DROP TABLE IF EXISTS pushes;
