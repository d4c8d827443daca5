-- +goose Up

-- What is counted of devices that take each other's place, and what tells a
-- repeated login from a new one. All of it changes at connects and ends only.
ALTER TABLE sessions
    ADD COLUMN session_before uuid    NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    ADD COLUMN flapped_at     bigint  NOT NULL DEFAULT 0, -- broker time at which installs alternated last
    ADD COLUMN kicked_at      bigint  NOT NULL DEFAULT 0, -- broker time at which this session kicked last
    ADD COLUMN flaps          integer NOT NULL DEFAULT 0, -- how often installs alternated, each soon after the one before
    ADD COLUMN kicks          integer NOT NULL DEFAULT 0; -- how often the user's devices had kicked each other by then, with that

-- At most 64 for a user: of one install with a newer connection the oldest goes.
ALTER TABLE closing
    ADD COLUMN install uuid   NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    ADD COLUMN after   bigint NOT NULL DEFAULT 0; -- milliseconds that the device stays away

-- +goose Down
ALTER TABLE closing DROP COLUMN after, DROP COLUMN install;
ALTER TABLE sessions DROP COLUMN kicks, DROP COLUMN flaps, DROP COLUMN kicked_at, DROP COLUMN flapped_at, DROP COLUMN session_before;
