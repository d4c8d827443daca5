-- +goose Up

-- One row for each hop that no row of pushes stands for (tells, there): the
-- view hops has all of them. The question is always "where is this message?",
-- so the trace id stands first in the order. One call to many users shares a
-- trace id: position and user tell its messages apart. (attempt, rank) is the
-- causal order of one message's hops; place makes rows that repeat neighbours.
CREATE TABLE IF NOT EXISTS hop_rows
(
    trace_id    UUID,
    position    UInt64 COMMENT 'of the push, in its partition of waybill.events; of an uplink in waybill.uplink.<app>; 0 = the hop belongs to no message of its own',
    user        String,
    attempt     UInt32 COMMENT 'nth connection on which the push was dispatched to the device; 0 = before or beside them',
    rank        UInt8 COMMENT 'of kind, in causal order',
    kind        LowCardinality(String),
    at          DateTime64(6, 'UTC') COMMENT 'clock of the node' CODEC(Delta, ZSTD(1)),
    app         LowCardinality(String),
    device      String,
    session     UUID,
    gate        UInt32,
    incarnation UInt64,
    connection  UInt64 COMMENT 'with gate and incarnation: the connection id, all 0 = none',
    node        LowCardinality(String) COMMENT 'process that reported it',
    class       LowCardinality(String),
    reason      LowCardinality(String),
    push_id     UUID,
    parent_span UInt64,
    size        UInt32 COMMENT 'bytes of the body, where the event knows it',
    topic       LowCardinality(String),
    partition   UInt32,
    place       UInt64 COMMENT 'position of the record that says so'
)
ENGINE = MergeTree
PARTITION BY toDate(at)
ORDER BY (trace_id, position, user, attempt, rank, place)
TTL toDate(at) + INTERVAL 30 DAY
-- A lookup reads one granule, hence small ones.
-- The window is what makes a repeated flush harmless: the engine's default is
-- none. It must hold all inserts of all projectors while one is in doubt.
-- Merging is most of the engine's work (go test -bench Traffic ./projector/hop):
-- hence few merges of many parts, for some more parts that a lookup looks into;
-- most of a merge's cost is its files, hence no file for each column before
-- parts are large. A day that is over is merged once more, into one part.
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000,
    merge_selector_base = 20, min_parts_to_merge_at_once = 8, min_bytes_for_wide_part = 134217728,
    min_age_to_force_merge_seconds = 21600, min_age_to_force_merge_on_partition_only = 1;

-- +goose Down
DROP TABLE IF EXISTS hop_rows;
