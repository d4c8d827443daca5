-- +goose Up

-- A place is another device's when its session has ended long ago, or when the
-- user has had very many. What had it before must not come back.
ALTER TABLE sessions
    ADD COLUMN floor bigint NOT NULL DEFAULT 0; -- position of the newest login of those who had the place before

-- +goose Down
ALTER TABLE sessions DROP COLUMN floor;
