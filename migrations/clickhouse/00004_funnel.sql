-- +goose Up

-- The funnel by the minute in which pushes were accepted: the accepted ones by
-- the row that stands for it, everything else by the row of their end. In
-- flight is accepted less ended. Platform, class and reason are known at the
-- end only: rows of an acceptance alone leave them empty.
CREATE TABLE IF NOT EXISTS funnel
(
    app        LowCardinality(String),
    minute     DateTime('UTC'),
    label      LowCardinality(String),
    family     UInt16,
    command    UInt16,
    platform   LowCardinality(String),
    class      LowCardinality(String),
    reason     LowCardinality(String),
    accepted   UInt64,
    ended      UInt64,
    dispatched UInt64,
    sent       UInt64,
    delivered  UInt64,
    opened     UInt64
)
ENGINE = SummingMergeTree((accepted, ended, dispatched, sent, delivered, opened))
PARTITION BY toYYYYMM(minute)
ORDER BY (app, minute, label, family, command, platform, class, reason)
TTL minute + INTERVAL 400 DAY
-- A repeated insert into pushes must not count twice here: the view passes the
-- token on, and this table needs a window of its own.
SETTINGS non_replicated_deduplication_window = 10000, merge_selector_base = 20, min_parts_to_merge_at_once = 8;

-- A later step implies the earlier ones: a delivered push was sent, even if
-- the gate's word for it was lost.
CREATE MATERIALIZED VIEW IF NOT EXISTS funnel_of_pushes TO funnel AS
SELECT
    app,
    minute,
    label,
    family,
    command,
    platform,
    class,
    reason,
    sum(accepts) AS accepted,
    countIf(version = 1) AS ended,
    countIf(was_dispatched) AS dispatched,
    countIf(was_sent) AS sent,
    countIf(was_delivered) AS delivered,
    countIf(was_opened) AS opened
FROM
(
    SELECT
        app, toStartOfMinute(accepted) AS minute, label, family, command, platform, class, reason, version, accepts,
        opened > toDateTime64(0, 6, 'UTC') AS was_opened,
        was_opened OR class = 'delivered' AS was_delivered,
        was_delivered OR sent > toDateTime64(0, 6, 'UTC') OR reason = 'sent_unacked' AS was_sent,
        was_sent OR dispatched > toDateTime64(0, 6, 'UTC') OR class = 'unconfirmed' AS was_dispatched
    FROM pushes
)
GROUP BY app, minute, label, family, command, platform, class, reason;

-- +goose Down
DROP VIEW IF EXISTS funnel_of_pushes;
DROP TABLE IF EXISTS funnel;
