-- +goose Up

-- What happened to a user's devices: connects and disconnects, ends of routes
-- and sessions, kicks, and logins or calls that were turned away. Support asks
-- by user; a trace joins its own by connection id. Order is the log's.
CREATE TABLE IF NOT EXISTS connections
(
    app            LowCardinality(String),
    user           String,
    device         String,
    place          UInt64 COMMENT 'position of the record in waybill.events',
    kind           LowCardinality(String) COMMENT 'connected, disconnected, route_ended, kicked, session_ended, refused',
    at             DateTime64(6, 'UTC') COMMENT 'clock of the node' CODEC(Delta, ZSTD(1)),
    session        UUID,
    gate           UInt32,
    incarnation    UInt64,
    connection     UInt64,
    node           LowCardinality(String),
    reason         LowCardinality(String),
    how            LowCardinality(String) COMMENT 'of connected: login or resume; of refused: what was turned away',
    detail         String COMMENT 'for support; no secrets',
    platform       LowCardinality(String),
    client_version LowCardinality(String),
    network        LowCardinality(String),
    address        String COMMENT 'of the peer, as the gate sees it',
    cursor         UInt64 COMMENT 'that the device presented, or left with',
    install        UUID,
    count          UInt64 COMMENT 'of login and resume attempts of the install',
    frames_in      UInt64,
    frames_out     UInt64,
    bytes_in       UInt64,
    bytes_out      UInt64,
    swallowed      UInt64 COMMENT 'duplicate pushes that the gap rule did not write',
    trace_id       UUID,
    topic          LowCardinality(String),
    partition      UInt32
)
ENGINE = MergeTree
PARTITION BY toDate(at)
ORDER BY (app, user, place)
TTL toDate(at) + INTERVAL 30 DAY
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000,
    merge_selector_base = 20, min_parts_to_merge_at_once = 8, min_bytes_for_wide_part = 134217728,
    min_age_to_force_merge_seconds = 21600, min_age_to_force_merge_on_partition_only = 1;

-- +goose Down
DROP TABLE IF EXISTS connections;
