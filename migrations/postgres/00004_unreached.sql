-- +goose Up

-- What has been said of a push that waits, and where a push for later stood
-- first. `unreached` changes once, and only of pushes that are stored anyway.
ALTER TABLE pending_pushes
    ADD COLUMN pushed    bigint  NOT NULL DEFAULT 0,    -- of one that was released: position of its pushed
    ADD COLUMN unreached boolean NOT NULL DEFAULT false; -- it has been said that nobody is connected

-- +goose Down
ALTER TABLE pending_pushes DROP COLUMN unreached, DROP COLUMN pushed;
