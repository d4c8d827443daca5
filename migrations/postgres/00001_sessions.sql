-- +goose Up

-- Devices, their sessions and their routes: one row of each for a device, in
-- three tables by how often they change. Everything is a projection of the log
-- and may be dropped; a replay writes it again.
--
-- Common to all tables of this schema:
--   - Rows carry the partition of waybill.events that they were folded from. It
--     is the first column of each primary key, so that a partition loads by one
--     range of each index. Whoever looks for a user and does not know the
--     partition asks for each of those in `projection`: a probe each.
--   - The primary keys are the only indexes. Every other column changes in
--     place (HOT) as long as no index names it: do not add one to a column
--     that moves with acks.
--   - Columns stand by falling width, so that no row is padded; text comes last.
--   - Times are microseconds since 1970 UTC, as in the log. Positions are the
--     uint64 of the log in a bigint: the epoch in the high 16 bits, offset + 1
--     below. 0 is nothing, in ids too: no column is NULL.
--   - Text is compared by bytes (COLLATE "C"): faster, and the same everywhere.
--     What Postgres cannot hold as text (NUL, broken UTF-8) stands as \xNN.
--   - Reasons and classes are the numbers of schemas/reason.proto, event.proto.

-- What moves with every acknowledgement. Narrow, because a flush rewrites a row
-- for each device that was active since the last one; a third of each page is
-- left free, so that the new version fits beside the old one (HOT).
CREATE TABLE devices (
    cursor      bigint  NOT NULL, -- newest position that the device acknowledged
    received    bigint  NOT NULL, -- position that its application works on
    progress    bigint  NOT NULL, -- broker time of the newest sign that it gets on, or of its connection's end
    uplink_mark bigint  NOT NULL,
    gap_from    bigint  NOT NULL, -- what ended as overflow and has not been said
    gap_to      bigint  NOT NULL,
    partition   integer NOT NULL,
    place       integer NOT NULL, -- of the device among its user's, for ever
    resumed     boolean NOT NULL, -- the device has read the end of its replay
    app         text COLLATE "C" NOT NULL,
    user_name   text COLLATE "C" NOT NULL,
    device      text COLLATE "C" NOT NULL,
    PRIMARY KEY (partition, app, user_name, place)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

-- The newest session of each device, changed by connects and ends only. It is
-- live until it is ended; install and count outlive it. Its name is login_at: a
-- session whose login lies before that cannot come back, so no row is kept of it.
CREATE TABLE sessions (
    session        uuid    NOT NULL,
    install        uuid    NOT NULL,
    began          bigint  NOT NULL, -- by the clock of the gate
    login_at       bigint  NOT NULL, -- position of its login
    count          bigint  NOT NULL, -- of the install's attempts
    partition      integer NOT NULL,
    place          integer NOT NULL,
    ended          integer NOT NULL, -- reason why it has ended; 0 while it is live
    leaving        integer NOT NULL, -- reason with which the device wants to go
    live           boolean NOT NULL,
    app            text COLLATE "C" NOT NULL,
    user_name      text COLLATE "C" NOT NULL,
    platform       text COLLATE "C" NOT NULL,
    client_version text COLLATE "C" NOT NULL,
    PRIMARY KEY (partition, app, user_name, place)
) WITH (fillfactor = 85);

-- Where a device is connected; no row while it is not. Inserted and deleted
-- rather than updated, so pages are filled, and vacuum comes early.
CREATE TABLE routes (
    incarnation     bigint  NOT NULL, -- of the gate
    connection      bigint  NOT NULL, -- within the incarnation
    base            bigint  NOT NULL, -- where every series of writes starts
    resume_at       bigint  NOT NULL, -- position of connected, and of its resumed
    since           bigint  NOT NULL, -- broker time of connected
    gate            bigint  NOT NULL,
    in_flight       bigint  NOT NULL, -- window that the device asked for; 0 = default
    max_frame       bigint  NOT NULL,
    partition       integer NOT NULL,
    place           integer NOT NULL,
    adopt           integer NOT NULL, -- reason why the cursor meant nothing
    app             text COLLATE "C" NOT NULL,
    user_name       text COLLATE "C" NOT NULL,
    PRIMARY KEY (partition, app, user_name, place)
) WITH (autovacuum_vacuum_scale_factor = 0.02);

-- Connections that must go and whose end has not been read: at most 64 for a
-- user. These lists are few and short; they are kept in order by place.
CREATE TABLE closing (
    incarnation bigint  NOT NULL,
    connection  bigint  NOT NULL,
    gate        bigint  NOT NULL,
    partition   integer NOT NULL,
    place       integer NOT NULL,
    reason      integer NOT NULL,
    app         text COLLATE "C" NOT NULL,
    user_name   text COLLATE "C" NOT NULL,
    device      text COLLATE "C" NOT NULL,
    PRIMARY KEY (partition, app, user_name, place)
);

-- +goose Down
DROP TABLE IF EXISTS closing, routes, sessions, devices;
