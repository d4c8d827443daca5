-- +goose Up

-- Pushes that have not ended, and what each device is still owed. A push that
-- begins and ends between two flushes writes no row: these tables hold what is
-- in flight, and what waits for devices that are away. The common rules are in
-- 00001_sessions.sql.

-- One row for each push. Inserted with its body, later only ask, class, delivered
-- and unconfirmed change, and seldom; deleted when it has ended for everybody. Some room in each page keeps those updates HOT. Deleted rows are
-- many: vacuum at one percent, without pauses.
CREATE TABLE pending_pushes (
    push_id        uuid    NOT NULL,
    trace_id       uuid    NOT NULL,
    position       bigint  NOT NULL, -- of the record that made it due: its identity
    span           bigint  NOT NULL, -- parent span, its 8 bytes big-endian
    digest         bigint  NOT NULL,
    accepted       bigint  NOT NULL, -- clock of ingest
    since          bigint  NOT NULL, -- broker time at which it became due
    dead           bigint  NOT NULL, -- broker time after which it is not dispatched
    first_position bigint  NOT NULL, -- of a duplicate: the push that came first
    family         bigint  NOT NULL,
    command        bigint  NOT NULL,
    partition      integer NOT NULL,
    never          integer NOT NULL, -- reason why it must not be delivered
    ask            integer NOT NULL, -- reason with which somebody wants it withdrawn
    class          integer NOT NULL, -- of its outcome as a whole
    delivered      boolean NOT NULL,
    unconfirmed    boolean NOT NULL,
    first_wins     boolean NOT NULL, -- delivered on one device, it is withdrawn from the others
    app            text COLLATE "C" NOT NULL,
    user_name      text COLLATE "C" NOT NULL,
    device         text COLLATE "C" NOT NULL, -- the one device; empty = all
    name           text COLLATE "C" NOT NULL, -- the caller's own push id
    label          text COLLATE "C" NOT NULL,
    collapse_key   text COLLATE "C" NOT NULL,
    body           bytea   NOT NULL,
    PRIMARY KEY (partition, app, user_name, position)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

-- Bodies are seldom read and never searched: uncompressed, out of the row when
-- they are large, so that an update of the row does not copy them.
ALTER TABLE pending_pushes ALTER COLUMN body SET STORAGE EXTERNAL;

-- One push for one device, once anything is known of it. Changes with sent and
-- acked while the push is there, hence the room in each page. No foreign key to
-- pending_pushes: it would look up a row for each one written, and the one
-- writer of a partition deletes both by the same positions.
CREATE TABLE debts (
    position            bigint  NOT NULL,
    dispatched          bigint  NOT NULL, -- first times, by the node's clock; 0 = not reported
    sent                bigint  NOT NULL,
    acked_at            bigint  NOT NULL,
    opened              bigint  NOT NULL,
    sent_at             bigint  NOT NULL, -- broker time of the newest sent
    attempt             bigint  NOT NULL, -- newest that a gate reported, on
    attempt_gate        bigint  NOT NULL,
    attempt_incarnation bigint  NOT NULL,
    attempt_connection  bigint  NOT NULL,
    ack_gate            bigint  NOT NULL, -- the connection that acknowledged
    ack_incarnation     bigint  NOT NULL,
    ack_connection      bigint  NOT NULL,
    partition           integer NOT NULL,
    place               integer NOT NULL, -- of the device
    class               integer NOT NULL, -- of its outcome
    tries               smallint NOT NULL, -- connections that count against it
    owed                boolean NOT NULL,
    acked               boolean NOT NULL,
    routed              boolean NOT NULL, -- the device had a route since
    app                 text COLLATE "C" NOT NULL,
    user_name           text COLLATE "C" NOT NULL,
    PRIMARY KEY (partition, app, user_name, position, place)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

-- Pushes that are to be delivered later. Never updated.
CREATE TABLE waiting_pushes (
    push_id        uuid    NOT NULL,
    trace_id       uuid    NOT NULL,
    position       bigint  NOT NULL, -- of pushed
    span           bigint  NOT NULL,
    digest         bigint  NOT NULL,
    accepted       bigint  NOT NULL,
    due            bigint  NOT NULL, -- when it is to be delivered
    ttl            bigint  NOT NULL, -- microseconds from then on
    family         bigint  NOT NULL,
    command        bigint  NOT NULL,
    partition      integer NOT NULL,
    first_wins     boolean NOT NULL,
    app            text COLLATE "C" NOT NULL,
    user_name      text COLLATE "C" NOT NULL,
    device         text COLLATE "C" NOT NULL,
    name           text COLLATE "C" NOT NULL,
    label          text COLLATE "C" NOT NULL,
    collapse_key   text COLLATE "C" NOT NULL,
    body           bytea   NOT NULL,
    PRIMARY KEY (partition, app, user_name, position)
);
ALTER TABLE waiting_pushes ALTER COLUMN body SET STORAGE EXTERNAL;

-- Cancels of push ids that were not seen yet: at most 1,000 for a user.
CREATE TABLE tombstones (
    push_id   uuid    NOT NULL,
    at        bigint  NOT NULL, -- broker time
    partition integer NOT NULL,
    place     integer NOT NULL,
    app       text COLLATE "C" NOT NULL,
    user_name text COLLATE "C" NOT NULL,
    PRIMARY KEY (partition, app, user_name, place)
);

-- The push ids that callers gave, for idempotency: one row for each flush that
-- saw some, not one for each push, which would cost more than all the rest.
-- Element i of the first five arrays is one push id of one user. A user's ids
-- are forgotten oldest first: floors[i] says up to where those of
-- floor_users[i] are forgotten (position of the oldest that is still known).
-- Once most of what is stored has been forgotten, a flush writes the rest as
-- new rows and deletes the old ones. Users stand as app/user.
CREATE TABLE recent_pushes (
    next        bigint  NOT NULL, -- offset after the flush that wrote the row
    partition   integer NOT NULL,
    part        integer NOT NULL, -- rows of one flush are counted from 0
    users       text[] COLLATE "C" NOT NULL,
    push_ids    uuid[]   NOT NULL,
    positions   bigint[] NOT NULL,
    digests     bigint[] NOT NULL,
    times       bigint[] NOT NULL, -- broker time
    floor_users text[] COLLATE "C" NOT NULL,
    floors      bigint[] NOT NULL,
    PRIMARY KEY (partition, next, part)
);

-- +goose Down
DROP TABLE IF EXISTS recent_pushes, tombstones, waiting_pushes, debts, pending_pushes;
