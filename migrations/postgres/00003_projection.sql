-- +goose Up

-- How far each partition of the log has been folded into the other tables: one
-- row for each, changed in the same transaction as they are. `next` is the
-- fence: a writer moves it from the offset at which its own flush begins, and
-- writes nothing if it stands elsewhere. A few rows, updated several times a
-- second: most of each page is left free, so that every update is HOT.
CREATE TABLE projection (
    next      bigint  NOT NULL, -- offset to go on at
    term      bigint  NOT NULL, -- position of the newest claimed
    at        bigint  NOT NULL, -- newest broker time that was folded
    partition integer NOT NULL,
    sealed    boolean NOT NULL, -- the last record of this epoch has been read
    topic     text COLLATE "C" NOT NULL,
    serials   bytea   NOT NULL, -- highest serial of each origin (internal/eventlog)
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 20);

-- +goose Down
DROP TABLE IF EXISTS projection;
